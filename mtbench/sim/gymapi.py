"""Isaac Gym's ``gymapi`` on open physics: the calls of Preview 4 that a vectorized task needs.

Names, argument order, layouts and defaults are Preview 4's. A call that is not here raises ``NotImplementedError`` that
names it; ``docs/tensor_api.md`` lists what is and what is not. States are in each environment's own frame.

This file is the face alone: names as clients import them. The calls are in the modules ``*_calls``, by what they are about.
"""

from __future__ import annotations

from difflib import get_close_matches
from enum import EnumType, IntEnum
from typing import Any

from . import component_types, datatypes, viewer_types
from .actor_calls import ActorCalls
from .array_math import *  # noqa: F403
from .asset_calls import AssetCalls
from .assets import Asset  # noqa: F401 (Isaac Gym has it here, and what is so marked below)
from .attractor_calls import AttractorCalls
from .camera_calls import CameraCalls
from .component_types import *  # noqa: F403
from .coverage import MISSING_CALLS, MISSING_TYPES, PAGE
from .datatypes import *  # noqa: F403
from .force_sensors import ForceSensor  # noqa: F401
from .gymtorch import Tensor  # noqa: F401
from .pose_types import *  # noqa: F403
from .property_calls import PropertyCalls
from .scene import Env  # noqa: F401
from .sensor_calls import SensorCalls
from .simulation import Simulation as Sim  # noqa: F401
from .simulation_calls import SimulationCalls
from .single_calls import SingleCalls
from .state_calls import StateCalls
from .tendon_calls import TendonCalls
from .tensor_calls import TensorCalls
from .viewer_calls import ViewerCalls
from .viewer_types import *  # noqa: F403

for _module in (datatypes, component_types, viewer_types):
    for _enum in [t for t in vars(_module).values() if isinstance(t, EnumType) and t is not IntEnum]:
        globals().update(_enum.__members__)  # gymapi.SIM_PHYSX is gymapi.SimType.SIM_PHYSX


def __getattr__(name: str) -> Any:
    if name not in MISSING_TYPES:
        raise AttributeError(f"module 'gymapi' has no attribute {name!r}")

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(f"gymapi.{name} is not available: {MISSING_TYPES[name]}; see {PAGE}")

    return type(name, (), {"__init__": refuse})


def acquire_gym(*args: Any) -> Gym:
    """The gym. Arguments are accepted for compatibility and have no meaning, as in Isaac Gym."""
    return Gym()


def carb_init(config_str: str = "") -> bool:
    """Isaac Gym starts its plug-ins so. There are none here, and it is done."""
    return True


class Gym(
    SimulationCalls,
    AssetCalls,
    ActorCalls,
    PropertyCalls,
    TensorCalls,
    StateCalls,
    SingleCalls,
    SensorCalls,
    TendonCalls,
    AttractorCalls,
    CameraCalls,
    ViewerCalls,
):
    """The calls. Handles of actors count within their environment, in creation order."""

    def __getattr__(self, name: str) -> Any:
        if name in MISSING_CALLS:

            def refuse(*args: Any, **kwargs: Any) -> None:
                raise NotImplementedError(f"gym.{name} is not available: {MISSING_CALLS[name]}; see {PAGE}")

            return refuse  # raises when it is called: clients collect calls in tables, and ask hasattr
        near = get_close_matches(name, [n for n in dir(type(self)) if not n.startswith("_")], 1)
        raise AttributeError(f"Isaac Gym has no call {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
