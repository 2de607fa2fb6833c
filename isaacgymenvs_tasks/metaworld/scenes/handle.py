"""The handle on a press: handle_press_side (23), handle_press (24), handle_pull_side (25) and handle_pull (26).

Follows Meta-World's ``sawyer_handle_{press,pull}{,_side}_v3``: layouts, the point observed and grasped (the bar's top to
press; the arm behind the bar, or the bar's end, to pull), goals, reward terms and radii. Departures:

- Fingers close on arm and bar from above, along x; see ``assets/metaworld/handle.xml`` for the room they need.
- To pull, the goal is where the grasped point is with the handle up, and 0.04 m from it counts, 0.06 m of travel
  (Meta-World's goals lie 8 and 51 mm off, which with radii of 0.05 and 0.08 makes 0.058 and 0.057; MTBench's 0.005 is met
  only at the joint's stop).
- To pull, the cage counts by itself: Meta-World multiplies it by nearness to the goal, 0.1 at the start, which hides it.
- "Lifted" is 0.01 m up in both pull tasks. In Meta-World's ``handle_pull`` it compares two axes and is always true.
- The hand starts 0.1 m further back and 0.05 (pull) or 0.1 m (press) higher: Meta-World's start lies within the bar.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import carry, descend, steer
from isaacgymenvs_tasks.metaworld.rewards import SUCCESS, approach, distance, finish, hamacher, held_up, placement
from isaacgymenvs_tasks.metaworld.task import OBJECT, ActorSpec, Placement, Point, State, TaskSpec, Vec3

TRAVEL = 0.1  #: m
PRESS_RADIUS, PULL_RADIUS = 0.02, 0.04  #: m, success
#: Points of the handle, in its frame: above the bar's middle, in the arm behind the bar, in the bar beside the arm.
TOP, ARM, END = (0.0, -0.166, 0.022), (0.0, -0.12, 0.0), (0.05, -0.166, 0.0)
UP = (0.0, -0.05, 0.15)  #: the handle's frame relative to the root, handle up


def press_reward(state: State) -> tuple[Tensor, Tensor]:
    """Tcp on the bar and bar at the goal, together."""
    near = approach(state, state.obj, state.obj_init, 0.02)
    reward = SUCCESS * hamacher(near, placement(state, PRESS_RADIUS, PRESS_RADIUS))
    return finish(reward, distance(state.obj, state.goal) <= PRESS_RADIUS)


def pull_reward(state: State) -> tuple[Tensor, Tensor]:
    """Caging, and once lifted, nearness to the goal."""
    lifted = held_up(state, 0.035, 0.01)
    reward = 2.0 * state.cage + lifted * (1.0 + 5.0 * placement(state, PULL_RADIUS))
    return finish(reward, distance(state.obj, state.goal) <= PULL_RADIUS)


def press_expert(state: State, memory: Tensor) -> Tensor:
    """Shut the fingers, go above the bar, then straight down."""
    top = state.obj.clone()
    top[:, 2] += 0.02
    ready, action = descend(state, memory, top, 0.05)
    top[:, 2] -= 0.12
    return torch.where(ready[:, None], steer(state, top, 1.0), action)


def pull_expert(state: State, memory: Tensor) -> Tensor:
    """Grip the handle and lift it."""
    holding, action = carry(state, memory, state.obj)
    target = state.obj.clone()
    target[:, 2] += 0.1
    return torch.where(holding[:, None], steer(state, target, 1.0), action)


def _spec(task_id: int, name: str, description: str, pull: bool, side: bool, point: Vec3) -> TaskSpec:
    x, y, z = (a + b for a, b in zip(UP, point, strict=True))
    z = z if pull else 0.075
    return TaskSpec(
        task_id=task_id,
        name=name,
        description=description,
        actors=(
            ActorSpec(
                "press",
                "handle.xml",
                Placement(follows=OBJECT),
                yaw=0.0 if side else -math.pi / 2,
                dofs={"handle_slide": -TRAVEL} if pull else {},
            ),
        ),
        reset_low=(0.05, 0.25, 0.0) if side else (0.2, -0.1, 0.0),
        reset_high=(0.15, 0.35, 0.0) if side else (0.3, 0.1, 0.0),
        goal=Placement((x, y, z) if side else (y, -x, z), OBJECT),
        observed=(Point("press", "handle", point),),
        tcp_start=(-0.1, 0.0, 0.2 if pull else 0.25),
        reward=pull_reward if pull else press_reward,
        expert=pull_expert if pull else press_expert,
    )


HANDLE_PRESS_SIDE = _spec(23, "handle_press_side", "Press the handle down, from the side.", False, True, TOP)
HANDLE_PRESS = _spec(24, "handle_press", "Press the handle down.", False, False, TOP)
HANDLE_PULL_SIDE = _spec(25, "handle_pull_side", "Pull the handle up, from the side.", True, True, ARM)
HANDLE_PULL = _spec(26, "handle_pull", "Pull the handle up.", True, False, END)
