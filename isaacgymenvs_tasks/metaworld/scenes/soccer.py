"""The ball and the goal: soccer (43).

Follows Meta-World's ``sawyer_soccer_v3``: layout, the weights of hand and ball, the threefold weight of the ball's error
to the side, and success (the ball within 0.07 m of the goal's middle, that is on the line and off the posts). Departures:

- The layout is 0.1 m nearer to the robot (x = Y_mw - 0.7), see ``cylinder.py``, and the hand starts another 0.1 m nearer,
  clear of the ball.
- The goal position is at the ball's height, Meta-World's on the floor.
- The ball is smooth and has rolling friction (see ``assets/metaworld/soccer_ball.xml``).
- The margin of the ball's term is its distance at the start. Meta-World's is how far the ball has come, so that kicking it
  anywhere pays; with the margin fixed, the weight alone punishes a ball beside the goal.
- The hand is drawn to the point from which the ball is pushed, behind it as seen from the goal. Meta-World rewards
  fingers that cage the ball along the way to the goal, while its own policy pushes with closed ones; the Franka's palm is
  wider than the goal.
- Success is unweighted as Meta-World's; MTBench's is weighted, in front of the mouth.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import over, steer
from isaacgymenvs_tasks.metaworld.rewards import approach, distance, finish, tolerance
from isaacgymenvs_tasks.metaworld.task import GOAL, OBJECT, ActorSpec, Placement, Point, State, TaskSpec

RADIUS = 0.07  #: m, success
BALL = 0.026  #: m, the ball's radius
BEHIND = 0.045  #: m from the ball's centre to the tcp that pushes it
WEIGHT = 3.0  #: of the way to the goal's middle line in the ball's distance from the goal
TURN = 5.0  #: the same in the direction in which to push


def _heading(state: State) -> Tensor:
    """Unit vector (n, 3) in which to push the ball: to the goal, but first to its middle line."""
    offset = state.goal - state.obj
    offset[:, 1] *= TURN
    offset[:, 2].fill_(0.0)
    return torch.nn.functional.normalize(offset, dim=-1, eps=1e-6)


def _error(state: State, ball: Tensor) -> Tensor:
    """Weighted distance (n,) of ``ball`` (n, 3) from the goal."""
    offset = ball - state.goal
    offset[:, 1] *= WEIGHT
    return torch.linalg.vector_norm(offset, dim=-1)


def score_reward(state: State) -> tuple[Tensor, Tensor]:
    """3 for the hand behind the ball, 6.5 for the ball's way to the goal."""
    scored = tolerance(_error(state, state.obj), RADIUS, _error(state, state.obj_init))
    near = approach(state, state.obj - BEHIND * _heading(state), state.obj_init, 0.015)
    return finish(3.0 * near + 6.5 * scored, distance(state.obj, state.goal) <= RADIUS)


def score_expert(state: State, memory: Tensor) -> Tensor:
    """Come down behind the ball with closed fingers and drive through it; again when it gets away to the side."""
    heading = _heading(state)
    offset = state.tcp - state.obj
    along = (offset * heading).sum(-1, keepdim=True)
    aside = distance(offset[:, :2], (along * heading)[:, :2])
    pushing = (aside < 0.02) & (along[:, 0] < -0.02) & (along[:, 0] > -0.15) & (offset[:, 2] < 0.02)
    # Slower to the side, so that it does not roll past the middle line.
    push = state.obj + (0.02 - 0.045 * heading[:, 1:2].abs()) * heading
    target = torch.where(pushing[:, None], push, over(state, state.obj - BEHIND * heading, 0.07, 0.015))
    return steer(state, target, 1.0)


SOCCER = TaskSpec(
    task_id=43,
    name="soccer",
    description="Kick the ball into the goal.",
    actors=(
        ActorSpec("ball", "soccer_ball.xml", Placement(follows=OBJECT), fixed_base=False),
        ActorSpec("goal", "soccer_goal.xml", Placement((0.0, 0.0, -BALL), GOAL), yaw=-math.pi / 2),
    ),
    reset_low=(-0.1, -0.1, BALL, 0.1, -0.1, BALL),
    reset_high=(0.0, 0.1, BALL, 0.2, 0.1, BALL),
    min_distance=0.15,
    goal=Placement(follows=GOAL),
    observed=(Point("ball", "ball"),),
    tcp_start=(-0.2, 0.0, 0.15),
    reward=score_reward,
    expert=score_expert,
    finger_axis="y",
)
