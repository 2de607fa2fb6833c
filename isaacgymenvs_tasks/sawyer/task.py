"""What an official task is: which model, what is observed of it, how an episode begins and what a step earns.

Metres, radians, seconds; x to the robot's right, y away from it, z up, the origin at the robot's base.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from isaacgymenvs_tasks.sawyer.scene import Scene

Vec3 = tuple[float, float, float]


@dataclass(frozen=True)
class Point:
    """A place that is observed, with an orientation.

    Attributes:
        place: ``body:NAME``, ``site:NAME``, ``geom:NAME`` or ``joint:NAME``, the body that this joint moves.
        offset: added to its position, in the world's frame.
        lever: added to its position, in its own frame.
        turn: the place whose orientation is observed, ``""`` for four zeros or ``one`` for (1, 0, 0, 0).
        xyzw: the orientation is written as xyzw with the largest component positive, else as MuJoCo does, wxyz. The package
            has both.
    """

    place: str
    turn: str = ""
    xyzw: bool = True
    offset: Vec3 = (0.0, 0.0, 0.0)
    lever: Vec3 = (0.0, 0.0, 0.0)


def body(name: str, offset: Vec3 = (0.0, 0.0, 0.0)) -> Point:
    """A body with MuJoCo's orientation of it."""
    return Point(f"body:{name}", f"body:{name}", False, offset)


@dataclass(frozen=True)
class State:
    """What a reward sees: ``n`` environments of one task.

    Positions are (n, 3). ``start`` has what the task's reset returned, (n,) or (n, 3) each.
    """

    action: Tensor  #: (n, 4) in [-1, 1]; the last entry is the gripper, positive closes
    hand: Tensor  #: as observed: 45 mm above the tcp
    openness: Tensor  #: (n,) 0 shut .. 1 open
    obj: Tensor  #: first observed point
    quat: Tensor  #: (n, 4) its orientation, as observed
    obj2: Tensor  #: second observed point; zeros when the task has none
    tcp: Tensor  #: middle of the fingertips
    finger: Tensor  #: tip of the left finger
    left_pad: Tensor
    right_pad: Tensor
    goal: Tensor
    tcp_init: Tensor  #: after the reset
    obj_init: Tensor  #: where the object began; each task has its own idea of that
    points: Mapping[str, Tensor]  #: ``SawyerTask.points``
    joint: Tensor  #: (n,) position of ``SawyerTask.joint``
    touch: Tensor  #: (n,) bool, both pads press on the object; only where ``SawyerTask.touch``
    memory: Tensor  #: (n,) for the task to write to, NaN at the first step of an episode
    start: Mapping[str, Tensor]


#: state -> reward (n,), success (n,) bool
Reward = Callable[[State], tuple[Tensor, Tensor]]
#: (scene, reset vectors (n, 3 or 6)) -> ``goal``, ``obj`` (n, 3) and whatever else rewards need of the start
Reset = Callable[[Scene, np.ndarray], dict[str, np.ndarray]]


@dataclass(frozen=True)
class SawyerTask:
    """A task of the official Meta-World.

    Attributes:
        task_id: place in the package's MT50.
        name: the package's name, with underscores and without its version.
        file: MJCF file in the package's ``assets/sawyer_xyz``.
        observed: one or two points.
        low, high: box of the reset vector, 3 or 6 numbers, object then goal.
        reset: begins episodes.
        v2, v1: reward and success under the package's two reward functions.
        min_distance: a reset vector whose two triples are nearer than this in xy is drawn again.
        keep_off: with ``min_distance``, the fixed place the first triple must keep away from instead.
        hand: where the hand begins.
        mocap_low, mocap_high: box of the mocap body that the hand follows.
        points: further places that rewards read.
        joint: name of a joint that rewards read.
        touch: rewards ask whether both pads press on the object.
        dead_v1: why V1 can never count a success, where it cannot.
    """

    task_id: int
    name: str
    file: str
    observed: tuple[Point, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    reset: Reset
    v2: Reward
    v1: Reward
    min_distance: float = 0.0
    keep_off: tuple[float, float] | None = None
    hand: Vec3 = (0.0, 0.6, 0.2)
    mocap_low: Vec3 = (-0.5, 0.4, 0.05)
    mocap_high: Vec3 = (0.5, 1.0, 0.5)
    points: tuple[str, ...] = ()
    joint: str = ""
    touch: bool = False
    dead_v1: str = ""
