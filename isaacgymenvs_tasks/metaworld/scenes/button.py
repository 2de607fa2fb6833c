"""The button box: button_press_topdown (4).

Follows Meta-World's ``sawyer_button_press_topdown_v3``. Departures:

- The box is 0.15 m nearer to the robot (x 0.05..0.15): the button is 0.31 m high, near the upper end of what the
  Franka reaches with its hand vertical.
- The target is the button pressed home (0.06 m), success within 0.01 m of it, as in MTBench: Meta-World's counts from
  0.069 m of travel, past the joint's own limit.
- The gripper's closedness is ``1 - openness``, and pressing is rewarded within 0.03 m of the button as in Meta-World.
"""

from __future__ import annotations

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import steer
from isaacgymenvs_tasks.metaworld.rewards import approach, distance, finish, hamacher, tolerance
from isaacgymenvs_tasks.metaworld.task import OBJECT, ActorSpec, Placement, Point, State, TaskSpec

TRAVEL = 0.06  #: m
TOP = 0.194  #: m, the button's face above the box's origin


def press_reward(state: State) -> tuple[Tensor, Tensor]:
    """Half for bringing closed fingers to the button, half for its travel."""
    remaining = state.obj[:, 2] - state.goal[:, 2]
    near = approach(state, state.obj, state.obj_init, 0.01)
    pressed = tolerance(remaining, 0.005, TRAVEL)
    touching = distance(state.tcp, state.obj) <= 0.03
    reward = 5.0 * hamacher(1.0 - state.openness, near) + 5.0 * touching * pressed
    return finish(reward, remaining <= 0.01)


def press_expert(state: State, memory: Tensor) -> Tensor:
    """Shut the fingers, go above the button, then straight down."""
    offset = state.obj - state.tcp
    aligned = (offset[:, :2].square().sum(-1) < 0.02**2).float()
    memory[:, 0] = torch.maximum(memory[:, 0], aligned)
    target = state.obj.clone()
    target[:, 2] += 0.05 - 0.13 * memory[:, 0]
    # Rise before going forward: the box's top is as high as the hand at the start.
    low = (memory[:, 0] == 0) & (offset[:, 2] > -0.02)
    target[:, :2] = torch.where(low[:, None], state.tcp[:, :2], target[:, :2])
    return steer(state, target, 1.0)


BUTTON_PRESS_TOPDOWN = TaskSpec(
    task_id=4,
    name="button_press_topdown",
    description="Press the button on top of the box.",
    actors=(ActorSpec("box", "button.xml", Placement(follows=OBJECT)),),
    reset_low=(0.05, -0.1, 0.114),
    reset_high=(0.15, 0.1, 0.114),
    goal=Placement((0.0, 0.0, TOP - TRAVEL), OBJECT),
    observed=(Point("box", "button", (0.0, 0.0, TOP)),),
    tcp_start=(-0.15, 0.0, 0.2),
    reward=press_reward,
    expert=press_expert,
    finger_axis="y",
)
