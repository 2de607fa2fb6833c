"""What Isaac Gym's integer handles mean: bodies, DOFs and joints of an environment, counted over its actors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import mujoco

from .datatypes import INVALID_HANDLE, DofType, JointType
from .numbers import number

if TYPE_CHECKING:
    from .assets import Asset
    from .scene import Actor, Env
    from .simulation import Simulation


def simulation(env: Env) -> Simulation:
    """The simulation of an environment."""
    return env.sim  # type: ignore[attr-defined]


def index_of(value: Any) -> int:
    """A handle or an index as an integer, from whatever is one integer.

    Raises:
        TypeError: it is not.
    """
    return value if type(value) is int else number(value, int, f"{call()}: a handle or an index")


def call() -> str:
    """The call of the gym that is under way, for messages."""
    frame, name = sys._getframe(), ""
    while frame := frame.f_back:  # type: ignore[assignment]
        owner, _, method = frame.f_code.co_qualname.partition(".")
        if method and (owner == "Gym" or owner.endswith("Calls")):
            name = frame.f_code.co_name
    return f"gym.{name}"


def within(index: Any, count: int, what: str) -> int:
    """``index``, which must be one of ``count`` things; none is counted from the end.

    Raises:
        IndexError: it is not.
    """
    index = index_of(index)
    if not 0 <= index < count:
        has = f"0..{count - 1}" if count else "none"
        raise IndexError(f"{call()}: there is no {index} among the {what}, which are {has}")
    return index


def find(names: Sequence[str], name: str) -> int:
    """The place of a name among others, or ``INVALID_HANDLE``."""
    return names.index(name) if name in names else INVALID_HANDLE


def indices(names: Sequence[str]) -> dict[str, int]:
    """The place of each name."""
    return {name: i for i, name in enumerate(names)}


def one_each(envs: Sequence[Env], handle: int | Sequence[int]) -> list[int]:
    """One handle for each environment, given one for all or a sequence.

    Raises:
        ValueError: there are several, but not one for each.
    """
    given = handle.tolist() if hasattr(handle, "tolist") else handle
    handles = [index_of(h) for h in given] if isinstance(given, Sequence) else [index_of(given)]
    if len(handles) == 1:
        return handles * len(envs)
    if len(handles) != len(envs):
        raise ValueError(f"{call()}: {len(handles)} handles are given for {len(envs)} environments")
    return handles


def actor_of(env: Env, handle: int) -> Actor:
    """The actor with a handle.

    Raises:
        IndexError: there is none.
    """
    return env.actors[within(index_of(handle), len(env.actors), f"actors of environment {env.index}")]


def body_of(env: Env, handle: int) -> tuple[int, Actor, int]:
    """(actor handle, actor, body within the actor) of a body's handle."""
    return _owner(env, handle, "bodies", lambda asset: len(asset.body_names))


def dof_of(env: Env, handle: int) -> tuple[int, Actor, int]:
    """(actor handle, actor, DOF within the actor) of a DOF's handle."""
    return _owner(env, handle, "DOFs", lambda asset: len(asset.dof_names))


def joint_of(env: Env, handle: int) -> tuple[int, Actor, int]:
    """(actor handle, actor, joint within the actor) of a joint's handle."""
    return _owner(env, handle, "joints", lambda asset: len(joints(asset)))


def first_of(env: Env, actor: int, count: Callable[[Asset], int]) -> int:
    """How many parts the actors before this one have."""
    return sum(count(a.asset) for a in env.actors[: index_of(actor)])


def _owner(env: Env, handle: int, what: str, count: Callable[[Asset], int]) -> tuple[int, Actor, int]:
    at = within(index_of(handle), first_of(env, len(env.actors), count), f"{what} of environment {env.index}")
    for k, actor in enumerate(env.actors):
        if at < count(actor.asset):
            return k, actor, at
        at -= count(actor.asset)
    raise AssertionError("the handle is within the count")


def joints(asset: Asset) -> list[tuple[str, JointType]]:
    """Name and type of every joint of an asset, in the order of the bodies that hang on them.

    Every body but the root hangs on one, so that joint k of a URDF moves body k + 1: clients use a joint's index as a row of
    the Jacobian. A fixed joint has the URDF's name; in an MJCF it has none, and takes its body's.
    """
    m, out = asset.model, []
    for body in range(1, m.nbody):
        first, count = m.body_jntadr[body], m.body_jntnum[body]
        for j in range(first, first + count):
            if m.jnt_type[j] != mujoco.mjtJoint.mjJNT_FREE:
                name = m.joint(j).name
                turns = asset.dof_types[asset.dof_names.index(name)] == DofType.DOF_ROTATION
                out.append((name, JointType.JOINT_REVOLUTE if turns else JointType.JOINT_PRISMATIC))
        if body > 1 and not count:
            name = asset.body_names[body - 1]
            out.append((asset.fixed_joints.get(name, name), JointType.JOINT_FIXED))
    return out
