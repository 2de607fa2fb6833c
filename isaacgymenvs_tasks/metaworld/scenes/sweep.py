"""A cube that is swept off: sweep_into_goal (46), into a hole in the table, and sweep (47), along the table to the right.

Follows Meta-World's ``sawyer_sweep_{into_goal,}_v3``: layouts (x = Y_mw - 0.7), 2 for caging the object and 6 for caging
and nearness to the goal together. Departures:

- The ordinary caging term instead of Meta-World's variant for these tasks.
- ``sweep_into_goal`` succeeds when the cube is in the hole, anywhere in it. In Meta-World it succeeds within 0.05 m of the
  middle at any height, so also above the hole, while a cube that is swept over the edge and comes to rest there is not
  counted (0.06 m). MTBench wants hand and cube in the hole.
- The hole is a board's on the table (see ``assets/metaworld/sweep_hole.xml``), so the surface is 0.05 m higher.
- The goal of ``sweep`` lies 0.4 m to the right of the middle, as in MTBench (Meta-World: 0.5), and on the table instead of
  0.01 m lower. Its x is drawn from the cube's range; in Meta-World it is the cube's.
"""

from __future__ import annotations

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import carry, steer
from isaacgymenvs_tasks.metaworld.rewards import distance, finish, hamacher, placement
from isaacgymenvs_tasks.metaworld.task import GOAL, OBJECT, V1, ActorSpec, Placement, Point, State, TaskSpec

RADIUS = 0.05  #: m, where nearness to the goal is full
HALF = 0.02  #: m, half the cube's edge
DEPTH = 0.05  #: m, of the hole
HOLE = (0.14, 0.0)  #: its middle


def sweep_reward(state: State) -> tuple[Tensor, Tensor]:
    """2 for the cage, 6 for cage and nearness to the goal together."""
    reward = 2.0 * state.cage + 6.0 * hamacher(state.cage, placement(state, RADIUS))
    arrived = distance(state.obj[:, :2], state.goal[:, :2]) <= state.params["radius"]
    return finish(reward, arrived & (state.obj[:, 2] - state.goal[:, 2] <= state.params["height"]))


def sweep_expert(state: State, memory: Tensor) -> Tensor:
    """Grip the cube, drag it to the goal just clear of the surface, let it go."""
    holding, action = carry(state, memory, state.obj)
    arrived = holding & (distance(state.obj[:, :2], state.goal[:, :2]) < 0.03)
    memory[:, 2] = torch.maximum(memory[:, 2], arrived.float())
    target = state.goal + state.tcp - state.obj
    target[:, 2] += state.params["surface"] + 0.005
    return torch.where(holding[:, None], steer(state, target, 1.0 - 2.0 * memory[:, 2]), action)


_CUBE = ActorSpec("object", "cube.xml", Placement(follows=OBJECT), fixed_base=False)
_OBSERVED = (Point("object", "cube"),)

SWEEP_INTO_GOAL = TaskSpec(
    task_id=46,
    name="sweep_into_goal",
    description="Sweep the object into the hole in the table.",
    actors=(_CUBE, ActorSpec("board", "sweep_hole.xml", Placement((*HOLE, 0.0)))),
    reset_low=(-0.1, -0.1, DEPTH + HALF, *HOLE, HALF),
    reset_high=(0.0, 0.1, DEPTH + HALF, *HOLE, HALF),
    min_distance=0.15,
    goal=Placement(follows=GOAL),
    observed=_OBSERVED,
    tcp_start=(-0.1, 0.0, 0.2),
    reward=sweep_reward,
    expert=sweep_expert,
    params={"radius": 0.1, "height": 0.025, "surface": DEPTH},
    v1=V1("push"),
)
SWEEP = TaskSpec(
    task_id=47,
    name="sweep",
    description="Sweep the object along the table to a goal on the right.",
    actors=(_CUBE,),
    reset_low=(-0.1, -0.1, HALF, -0.1, -0.4, HALF),
    reset_high=(0.0, 0.1, HALF, 0.0, -0.4, HALF),
    goal=Placement(follows=GOAL),
    observed=_OBSERVED,
    tcp_start=(-0.1, 0.0, 0.15),
    reward=sweep_reward,
    expert=sweep_expert,
    params={"radius": RADIUS, "height": RADIUS, "surface": 0.0},
    v1=V1("push"),
)
