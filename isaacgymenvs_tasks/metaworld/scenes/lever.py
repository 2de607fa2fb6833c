"""The lever: lever_pull (27).

Follows Meta-World's ``sawyer_lever_pull_v3``: layout, the lever's angle, and success within 7.5 degrees of upright.
Departures:

- Sawyer gets its wrist under the knob and lifts; a Franka hand that points down takes the knob between its fingers,
  along y. The tcp is therefore drawn to the knob, with Meta-World's cage.
- The layout is 0.1 m nearer to the robot (x = Y_mw - 0.7), the axis 0.05 m lower, and the lever heavier and less damped
  (see ``assets/metaworld/lever.xml``). The hand starts above the knob, 0.18 m higher than Meta-World's.
- 2 for the hand and 8 for the angle, which Meta-World computes but leaves out in favour of a product with the knob's
  distance to the goal.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import carry, steer
from isaacgymenvs_tasks.metaworld.rewards import approach, distance, finish, tolerance
from isaacgymenvs_tasks.metaworld.task import OBJECT, ActorSpec, Cage, Placement, Point, State, TaskSpec

AXIS = (0.0, -0.12, 0.2)  #: of the lever, relative to the post, which is turned by -90 degrees
LENGTH = 0.2  #: m, from the axis to the knob
RADIUS = 2 * LENGTH * math.sin(math.pi / 48)  #: m, from the knob to the goal at success: 7.5 degrees


def pull_reward(state: State) -> tuple[Tensor, Tensor]:
    """1 for coming to the knob, 1 for caging it, 8 for the lever's angle."""
    near = approach(state, state.obj, state.obj_init, 0.01)
    raised = tolerance((state.dof_pos[:, 0] + math.pi / 2).abs(), math.pi / 48, 5 * math.pi / 12)
    return finish(near + state.cage + 8.0 * raised, distance(state.obj, state.goal) <= RADIUS)


def pull_expert(state: State, memory: Tensor) -> Tensor:
    """Take the knob between the fingers and swing it up along its arc."""
    held, action = carry(state, memory, state.obj)
    ahead = state.dof_pos[:, 0] - 0.35
    target = state.goal.clone()
    target[:, 0] -= LENGTH * torch.cos(ahead)
    target[:, 2] -= LENGTH * (1.0 + torch.sin(ahead))
    return torch.where(held[:, None], steer(state, target, 1.0), action)


LEVER_PULL = TaskSpec(
    task_id=27,
    name="lever_pull",
    description="Pull the lever up until it stands upright.",
    actors=(ActorSpec("post", "lever.xml", Placement(follows=OBJECT), yaw=-math.pi / 2),),
    reset_low=(0.0, -0.1, 0.0),
    reset_high=(0.1, 0.1, 0.0),
    goal=Placement((AXIS[0], AXIS[1], AXIS[2] + LENGTH), OBJECT),
    observed=(Point("post", "lever", (0.0, -LENGTH, 0.0)),),
    tcp_start=(-0.2, 0.0, 0.33),
    reward=pull_reward,
    expert=pull_expert,
    finger_axis="y",
    cage=Cage(object_radius=0.02, plane_threshold=0.015),
)
