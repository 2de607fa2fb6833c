"""The safe with a hinged door: door_close (13) and door_open (16).

Follows Meta-World's ``sawyer_door_close_v3`` and ``sawyer_door_v3``: layout, reward terms and weights, the funnel that
makes the opening hand come down from above, and success (open: the handle within 0.08 m of the goal across the opening,
78 to 101 degrees here; shut: the handle within 0.08 m of where it ends, the last 11 degrees). Departures:

- To open, the safe is 0.05 m nearer to the robot and 0.05 m further left, so that both ends of the handle's arc are in
  reach. To close it stands where Meta-World's does (MTBench's is 0.1 m further away).
- The handle sits 0.12 m higher (see ``assets/metaworld/door.xml``), and so does the opening hand at the start.
- The hand is drawn to a point at the handle's bar that turns with the door, so the attraction stays true along the arc:
  to open the gap between bar and panel, to close the bar's outer side. Meta-World's (and MTBench's) points are fixed to
  world axes, and in closing the hand is drawn to where the handle ends.
- Every degree of opening pays alike: Meta-World's term pays 0.3 of 10 for the first thirty (``reward=v2_metaworld``).
- Closed fingers are rewarded in opening, as in Meta-World (they fit the gap); MTBench rewards open ones.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import descend, steer
from isaacgymenvs_tasks.metaworld.rewards import (
    approach,
    distance,
    finish,
    from_above,
    hamacher,
    placement,
    tolerance,
)
from isaacgymenvs_tasks.metaworld.task import OBJECT, ActorSpec, Placement, Point, State, TaskSpec

YAW = -math.pi / 2  #: the door faces the robot
HANDLE = (0.39, -0.12, 0.12)  #: middle of the handle's bar, frame of the door
GAP = (0.05, -0.015)  #: m behind and above the bar's middle: where the tcp hooks in
OUTSIDE = (-0.035, -0.015)  #: m: where the tcp pushes
RADIUS = 0.08  #: m, success
OPEN = math.radians(78.0)  #: where success begins


def _turned(angle: Tensor, x: float, y: float, z: float = 0.0) -> Tensor:
    """World offset (n, 3) of ``(x, y, z)`` in the frame of a door at ``angle`` (n,)."""
    c, s = torch.cos(angle + YAW), torch.sin(angle + YAW)
    return torch.stack((x * c - y * s, x * s + y * c, torch.full_like(c, z)), -1)


def open_reward(state: State) -> tuple[Tensor, Tensor]:
    """2 for the hand in the gap with closed fingers, 1.6 for the first 2 degrees of the door, 6.4 for its angle."""
    angle = state.dof_pos[:, 0]
    opened = 0.2 * (angle < -math.pi / 90) + 0.8 * (-angle / OPEN).clamp(0.0, 1.0)
    return finish(2.0 * _hooked(state) + 8.0 * opened, _is_open(state))


def open_metaworld(state: State) -> tuple[Tensor, Tensor]:
    """2 for the hand in the gap with closed fingers, 8 for the door's angle."""
    angle = state.dof_pos[:, 0]
    opened = 0.2 * (angle < -math.pi / 90) + 0.8 * tolerance(angle + 2 * math.pi / 3, 0.5, math.pi / 3)
    return finish(2.0 * _hooked(state) + 8.0 * opened, _is_open(state))


def _hooked(state: State) -> Tensor:
    """How near the tcp is to the gap behind the bar, coming from above with closed fingers, (n,) in [0, 1]."""
    gap = state.obj + _turned(state.dof_pos[:, 0], 0.0, *GAP)
    ready = hamacher(from_above(state, gap, 0.05, 0.05), tolerance(distance(state.tcp, gap), 0.04, 0.5))
    return hamacher(ready, 0.5 * (state.action[:, 3] + 1.0))


def _is_open(state: State) -> Tensor:
    return (state.obj[:, 1] - state.goal[:, 1]).abs() <= RADIUS


def close_reward(state: State) -> tuple[Tensor, Tensor]:
    """3 for the hand at the bar's outer side, 6 for the handle's way to the goal."""
    outside = state.obj + _turned(state.dof_pos[:, 0], 0.0, *OUTSIDE)
    reward = 3.0 * approach(state, outside, state.obj_init, 0.02) + 6.0 * placement(state, RADIUS)
    return finish(reward, distance(state.obj, state.goal) <= RADIUS)


def open_expert(state: State, memory: Tensor) -> Tensor:
    """Drop closed fingers into the gap behind the bar and pull the door round its hinge."""
    angle = state.dof_pos[:, 0]
    gap = state.obj + _turned(angle, 0.0, *GAP)
    hooked, action = descend(state, memory, gap, 0.06, 0.02)
    hinge = state.obj - _turned(angle, HANDLE[0], HANDLE[1])
    ahead = hinge + _turned(angle - 0.3, HANDLE[0], HANDLE[1] + GAP[0], GAP[1])
    return torch.where(hooked[:, None], steer(state, ahead, 1.0), action)


def close_expert(state: State, memory: Tensor) -> Tensor:
    """Come down with closed fingers outside the bar and push the door round its hinge."""
    angle = state.dof_pos[:, 0]
    touching, action = descend(state, memory, state.obj + _turned(angle, 0.0, -0.055, OUTSIDE[1]), 0.06, 0.02)
    hinge = state.obj - _turned(angle, HANDLE[0], HANDLE[1])
    ahead = hinge + _turned(angle + 0.3, HANDLE[0], HANDLE[1] + OUTSIDE[0], OUTSIDE[1])
    return torch.where(touching[:, None], steer(state, ahead, 1.0), action)


DOOR_CLOSE = TaskSpec(
    task_id=13,
    name="door_close",
    description="Close the hinged door of the safe.",
    actors=(ActorSpec("safe", "door.xml", Placement(follows=OBJECT), yaw=YAW, dofs={"door_hinge": -math.pi / 2}),),
    reset_low=(0.25, -0.1, 0.15),
    reset_high=(0.35, 0.0, 0.15),
    goal=Placement((-0.22, -0.205, HANDLE[2]), OBJECT),
    observed=(Point("safe", "door", HANDLE),),
    tcp_start=(0.06, 0.4, 0.2),
    reward=close_reward,
    expert=close_expert,
    finger_axis="y",
)
DOOR_OPEN = TaskSpec(
    task_id=16,
    name="door_open",
    description="Open the hinged door of the safe.",
    actors=(ActorSpec("safe", "door.xml", Placement(follows=OBJECT), yaw=YAW),),
    reset_low=(0.2, -0.05, 0.15),
    reset_high=(0.3, 0.05, 0.15),
    goal=Placement((-0.45, 0.3, HANDLE[2]), OBJECT),
    observed=(Point("safe", "door", HANDLE),),
    tcp_start=(-0.12, 0.0, 0.31),
    reward=open_reward,
    reward_metaworld=open_metaworld,
    expert=open_expert,
    finger_axis="y",
)
