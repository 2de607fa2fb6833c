"""What a Meta-World task is: a frozen description that the environment turns into actors, resets, observations and rewards.

Units are SI, +x points away from the robot, +y to its left, +z up. Heights in a specification are measured from the table
top (``TABLE_TOP`` in :mod:`isaacgymenvs_tasks.metaworld.env` is added once, when the environment is built).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

Vec3 = tuple[float, float, float]

#: Which triple of the reset vector a pose follows: none of them, the first (the object) or the second (the goal).
FIXED, OBJECT, GOAL = None, 0, 1


@dataclass(frozen=True)
class Placement:
    """A position that is drawn anew at every reset: ``offset`` plus the triple of the reset vector it follows.

    Attributes:
        offset: metres; the whole position when ``follows`` is None.
        follows: ``OBJECT`` (reset vector 0:3), ``GOAL`` (reset vector 3:6) or ``FIXED``.
    """

    offset: Vec3 = (0.0, 0.0, 0.0)
    follows: int | None = FIXED


@dataclass(frozen=True)
class ActorSpec:
    """One actor of a scene besides the robot and the table.

    Attributes:
        name: actor name, unique in the task.
        asset: MJCF file under ``assets/metaworld``.
        placement: position of the actor's root.
        yaw: rotation of the root about z (radians).
        fixed_base: the root does not move (a drawer's case); otherwise it is a free body (a puck).
        dofs: joint name -> position at reset (radians or metres); joints not named start at 0.
    """

    name: str
    asset: str
    placement: Placement
    yaw: float = 0.0
    fixed_base: bool = True
    dofs: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """A point fixed in a body: ``offset`` in the frame of ``body`` of ``actor`` (metres)."""

    actor: str
    body: str
    offset: Vec3 = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class State:
    """What a reward sees: one task's slice of the batch, ``n`` environments, all positions in the env frame with the
    table top at z = 0 (so z is height above the table).

    ``*_init`` are the values at the last reset, refreshed at every reset.
    """

    action: Tensor  #: (n, 4) in [-1, 1]; the last entry is the gripper, positive closes
    tcp: Tensor  #: (n, 3) midpoint of the fingertips
    tcp_init: Tensor  #: (n, 3)
    left_pad: Tensor  #: (n, 3) centre of the left fingertip pad
    right_pad: Tensor  #: (n, 3)
    openness: Tensor  #: (n,) 0 shut .. 1 fully open
    obj: Tensor  #: (n, 3) first observed point
    obj_quat: Tensor  #: (n, 4) xyzw
    obj_init: Tensor  #: (n, 3)
    obj2: Tensor  #: (n, 3) second observed point; zeros when the task has none
    obj2_quat: Tensor  #: (n, 4) xyzw
    obj2_init: Tensor  #: (n, 3)
    goal: Tensor  #: (n, 3) target position
    dof_pos: Tensor  #: (n, d) joint positions of the scene's actors (not the robot), in asset order
    params: Mapping[str, Tensor]  #: (n,) each: ``TaskSpec.params``, by name
    cage: Tensor  #: (n,) in [0, 1], how well the fingers hold the first observed point, see :class:`Cage`


#: state -> (reward in [0, 10] (n,), success (n,) bool)
Reward = Callable[[State], tuple[Tensor, Tensor]]

#: (state, memory) -> action (n, 4). ``memory`` is the policy's own: (n, 4) float, zeroed at reset, written in place.
Expert = Callable[[State, Tensor], Tensor]


@dataclass(frozen=True)
class Cage:
    """What counts as fingers around the first observed point: the numbers of :func:`.rewards.caging`.

    Attributes:
        object_radius, pad_threshold: metres; along the fingers' axis a pad is right between these distances from the point.
        plane_threshold: metres; across that axis the tcp is right within this distance.
        effort: the gripper action that earns all of closing.
    """

    object_radius: float = 0.015
    pad_threshold: float = 0.05
    plane_threshold: float = 0.01
    effort: float = 1.0


@dataclass(frozen=True)
class V1:
    """How a task's V1 reward is put together (Meta-World's first reward set), see :mod:`.rewards_v1`.

    Attributes:
        kind: ``reach`` (the tcp goes to the goal), ``push`` (touch and move) or ``pick`` (touch, lift, then move).
        moves: which observed point goes to the goal, ``obj`` or ``obj2``; the hand always reaches for ``obj``.
        lift: metres ``obj`` must rise before moving pays, ``pick`` only.
    """

    kind: str = "push"
    moves: str = "obj"
    lift: float = 0.04

    def __post_init__(self) -> None:
        if self.kind not in ("reach", "push", "pick") or self.moves not in ("obj", "obj2"):
            raise ValueError(
                f"V1 has kinds reach, push and pick that move obj or obj2, not {self.kind} of {self.moves}"
            )


@dataclass(frozen=True)
class TaskSpec:
    """A Meta-World task on the Franka.

    Attributes:
        task_id: MTBench's id, 0..49.
        name: MTBench's name, for example ``drawer_open``.
        description: one sentence in plain words (the source of task embeddings).
        actors: everything but robot and table.
        reset_low, reset_high: bounds of the reset vector, drawn uniformly: 0, 3 or 6 numbers, object then goal.
        min_distance: xy distance between the object and goal triples below which a draw is rejected (0: no constraint).
        goal: target position; it is observed in the last three entries.
        goal_point: when given, the goal follows this point as it stands right after the reset, plus ``goal.offset``.
        observed: one or two points whose poses are observed.
        tcp_start: the hand's position at reset (x, y, height), before noise; the gripper points down.
        reward: dense reward and success. Neighbouring tasks that share the function are rewarded in one call.
        expert: scripted policy that solves the task.
        reward_metaworld: Meta-World's own V2 shaping, where ``reward`` departs from it.
        finger_axis: world axis along which the fingers open, ``x`` as in Meta-World or ``y``.
        params: numbers in which tasks that share a reward or an expert differ; they arrive as ``State.params``.
        cage: what ``State.cage`` calls a grasp.
        v1: the shape of the task's V1 reward.
    """

    task_id: int
    name: str
    description: str
    actors: tuple[ActorSpec, ...]
    reset_low: tuple[float, ...]
    reset_high: tuple[float, ...]
    goal: Placement
    observed: tuple[Point, ...]
    tcp_start: Vec3
    reward: Reward
    expert: Expert
    min_distance: float = 0.0
    goal_point: Point | None = None
    finger_axis: str = "x"
    params: Mapping[str, float] = field(default_factory=dict)
    cage: Cage = Cage()
    v1: V1 = V1()
    reward_metaworld: Reward | None = None

    def __post_init__(self) -> None:
        if len(self.reset_low) != len(self.reset_high) or len(self.reset_low) not in (0, 3, 6):
            raise ValueError(f"{self.name}: reset_low and reset_high need the same length, 0, 3 or 6")
        if not 1 <= len(self.observed) <= 2:
            raise ValueError(f"{self.name}: one or two observed points, not {len(self.observed)}")
        if self.finger_axis not in ("x", "y"):
            raise ValueError(f"{self.name}: finger_axis is 'x' or 'y', not {self.finger_axis!r}")


def reset_bounds(spec: TaskSpec) -> Tensor:
    """Bounds of the reset vector as a (2, 6) tensor, padded with zeros."""
    bounds = torch.zeros(2, 6)
    n = len(spec.reset_low)
    bounds[0, :n] = torch.tensor(spec.reset_low)
    bounds[1, :n] = torch.tensor(spec.reset_high)
    return bounds
