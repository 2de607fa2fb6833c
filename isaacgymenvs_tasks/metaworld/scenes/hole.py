"""A hollow in a raised table: hand_insert (22) and pick_out_of_hole (30).

Follows Meta-World's ``sawyer_{hand_insert,pick_out_of_hole}_v3``: layouts, goals (of hand_insert 0.02 m below the hole's
floor, so that the cube must get down to it), reward terms, success radius 0.05 m (in pick_out_of_hole that of its
bonus, as in MTBench; Meta-World's success has 0.07). Departures:

- The raised part of the table is a layer on the ordinary one, so heights count from the hollow's floor, as in Meta-
  World. MTBench's spawn heights lie inside its table or above the recess's floor.
- ``hand_insert`` is 0.1 m nearer to the robot (x = Y_mw - 0.7), see ``cylinder.py``.
- The objects are the cube of ``cylinder.py``.
- Approach and cage are paid by themselves (1 each), see ``bins.py``.
- ``pick_out_of_hole`` pays for carrying above the rim by a cylinder over the cube's start, not by a funnel. (MTBench's
  funnel never rises above the rim.) "Held" is told from where the cube is, not from openness.
"""

from __future__ import annotations

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import carry, steer
from isaacgymenvs_tasks.metaworld.rewards import (
    approach,
    constant,
    distance,
    finish,
    from_above,
    hamacher,
    held_up,
    placement,
)
from isaacgymenvs_tasks.metaworld.task import GOAL, OBJECT, V1, ActorSpec, Placement, Point, State, TaskSpec

RADIUS = 0.05  #: m, success
HOLE = (0.14, 0.0, 0.0)  #: middle of hand_insert's hole
RECESS = (0.2, 0.0, 0.0)  #: middle of pick_out_of_hole's recess
CUBE = ActorSpec("cube", "cube.xml", Placement(follows=OBJECT), fixed_base=False)


def _grasp(state: State) -> Tensor:
    """Up to 2: the tcp at the cube, the fingers around it and closing."""
    return approach(state, state.obj, state.obj_init, 0.01) + state.cage


def insert_reward(state: State) -> tuple[Tensor, Tensor]:
    """2 for reaching and caging the cube, 1 for having it, 6 for its way to the goal."""
    near = distance(state.tcp, state.obj) < 0.02
    reward = _grasp(state) + near * (1.0 + 6.0 * placement(state, RADIUS))
    return finish(reward, distance(state.obj, state.goal) <= RADIUS)


def pick_reward(state: State) -> tuple[Tensor, Tensor]:
    """2 for reaching and caging the cube, 1 for lifting it, 5 for its nearness to the goal on a way above the rim."""
    above = from_above(state, state.obj_init, 0.05, 0.08)
    lifted = held_up(state, 0.03, 0.02)
    reward = _grasp(state) + lifted * (1.0 + 5.0 * hamacher(above, placement(state, RADIUS)))
    return finish(reward, distance(state.obj, state.goal) <= RADIUS)


def insert_expert(state: State, memory: Tensor) -> Tensor:
    """Grip the cube, draw it along the table until it is over the hole, then down."""
    holding, action = carry(state, memory, state.obj)
    # Towards the middle from a goal near the edge: the fingers need room beside the cube.
    hole = constant(state.goal, HOLE)
    target = hole + 0.6 * (state.goal - hole)
    over = (state.obj - target)[:, :2].abs().amax(-1) < 0.012
    target[:, 2] = torch.where(over, 0.02, state.obj_init[:, 2] + 0.01)
    return torch.where(holding[:, None], steer(state, target + state.tcp - state.obj, 1.0), action)


def pick_expert(state: State, memory: Tensor) -> Tensor:
    """Grip the cube, lift it over the rim, then straight to the goal."""
    holding, action = carry(state, memory, state.obj)
    target = state.goal + state.tcp - state.obj
    low = holding & (state.obj[:, 2] < 0.1)
    target[:, :2] = torch.where(low[:, None], state.tcp[:, :2], target[:, :2])
    return torch.where(holding[:, None], steer(state, target, 1.0), action)


HAND_INSERT = TaskSpec(
    task_id=22,
    name="hand_insert",
    description="Put the cube into the hole in the table.",
    actors=(CUBE, ActorSpec("table_layer", "hole.xml", Placement(HOLE))),
    reset_low=(-0.1, -0.1, 0.07, 0.1, -0.04, -0.02),
    reset_high=(0.0, 0.1, 0.07, 0.18, 0.04, -0.02),
    min_distance=0.15,
    goal=Placement(follows=GOAL),
    observed=(Point("cube", "cube"),),
    tcp_start=(-0.1, 0.0, 0.2),
    reward=insert_reward,
    expert=insert_expert,
)

PICK_OUT_OF_HOLE = TaskSpec(
    task_id=30,
    name="pick_out_of_hole",
    description="Pick the cube out of the recess in the table and hold it at a goal position.",
    actors=(CUBE, ActorSpec("table_layer", "recess.xml", Placement(RECESS))),
    reset_low=(0.15, 0.0, 0.02, -0.1, -0.1, 0.15),
    reset_high=(0.15, 0.0, 0.02, 0.0, 0.1, 0.3),
    min_distance=0.15,
    goal=Placement(follows=GOAL),
    observed=(Point("cube", "cube"),),
    tcp_start=(0.0, 0.0, 0.2),
    reward=pick_reward,
    expert=pick_expert,
    v1=V1("pick", lift=0.07),
)
