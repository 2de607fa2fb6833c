"""The shelf: shelf_place (42).

Follows Meta-World's ``sawyer_shelf_place_v3``: goal 0.05 m above the shelf's board, reward terms, and as success the
radius of its bonus, 0.05 m, as in MTBench (Meta-World's success has 0.07). Departures:

- The layout is 0.1 m nearer to the robot (x = Y_mw - 0.7), see ``cylinder.py``.
- The shelf is 0.3 m wide inside instead of 0.2, and the fingers open along y as in MTBench. The Franka's hand is 0.19 m
  wide along its fingers' axis, and its wrist reaches 0.11 m to the left of the tcp. With the fingers along x the wrist
  still meets the side wall, and the hand needs the shelf open behind (as MTBench has it) and 0.1 m more in front.
- Low in front of the shelf, Meta-World lessens the nearness to the goal; here nearness is combined with the height, up
  to 0.01 m of air under the object. The board ends in line with the side walls, not 0.01 m before them.
- Approach and cage are paid by themselves (1 each), see ``bins.py``.
- The object is the cube of ``cylinder.py``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import carry, steer
from isaacgymenvs_tasks.metaworld.rewards import approach, distance, finish, hamacher, held_up, placement, tolerance
from isaacgymenvs_tasks.metaworld.task import GOAL, OBJECT, V1, ActorSpec, Placement, Point, State, TaskSpec

RADIUS = 0.05  #: m, success
HEIGHT = 0.3  #: m, of the goal; the board's top is at 0.25
CLEAR = 0.28  #: m, height of the object's middle above which it passes over the board's edge
FRONT = 0.15  #: m before the goal, from where on that height counts


def place_reward(state: State) -> tuple[Tensor, Tensor]:
    """2 for reaching and caging the object, 1 for lifting it, 5 for its nearness to the goal by a way over the edge."""
    ahead = state.goal[:, 0] - state.obj[:, 0] < FRONT
    over_edge = tolerance(ahead * (CLEAR - state.obj[:, 2]), 0.0, 0.2)
    lifted = held_up(state, 0.03, 0.01)
    reward = (
        approach(state, state.obj, state.obj_init, 0.01)
        + state.cage
        + lifted * (1.0 + 5.0 * hamacher(over_edge, placement(state, RADIUS)))
    )
    return finish(reward, distance(state.obj, state.goal) <= RADIUS)


def place_expert(state: State, memory: Tensor) -> Tensor:
    """Grip the object, lift it in front of the shelf, go straight in over the board."""
    holding, action = carry(state, memory, state.obj)
    target = state.goal + state.tcp - state.obj
    low = holding & (state.obj[:, 2] < CLEAR + 0.005)
    target[:, 0] = torch.where(low, state.tcp[:, 0], target[:, 0])
    return torch.where(holding[:, None], steer(state, target, 1.0), action)


SHELF_PLACE = TaskSpec(
    task_id=42,
    name="shelf_place",
    description="Pick up the object and place it on the shelf.",
    actors=(
        ActorSpec("object", "cube.xml", Placement(follows=OBJECT), fixed_base=False),
        ActorSpec("shelf", "shelf.xml", Placement(follows=GOAL)),
    ),
    reset_low=(-0.2, -0.1, 0.02, 0.1, -0.1, 0.0),
    reset_high=(-0.1, 0.1, 0.02, 0.2, 0.1, 0.0),
    min_distance=0.1,
    goal=Placement((0.0, 0.0, HEIGHT), GOAL),
    observed=(Point("object", "cube"),),
    tcp_start=(-0.15, 0.0, 0.15),
    reward=place_reward,
    expert=place_expert,
    finger_axis="y",
    v1=V1("pick", lift=0.26),
)
