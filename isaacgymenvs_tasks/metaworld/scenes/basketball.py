"""The ball and the hoop: basketball (1).

Follows Meta-World's ``sawyer_basketball_v3``: layout, reward terms and success, the ball held up to 0.08 m from a point
0.05 m above the ring, height counting double (MTBench: from the ring's centre, all axes alike). Departures:

- The ball is 0.1 m nearer to the robot (x = Y_mw - 0.7), see ``cylinder.py``, the hoop 0.05 m: nearer together, the
  Franka's wrist strikes the ring before its fingers reach the ball.
- Fingers open along y, because the Franka's hand is 0.19 m wide along that axis and the backboard 0.06 m behind the
  ring. MTBench's hand stands so too, while its caging term looks at x.
- Caging counts by itself, as in push. Multiplied by nearness to the goal, as Meta-World has it, all of reaching and
  grasping is worth 0.1 of 10 before the ball is lifted.
- Openness says nothing on a Franka that holds a ball of 6 cm, so "held" is told from where the ball is.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import carry, steer
from isaacgymenvs_tasks.metaworld.rewards import constant, distance, finish, held_up, tolerance
from isaacgymenvs_tasks.metaworld.task import GOAL, OBJECT, V1, ActorSpec, Cage, Placement, Point, State, TaskSpec

RADIUS = 0.08  #: m, success, in the weighted distance
SCALE = (1.0, 1.0, 2.0)  #: weight of the axes
ABOVE_RING = (-0.083, 0.0, 0.3)  #: the goal, from the hoop's root


def basketball_reward(state: State) -> tuple[Tensor, Tensor]:
    """2 for caging; once lifted, 1 and 5 for nearness to the goal."""
    scale = constant(state.goal, SCALE)
    goal = state.goal * scale
    error = distance(state.obj * scale, goal)
    in_place = tolerance(error, RADIUS, distance(state.obj_init * scale, goal))
    lifted = held_up(state, 0.035, 0.01)
    cage = torch.where(lifted, 1.0, state.cage)
    return finish(2.0 * cage + lifted * (1.0 + 5.0 * in_place), error <= RADIUS)


def basketball_expert(state: State, memory: Tensor) -> Tensor:
    """Grip the ball, lift it above the ring, then go there."""
    holding, action = carry(state, memory, state.obj)
    target = state.goal + state.tcp - state.obj
    low = state.obj[:, 2] < state.goal[:, 2] - 0.05
    target[:, :2] = torch.where(low[:, None], state.tcp[:, :2], target[:, :2])
    return torch.where(holding[:, None], steer(state, target, 1.0), action)


BASKETBALL = TaskSpec(
    task_id=1,
    name="basketball",
    description="Pick up the ball and hold it above the basketball hoop's ring.",
    actors=(
        ActorSpec("ball", "basketball.xml", Placement(follows=OBJECT), fixed_base=False),
        ActorSpec("hoop", "hoop.xml", Placement(follows=GOAL), yaw=-math.pi / 2),
    ),
    reset_low=(-0.1, -0.1, 0.03, 0.2, -0.1, 0.0),
    reset_high=(0.0, 0.1, 0.03, 0.25, 0.1, 0.0),
    goal=Placement(ABOVE_RING, GOAL),
    observed=(Point("ball", "ball"),),
    tcp_start=(-0.1, 0.0, 0.15),
    reward=basketball_reward,
    expert=basketball_expert,
    finger_axis="y",
    v1=V1("pick", lift=0.25),
    cage=Cage(object_radius=0.025, pad_threshold=0.06, plane_threshold=0.005),
)
