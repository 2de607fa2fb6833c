"""States and commands that clients set or read before ``prepare_sim``, while environments are still being created.

The example scripts of Isaac Gym set the states and targets of an actor as soon as it is created. They wait here, with the
actor, until the tensors exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np
from torch import Tensor

from .assets import Asset
from .pose_types import Quat, Transform, Vec3

if TYPE_CHECKING:
    from .scene import Actor

COMMANDS = "position_target", "velocity_target", "applied_effort"


class Start:
    """What an actor starts with beside its pose.

    Attributes:
        dofs: (DOFs, 2) positions and velocities.
        commands: (DOFs,) each, by the names of ``COMMANDS``.
        velocity: (6,) linear and angular velocity of a floating root, axes of the environment.
    """

    def __init__(self, asset: Asset) -> None:
        count = len(asset.dof_names)
        self.dofs = np.zeros((count, 2), np.float32)
        self.commands = {name: np.zeros(count, np.float32) for name in COMMANDS}
        self.velocity = np.zeros(6, np.float32)


def write_commands(target: Any, which: str, rows: slice | int, values: np.ndarray | Tensor | float) -> None:
    """Write commands of one kind (of ``COMMANDS``) into some rows of an array or tensor of them. Efforts add up."""
    if which == "applied_effort":
        target[rows] += values
    else:
        target[rows] = values


def start_of(actor: Actor) -> Start:
    """The actor's own."""
    if actor.start is None:
        actor.start = Start(actor.asset)
    return actor.start


def root_state(actor: Actor) -> list[float]:
    """(13,), as the root state tensor will have it."""
    p, r = actor.pose.p, actor.pose.r.normalize()
    velocity = [0.0] * 6 if actor.start is None or actor.asset.fixed else actor.start.velocity.tolist()
    return [p.x, p.y, p.z, r.x, r.y, r.z, r.w, *velocity]


def set_root_state(actor: Actor, part: slice, values: list[float]) -> None:
    """Write entries of :func:`root_state`."""
    state = root_state(actor)
    state[part] = values
    actor.pose = Transform(Vec3(*state[:3]), Quat(*state[3:7]))
    start_of(actor).velocity[:] = state[7:]


def posed(actor: Actor) -> mujoco.MjData:
    """The actor's asset alone, in the frame of its root, with the DOFs as they start."""
    m = actor.asset.model
    d = mujoco.MjData(m)
    if actor.start is not None:
        d.qpos[:], d.qvel[:] = actor.start.dofs.T
    mujoco.mj_fwdPosition(m, d)
    mujoco.mj_fwdVelocity(m, d)
    return d


def body_states(actor: Actor) -> np.ndarray:
    """(bodies, 13), as the rigid-body state tensor will have them."""
    m, d, root = actor.asset.model, posed(actor), root_state(actor)
    turn, flat = actor.pose.r.normalize(), np.empty(9)
    mujoco.mju_quat2Mat(flat, [turn.w, turn.x, turn.y, turn.z])
    rotation, linear, angular = flat.reshape(3, 3), np.array(root[7:10]), np.array(root[10:])
    out, own, quat = np.zeros((m.nbody - 1, 13), np.float32), np.zeros(6), np.zeros(4)
    for b in range(1, m.nbody):
        arm = rotation @ d.xpos[b]
        mujoco.mju_mulQuat(quat, [turn.w, turn.x, turn.y, turn.z], d.xquat[b])
        mujoco.mj_objectVelocity(m, d, mujoco.mjtObj.mjOBJ_XBODY, b, own, 0)  # rotation first
        out[b - 1, :3] = root[:3] + arm
        out[b - 1, 3:7] = quat[[1, 2, 3, 0]]
        out[b - 1, 7:10] = linear + np.cross(angular, arm) + rotation @ own[3:]
        out[b - 1, 10:] = angular + rotation @ own[:3]
    return out
