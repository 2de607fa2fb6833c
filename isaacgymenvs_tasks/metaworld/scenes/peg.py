"""The peg and the block with a hole in its side: peg_insert_side (28).

Follows Meta-World's ``sawyer_peg_insertion_side_v3``: layout, goal 66 mm inside the hole, weighted distance and
radius 0.07 (the peg's head at the mouth, its tip 16 mm inside, off centre by at most 35 mm). MTBench's goal, 6 mm
inside, is met without insertion. Departures:

- The second observed point is the peg's head, which the reward needs (MTBench observes the block, which the goal
  already tells).
- Approach and cage are paid by themselves (1 each), see ``bins.py``; ``reward=v2_metaworld`` has Meta-World's product of cage
  and insertion, which pays 0.134 of 10 for a perfect grasp.
- The cage stands while the tcp is within 0.01 m of the grasp across the fingers (Meta-World: 0.005), see ``cylinder.py``.
- It is held wherever the tcp is beside its axis, 0.09 m behind the grasp to 0.05 m before it. Meta-World wants the tcp within
  0.04 m of the grasp, and a peg that is snatched a little further back is worth nothing.
- Two boxes below and above the mouth, in which Meta-World lowers the reward, are one term: the head is at the hole's
  height and side before it comes within 0.1 m of the mouth, and that to 10 mm, since the hole leaves 15 mm. With a free
  35 mm, as success has it, policies stood in front of the block with the head against its face.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import carry, steer
from isaacgymenvs_tasks.metaworld.rewards import (
    approach,
    constant,
    distance,
    finish,
    hamacher,
    held_up,
    tolerance,
)
from isaacgymenvs_tasks.metaworld.task import GOAL, OBJECT, V1, ActorSpec, Cage, Placement, Point, State, TaskSpec

RADIUS = 0.07  #: m, success, in the weighted distance
SCALE = (2.0, 1.0, 2.0)  #: weight of the axes: y is the hole's
DEPTH = 0.066  #: m from the hole's mouth to the goal
HEAD_TO_GRASP = 0.13  #: m
BESIDE = 0.03  #: m from the tcp to the axis of a peg that is held
GRASP = Point("peg", "peg", (0.03, 0.0, 0.0))
HEAD = Point("peg", "peg", (-0.1, 0.0, 0.0))


def _insertion(state: State, free: float, margin: float) -> tuple[Tensor, Tensor]:
    """How far the head is on its way into the hole (n,), in [0, 1], and success.

    Near the mouth the head may be ``free`` (m, weighted) off the axis without a loss; ``margin`` further, most is lost.
    """
    scale = constant(state.goal, SCALE)
    offset = (state.obj2 - state.goal) * scale
    error = torch.linalg.vector_norm(offset, dim=-1)
    in_place = tolerance(error, RADIUS, distance(state.obj2_init * scale, state.goal * scale))
    # In front of the block the head's error across the hole counts, more so the nearer it is to the face.
    across = torch.linalg.vector_norm(offset[:, ::2], dim=-1)
    close = ((offset[:, 1] + DEPTH + 0.1) / 0.1).clamp(0.0, 1.0)
    return hamacher(in_place, tolerance(across * close, free, margin)), error <= RADIUS


def _held(state: State) -> Tensor:
    """(n,) bool: the tcp is beside the peg's axis, between its rear end and 0.05 m before the grasp."""
    axis = (state.obj2 - state.obj) / HEAD_TO_GRASP
    offset = state.tcp - state.obj
    along = (offset * axis).sum(-1, keepdim=True).clamp(-0.09, 0.05)
    return torch.linalg.vector_norm(offset - along * axis, dim=-1) < BESIDE


def insert_reward(state: State) -> tuple[Tensor, Tensor]:
    """2 for reaching and caging the peg, 1 for lifting it, 5 for the way of its head into the hole."""
    aligned, success = _insertion(state, 0.02, 0.1)
    lifted = _held(state) * ((state.obj[:, 2] - state.obj_init[:, 2]) / 0.01).clamp(0.0, 1.0)
    cage = torch.where(lifted == 1.0, 1.0, state.cage)
    return finish(approach(state, state.obj, state.obj_init, 0.01) + cage + lifted * (1.0 + 5.0 * aligned), success)


def insert_metaworld(state: State) -> tuple[Tensor, Tensor]:
    """Caging and insertion together; once lifted, insertion counts in full."""
    aligned, success = _insertion(state, RADIUS, 0.2)
    lifted = held_up(state, 0.04, 0.01)
    cage = torch.where(lifted, 1.0, state.cage)
    return finish(hamacher(cage, aligned) + lifted * (1.0 + 5.0 * aligned), success)


def insert_expert(state: State, memory: Tensor) -> Tensor:
    """Grip the peg behind its middle, lift it to the hole's height, line up in front of the mouth, drive in."""
    holding, action = carry(state, memory, state.obj)
    grasp_to_tcp = state.tcp - state.obj
    head_goal = state.goal.clone()
    aligned = (state.obj2 - head_goal)[:, ::2].abs().amax(-1) < 0.008
    memory[:, 2] = torch.maximum(memory[:, 2], (holding & aligned).float())
    inserting = memory[:, 2] > 0
    head_goal[:, 1] += torch.where(inserting, 0.06, -DEPTH - 0.06)
    target = head_goal + grasp_to_tcp + (state.obj - state.obj2)
    low = holding & (state.obj[:, 2] < 0.09)
    target[:, :2] = torch.where(low[:, None], state.tcp[:, :2], target[:, :2])
    return torch.where(holding[:, None], steer(state, target, 1.0), action)


PEG_INSERT_SIDE = TaskSpec(
    task_id=28,
    name="peg_insert_side",
    description="Insert the peg into the hole in the side of the block.",
    actors=(
        ActorSpec("peg", "peg.xml", Placement(follows=OBJECT), yaw=-math.pi / 2, fixed_base=False),
        ActorSpec("block", "peg_block.xml", Placement(follows=GOAL)),
    ),
    reset_low=(-0.1, -0.2, 0.015, -0.2, 0.25, 0.0),
    reset_high=(0.1, 0.0, 0.015, 0.1, 0.35, 0.0),
    min_distance=0.1,
    goal=Placement((0.0, -0.096 + DEPTH, 0.13), GOAL),
    observed=(GRASP, HEAD),
    tcp_start=(0.0, 0.0, 0.15),
    reward=insert_reward,
    expert=insert_expert,
    v1=V1("pick", "obj2", lift=0.1),
    cage=Cage(object_radius=0.0075, plane_threshold=0.01),
    reward_metaworld=insert_metaworld,
)
