"""The nut with a handle and the upright peg: assembly (0) and disassemble (12).

Follows Meta-World's ``sawyer_{assembly,disassemble}_peg_v3``: layouts, reward terms and weights; assembly succeeds as there,
once the ring is round the peg and below its top (MTBench: up to 0.05 m above it). Departures:

- The layout is 0.1 m nearer to the robot (x = Y_mw - 0.7), see ``cylinder.py``. The second observed point is the
  ring's centre, which the rewards need (MTBench observes the peg, which the goal already tells).
- The grasp point is 0.11 m from the ring's centre, where Meta-World's policy grips, its observed point 0.13 m. The
  handle is as long as the fingers need, so the attraction is to that point (Meta-World's slides along the handle).
- The funnel over the peg says how high the ring must be at least. Meta-World's is also what it may be at most, so
  that a ring straight above the peg earns less than one beside it.
- Disassembling succeeds within 0.05 m of the goal's height, as in MTBench: from 0.11 m up, where the ring is clear of the
  peg by a centimetre. Meta-World looks at the handle's height alone, and its reward is drawn to a point 0.1 m beyond the
  goal, which leaves lifting flat.
- The nut's level is judged by its tilt alone: the hand, which does not turn, keeps its yaw.
"""

from __future__ import annotations

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import carry, steer
from isaacgymenvs_tasks.metaworld.rewards import distance, finish, tolerance
from isaacgymenvs_tasks.metaworld.task import GOAL, OBJECT, V1, ActorSpec, Cage, Placement, Point, State, TaskSpec

REST = 0.017  #: m, height of the nut's centre on the table
PEG = 0.1  #: m, height of the peg
LIFT = 0.16  #: m, from the resting ring to the goal of disassembling
RADIUS = 0.05  #: m, success of disassembling; so far below the goal the ring has left the peg
HANDLE = Point("nut", "nut", (0.0, -0.11, 0.0))
RING = Point("nut", "nut")


def _reward(state: State, in_place: Tensor) -> Tensor:
    """2 for the grasp, 0.6 for lifting, 5.4 for ``in_place`` (n,), all of it while the nut is level."""
    lifted = state.obj2[:, 2] - state.obj2_init[:, 2] > 0.01
    cage = torch.where(lifted & (distance(state.tcp, state.obj) < 0.04), 1.0, state.cage)
    tilt = state.obj_quat[:, :2].square().sum(-1).sqrt()  # sine of half the angle
    level = tolerance(tilt, 0.1, 0.4)
    return (2.0 * cage + 0.6 * lifted + 5.4 * in_place) * level


def assembly_reward(state: State) -> tuple[Tensor, Tensor]:
    """The grasp and the ring's way over the peg's top and down."""
    offset = state.obj2 - state.goal
    radius = torch.linalg.vector_norm(offset[:, :2], dim=-1)
    floor = 0.2 + 0.02 * (radius - 0.01).clamp_min(1e-6).log()
    low = (floor - state.obj2[:, 2]).clamp_min(0.0)
    high = offset[:, 2].clamp_min(0.0)
    error = (radius.square() + (3.0 * low).square() + high.square()).sqrt()
    return finish(_reward(state, tolerance(error, 0.0, 0.4)), (radius < 0.02) & (offset[:, 2] <= 0.0))


def disassemble_reward(state: State) -> tuple[Tensor, Tensor]:
    """The grasp and the ring's way up."""
    error = (state.goal[:, 2] - state.obj2[:, 2]).abs()
    return finish(_reward(state, tolerance(error, RADIUS, LIFT - RADIUS)), error <= RADIUS)


def assembly_expert(state: State, memory: Tensor) -> Tensor:
    """Grip the handle, lift the ring above the peg, line up, press down."""
    holding, action = carry(state, memory, state.obj)
    offset = state.obj2 - state.goal
    radius = torch.linalg.vector_norm(offset[:, :2], dim=-1)
    memory[:, 2] = torch.maximum(memory[:, 2], (holding & (radius < 0.006)).float()) * (radius < 0.02)
    target = state.tcp - offset
    target[:, 2] += torch.where(memory[:, 2] > 0, -0.06, 0.035)
    low = (offset[:, 2] < 0.02) & (memory[:, 2] == 0)
    target[:, :2] = torch.where(low[:, None], state.tcp[:, :2], target[:, :2])
    return torch.where(holding[:, None], steer(state, target, 1.0), action)


def disassemble_expert(state: State, memory: Tensor) -> Tensor:
    """Grip the handle and lift."""
    holding, action = carry(state, memory, state.obj)
    return torch.where(holding[:, None], steer(state, state.goal + state.tcp - state.obj2, 1.0), action)


ASSEMBLY = TaskSpec(
    task_id=0,
    name="assembly",
    description="Pick up the nut by its handle and put its ring over the peg.",
    actors=(
        ActorSpec("nut", "nut.xml", Placement(follows=OBJECT), fixed_base=False),
        ActorSpec("peg", "nut_peg.xml", Placement((0.0, 0.0, -PEG), GOAL)),
    ),
    reset_low=(-0.1, 0.0, REST, 0.05, -0.1, PEG),
    reset_high=(-0.1, 0.0, REST, 0.15, 0.1, PEG),
    goal=Placement(follows=GOAL),
    observed=(HANDLE, RING),
    tcp_start=(-0.1, 0.0, 0.15),
    reward=assembly_reward,
    expert=assembly_expert,
    v1=V1("pick", "obj2", 0.1),
    cage=Cage(object_radius=0.012, plane_threshold=0.015),
)

DISASSEMBLE = TaskSpec(
    task_id=12,
    name="disassemble",
    description="Lift the nut by its handle until its ring is off the peg.",
    actors=(
        ActorSpec("nut", "nut.xml", Placement(follows=OBJECT), fixed_base=False),
        ActorSpec("peg", "nut_peg.xml", Placement((0.0, 0.0, -REST), OBJECT)),
    ),
    reset_low=(-0.1, -0.1, REST),
    reset_high=(0.05, 0.0, REST),
    goal=Placement((0.0, 0.0, LIFT), OBJECT),
    observed=(HANDLE, RING),
    tcp_start=(-0.2, 0.0, 0.2),
    reward=disassemble_reward,
    expert=disassemble_expert,
    v1=V1("pick", "obj2", 0.1),
    cage=Cage(object_radius=0.012, plane_threshold=0.015),
)
