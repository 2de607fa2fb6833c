"""The coffee machine and the mug: coffee_button (8), coffee_pull (9) and coffee_push (10).

Follows Meta-World's ``sawyer_coffee_{button,pull,push}_v3``: layouts and reward terms. Departures:

- The mug to be pulled or pushed starts or ends 0.30 m from the machine as in MTBench (Meta-World: 0.22): the Franka's
  hand is 0.19 m long above its fingers and would meet the spout.
- The mug is observed at its middle, where the fingers close on it, and the goals are as high; Meta-World's point is the
  mug's bottom.
- The button counts as pressed within 0.01 m of its end and with the fingertips near it (MTBench; Meta-World: within
  0.02 m, by whatever part of the robot): the arm, above the hand, brushes it by chance.
- The mug has arrived within 0.05 m of the goal (MTBench; Meta-World: 0.07, with the full bonus at 0.025), held or not.
  x and y are not weighted double, since the mug hardly leaves its height.
- Pressing rewards the gripper's closedness (MTBench): open fingers pass on both sides of the button.
- Coming to the mug and caging it, which Meta-World averages here, are rewarded by themselves (Meta-World: together with
  nearness to the goal, which leaves 0.1 of 10 for the whole reach). Fingers count as around the mug within 0.03 m of
  its middle (Meta-World: 0.04 from its bottom), nearer than they come on top of it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import carry, steer
from isaacgymenvs_tasks.metaworld.rewards import approach, distance, finish, hamacher, placement, tolerance
from isaacgymenvs_tasks.metaworld.task import GOAL, OBJECT, ActorSpec, Cage, Placement, Point, State, TaskSpec, Vec3

TRAVEL = 0.03  #: m, of the button
BUTTON = (-0.22, 0.0, 0.30)  #: its face relative to the machine, which is turned by -90 degrees
RADIUS = 0.05  #: m, from the mug to its goal at success
MIDDLE = 0.04  #: m, height at which the mug is observed and gripped
APART = 0.30  #: m, from the mug to the machine
YAW = -math.pi / 2  #: the machine faces the robot, the mug's handle points to its right
TCP_START = (-0.2, 0.0, 0.15)


def press_reward(state: State) -> tuple[Tensor, Tensor]:
    """2 for bringing closed fingers to the button, 8 for its travel."""
    remaining = (state.goal[:, 0] - state.obj[:, 0]).abs()
    near = approach(state, state.obj, state.obj_init, 0.05)
    touching = distance(state.tcp, state.obj) <= 0.05
    reward = 2.0 * hamacher(1.0 - state.openness, near) + 8.0 * touching * tolerance(remaining, 0.005, TRAVEL)
    return finish(reward, touching & (remaining <= 0.01))


def mug_reward(state: State) -> tuple[Tensor, Tensor]:
    """1 for coming to the mug, 1 for caging it; with the fingers around it, 1 more and 5 for its way to the goal."""
    near = approach(state, state.obj, state.obj_init, 0.02)
    around = distance(state.tcp, state.obj) < 0.03
    reward = near + state.cage + around * (1.0 + 5.0 * placement(state, RADIUS))
    return finish(reward, distance(state.obj, state.goal) <= RADIUS)


def press_expert(state: State, memory: Tensor) -> Tensor:
    """Shut the fingers, rise in front of the button, push."""
    front = state.obj.clone()
    front[:, 0] -= 0.06
    aligned = (state.tcp - front)[:, 1:].abs().amax(-1) < 0.01
    memory[:, 0] = torch.maximum(memory[:, 0], aligned.float())
    front[:, 0] += 0.12 * memory[:, 0]
    return steer(state, front, 1.0)


def mug_expert(state: State, memory: Tensor) -> Tensor:
    """Grip the mug and take it to the goal, just clear of the table."""
    held, action = carry(state, memory, state.obj)
    target = state.goal + state.tcp - state.obj
    target[:, 2] += 0.01
    return torch.where(held[:, None], steer(state, target, 1.0), action)


COFFEE_BUTTON = TaskSpec(
    task_id=8,
    name="coffee_button",
    description="Press the button of the coffee machine.",
    actors=(
        ActorSpec("machine", "coffee_machine.xml", Placement(follows=OBJECT), yaw=YAW),
        ActorSpec("mug", "mug.xml", Placement((-0.22, 0.0, 0.0), OBJECT), yaw=YAW, fixed_base=False),
    ),
    reset_low=(0.2, -0.1, 0.0),
    reset_high=(0.3, 0.1, 0.0),
    goal=Placement((BUTTON[0] + TRAVEL, BUTTON[1], BUTTON[2]), OBJECT),
    observed=(Point("machine", "button", (0.0, -0.22, 0.30)),),
    tcp_start=TCP_START,
    reward=press_reward,
    expert=press_expert,
    finger_axis="y",
)


def _mug_spec(
    task_id: int, name: str, description: str, machine: int, mug: tuple[Vec3, Vec3], goal: tuple[Vec3, Vec3]
) -> TaskSpec:
    return TaskSpec(
        task_id=task_id,
        name=name,
        description=description,
        actors=(
            ActorSpec("mug", "mug.xml", Placement(follows=OBJECT), yaw=YAW, fixed_base=False),
            ActorSpec("machine", "coffee_machine.xml", Placement((APART, 0.0, 0.0), machine), yaw=YAW),
        ),
        reset_low=mug[0] + goal[0],
        reset_high=mug[1] + goal[1],
        min_distance=0.15,
        goal=Placement((0.0, 0.0, MIDDLE), GOAL),
        observed=(Point("mug", "mug", (0.0, 0.0, MIDDLE)),),
        tcp_start=TCP_START,
        cage=Cage(object_radius=0.02, plane_threshold=0.015),
        reward=mug_reward,
        expert=mug_expert,
    )


COFFEE_PULL = _mug_spec(
    9,
    "coffee_pull",
    "Pull the mug away from the coffee machine to a goal.",
    OBJECT,
    ((0.1, -0.05, 0.0), (0.15, 0.05, 0.0)),
    ((-0.05, -0.1, 0.0), (0.05, 0.1, 0.0)),
)
COFFEE_PUSH = _mug_spec(
    10,
    "coffee_push",
    "Push the mug to a goal in front of the coffee machine.",
    GOAL,
    ((-0.05, -0.1, 0.0), (0.05, 0.1, 0.0)),
    ((0.1, -0.05, 0.0), (0.15, 0.05, 0.0)),
)
