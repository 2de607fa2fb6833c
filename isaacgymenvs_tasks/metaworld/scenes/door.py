"""The safe with a hinged door: door_open (16).

Follows Meta-World's ``sawyer_door_v3``: layout, the angle's reward, the funnel that makes the hand come down from
above, and success (the handle within 0.08 m of the goal across the opening, 78 to 101 degrees here). Departures:

- The safe is 0.05 m nearer to the robot and 0.05 m further left, so that both ends of the handle's arc are in reach.
- The handle sits 0.12 m higher (see ``assets/metaworld/door.xml``), and so does the hand at the start.
- The hand is drawn to the gap between handle and panel, a point that turns with the door, so the attraction stays
  true along the arc; Meta-World's (and MTBench's) point is fixed to world axes.
- Closed fingers are rewarded, as in Meta-World (they fit the gap); MTBench rewards open ones.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import descend, steer
from isaacgymenvs_tasks.metaworld.rewards import distance, finish, from_above, hamacher, tolerance
from isaacgymenvs_tasks.metaworld.task import OBJECT, ActorSpec, Placement, Point, State, TaskSpec

YAW = -math.pi / 2  #: the door faces the robot
HANDLE = (0.39, -0.12, 0.12)  #: middle of the handle's bar, frame of the door
GAP = (0.05, -0.015)  #: m behind and above the bar's middle: where the tcp hooks in


def _turned(angle: Tensor, x: float, y: float, z: float = 0.0) -> Tensor:
    """World offset (n, 3) of ``(x, y, z)`` in the frame of a door at ``angle`` (n,)."""
    c, s = torch.cos(angle + YAW), torch.sin(angle + YAW)
    return torch.stack((x * c - y * s, x * s + y * c, torch.full_like(c, z)), -1)


def open_reward(state: State) -> tuple[Tensor, Tensor]:
    """2 for the hand in the gap with closed fingers, 8 for the door's angle."""
    angle = state.dof_pos[:, 0]
    gap = state.obj + _turned(angle, 0.0, *GAP)
    ready = hamacher(from_above(state, gap, 0.05, 0.05), tolerance(distance(state.tcp, gap), 0.04, 0.5))
    opened = 0.2 * (angle < -math.pi / 90) + 0.8 * tolerance(angle + 2 * math.pi / 3, 0.5, math.pi / 3)
    closing = 0.5 * (state.action[:, 3] + 1.0)
    success = (state.obj[:, 1] - state.goal[:, 1]).abs() <= 0.08
    return finish(2.0 * hamacher(ready, closing) + 8.0 * opened, success)


def open_expert(state: State, memory: Tensor) -> Tensor:
    """Drop closed fingers into the gap behind the bar and pull the door round its hinge."""
    angle = state.dof_pos[:, 0]
    gap = state.obj + _turned(angle, 0.0, *GAP)
    hooked, action = descend(state, memory, gap, 0.06, 0.02)
    hinge = state.obj - _turned(angle, HANDLE[0], HANDLE[1])
    ahead = hinge + _turned(angle - 0.3, HANDLE[0], HANDLE[1] + GAP[0], GAP[1])
    return torch.where(hooked[:, None], steer(state, ahead, 1.0), action)


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
    expert=open_expert,
    finger_axis="y",
)
