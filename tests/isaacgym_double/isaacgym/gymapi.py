"""See the package's docstring. ``CALLS`` counts the calls that were made."""

from __future__ import annotations

import ast
import dataclasses
from collections import Counter
from importlib.metadata import files
from pathlib import Path
from typing import Any

import torch

from isaacgym.gymtorch import Descriptor
from mtbench.sim import gymapi as ours
from mtbench.sim import gymtorch as our_gymtorch

CALLS: Counter[str] = Counter()


def _read_stubs() -> ast.Module:
    path = next(f for f in files("isaacgym-stubs") or [] if f.name == "gymapi.pyi").locate()
    # one property of the stubs is called "lambda", which does not parse
    return ast.parse(Path(str(path)).read_text().replace("def lambda(", "def lambda_("))


_TREE = _read_stubs()
_CLASSES = {node.name: node for node in _TREE.body if isinstance(node, ast.ClassDef)}
_METHODS = {f.name: f for f in _CLASSES["Gym"].body if isinstance(f, ast.FunctionDef)}
_NAMES = {
    node.target.id for node in _TREE.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
}
_NAMES |= set(_CLASSES) | {"acquire_gym"}


def _fields(name: str) -> set[str]:
    body = _CLASSES[name].body
    properties = {f.name for f in body if isinstance(f, ast.FunctionDef)}
    return properties | {f.target.id for f in body if isinstance(f, ast.AnnAssign) and isinstance(f.target, ast.Name)}


class Buffer:
    """What ``acquire_*`` returns."""

    def __init__(self, buffer: torch.Tensor) -> None:
        self.buffer = buffer


def _strict(instance: Any) -> Any:
    """The same object, refusing fields that the stubs do not have."""
    cls = type(instance)
    allowed = _fields(cls.__name__)

    def __setattr__(self: Any, name: str, value: Any) -> None:  # noqa: N807
        if name not in allowed:
            raise AttributeError(f"{cls.__name__!r} object has no attribute {name!r}")
        object.__setattr__(self, name, value)

    instance.__class__ = type(cls.__name__, (cls,), {"__setattr__": __setattr__})
    for value in vars(instance).values():
        # not Vec3, whose slots refuse the rest, nor what is ours alone
        if dataclasses.is_dataclass(value) and hasattr(value, "__dict__") and type(value).__name__ in _CLASSES:
            _strict(value)
    return instance


def _check_arguments(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    spec = _METHODS[name].args
    if spec.vararg:  # the stub does not know this signature
        return
    names = [a.arg for a in spec.args][1:]
    least = len(names) - len(spec.defaults)
    for key in kwargs:
        if key not in names[len(args) :] or key.startswith("arg"):
            raise TypeError(f"Gym.{name} has no keyword argument {key!r}")
    if not least <= len(args) + len(kwargs) <= len(names):
        raise TypeError(f"Gym.{name} takes {least} to {len(names)} arguments, not {len(args) + len(kwargs)}")


class Gym:
    """Calls are checked and go on to :mod:`mtbench.sim`, except those that move tensors."""

    def __init__(self) -> None:
        self._gym = ours.acquire_gym()
        self._buffers: dict[str, Buffer] = {}
        self._set: set[str] = set()  # setters called since the last simulate
        self._commands: list[tuple[str, list[Any]]] = []

    def __getattr__(self, name: str) -> Any:
        if name not in _METHODS:
            raise AttributeError(f"'isaacgym._bindings.linux-x86_64.gym_38.Gym' object has no attribute {name!r}")

        def call(*args: Any, **kwargs: Any) -> Any:
            _check_arguments(name, args, kwargs)
            CALLS[name] += 1
            if name.startswith("acquire_"):
                return self._acquire(name, *args)
            if name.startswith("refresh_"):
                return self._refresh(name, *args)
            if name.startswith("set_") and "_tensor" in name:
                return self._command(name, *args)
            if name == "simulate":
                return self._simulate(*args)
            if name == "create_sim":
                assert args[2] == ours.SIM_PHYSX, "tensors need PhysX"
                # ours alone, and as our tasks have it on our engines, so that both can be compared
                object.__setattr__(args[3], "implicit_contacts", False)
                object.__setattr__(args[3], "keep_finite", False)
            if name in ("create_env", "create_actor"):
                sim = args[0] if name == "create_env" else args[0].sim
                assert not sim.prepared, f"{name} after prepare_sim"
            return getattr(self._gym, name)(*args, **kwargs)

        return call

    def _acquire(self, name: str, sim: Any, *args: Any) -> Buffer:
        assert sim.prepared, f"{name} before prepare_sim"
        if name not in self._buffers:
            values = our_gymtorch.wrap_tensor(getattr(self._gym, name)(sim, *args))
            self._buffers[name] = Buffer(torch.zeros_like(values))
        return self._buffers[name]

    def _refresh(self, name: str, sim: Any) -> bool:
        assert not self._set, f"{name} after {sorted(self._set)} shows stale states until the next simulate"
        getattr(self._gym, name)(sim)
        acquire = name.replace("refresh_", "acquire_")
        self._buffers[acquire].buffer.copy_(our_gymtorch.wrap_tensor(getattr(self._gym, acquire)(sim)))
        return True

    def _command(self, name: str, sim: Any, values: Descriptor, *index: Any) -> bool:
        assert sim.prepared, f"{name} before prepare_sim"
        assert name not in self._set, f"{name} was called already since the last simulate"
        data = values.read()
        assert data.dtype == torch.float32, f"{name} takes float32, not {data.dtype}"
        rest: list[Any] = []
        if index:
            actors = index[0].read()
            assert actors.dtype == torch.int32 and len(actors) == index[1], f"{name}: {actors.dtype}, {index[1]}"
            assert len(actors.unique()) == len(actors), f"{name}: an actor is named twice"
            if "dof" in name:
                assert all(sim.actors[i].asset.dof_names for i in actors.tolist()), f"{name}: an actor without DOFs"
            rest = [our_gymtorch.unwrap_tensor(actors), index[1]]
        self._set.add(name)
        self._commands.append((name, [our_gymtorch.unwrap_tensor(data), *rest]))
        return True

    def _simulate(self, sim: Any) -> None:
        assert sim.prepared, "simulate before prepare_sim"
        for name, args in self._commands:
            getattr(self._gym, name)(sim, *args)
        self._commands.clear()
        self._set.clear()
        self._gym.simulate(sim)


def acquire_gym(*args: Any) -> Gym:
    return Gym()


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'isaacgym.gymapi' has no attribute {name!r}")
    value = getattr(ours, name)
    if isinstance(value, type) and name in ("SimParams", "AssetOptions", "PlaneParams"):
        return lambda *args, **kwargs: _strict(value(*args, **kwargs))
    return value
