"""Calls that refuse arguments of another kind than they take. What the kinds may not contain is in :mod:`.checks`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from enum import EnumType
from typing import Any, TypeVar

from . import component_types, datatypes, pose_types, viewer_types
from .assets import Asset
from .checks import shown
from .scene import Env
from .simulation import Simulation

#: What an argument is, by its annotation: the type, and in words.
_KINDS: dict[str, tuple[type, str]] = {
    "Sim": (Simulation, "a simulation, which create_sim gives"),
    "Env": (Env, "an environment, which create_env gives"),
    "Asset": (Asset, "an asset, which load_asset or create_box gives"),
    **{
        name: (kind, f"one of {', '.join(kind.__members__)}" if isinstance(kind, EnumType) else f"a gymapi.{name}")
        for name, kind in {
            "AssetOptions": datatypes.AssetOptions,
            "AttractorProperties": component_types.AttractorProperties,
            "CameraFollowMode": viewer_types.CameraFollowMode,
            "CameraProperties": viewer_types.CameraProperties,
            "CoordinateSpace": datatypes.CoordinateSpace,
            "ForceSensorProperties": component_types.ForceSensorProperties,
            "HeightFieldParams": datatypes.HeightFieldParams,
            "ImageType": viewer_types.ImageType,
            "IndexDomain": datatypes.IndexDomain,
            "PlaneParams": datatypes.PlaneParams,
            "SimParams": datatypes.SimParams,
            "Transform": pose_types.Transform,
            "TriangleMeshParams": datatypes.TriangleMeshParams,
            "Vec3": pose_types.Vec3,
        }.items()
    },
}
_NOT_GIVEN = object()
_Calls = TypeVar("_Calls")


def checked(calls: type[_Calls]) -> type[_Calls]:
    """Decorate a class of calls: each raises ``TypeError`` where an argument is not what its annotation says, as far as that
    is one of the gym's own types."""
    for name, method in list(vars(calls).items()):
        if inspect.isfunction(method) and not name.startswith("_"):
            setattr(calls, name, _checking(method))
    return calls


def _checking(method: Callable[..., Any]) -> Callable[..., Any]:
    kinds: list[tuple[int, str, type, str, bool]] = []
    for place, (name, parameter) in enumerate(inspect.signature(method).parameters.items()):
        annotation, _, rest = str(parameter.annotation).partition(" | ")
        if annotation in _KINDS:
            kinds.append((place - 1, name, *_KINDS[annotation], rest == "None"))
    if not kinds:
        return method

    @functools.wraps(method)
    def checking(self: Any, *args: Any, **named: Any) -> Any:
        for place, name, kind, words, optional in kinds:
            value = args[place] if place < len(args) else named.get(name, _NOT_GIVEN)
            if isinstance(value, kind) or value is _NOT_GIVEN or (optional and value is None):
                continue
            if not (isinstance(kind, EnumType) and _is_member(kind, value)):
                raise TypeError(f"gym.{method.__name__}: {name} is {words}, not {shown(value)}")
        return method(self, *args, **named)

    return checking


def _is_member(kind: EnumType, value: Any) -> bool:
    try:
        members: list[Any] = list(kind)
        return any(bool(value == member) for member in members)
    except (TypeError, ValueError, RuntimeError):  # an array
        return False
