"""The hammer and the nail in the block: hammer (21).

Follows Meta-World's ``sawyer_hammer_v3``: layout, the reward's terms and weights, its demand that the hammer stays as it
lay, and success (the nail 0.09 of 0.1 m in) where the reward shows that the hammer did it; MTBench counts the same.
Departures:

- The hammer is lighter and its shapes are boxes (see ``assets/metaworld/hammer.xml``).
- The point to grasp is the middle of the handle; in Meta-World and MTBench it follows the hand along the handle.
- The head's face turns with the hammer; in both it is fixed to world axes.
- The head counts as lifted from 0.05 m on, above where its middle lies.
- The hammer's turn is measured alike for both signs of the quaternion.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import carry, steer
from isaacgymenvs_tasks.metaworld.rewards import constant, distance, finish, offset_point, tolerance
from isaacgymenvs_tasks.metaworld.task import OBJECT, V1, ActorSpec, Placement, Point, State, TaskSpec

BLOCK = (0.25, -0.24, 0.0)  #: m, on the table
NAIL = (-0.21, 0.0, 0.11)  #: m, the nail's head from the block's root, which is turned by -90 degrees
TRAVEL, DRIVEN = 0.1, 0.09  #: m, of the nail: its joint's range, and what counts
FACE = (0.16, 0.072, 0.0)  #: m, the face that strikes, frame of the hammer
YAW = -math.pi / 2
LYING = (0.0, 0.0, math.sin(YAW / 2), math.cos(YAW / 2))  #: quaternion of the hammer as it lies


def hammer_reward(state: State) -> tuple[Tensor, Tensor]:
    """2 for the grip of the handle, 6 for the head lifted and brought to the goal, as long as the hammer is not turned."""
    face = offset_point(state, FACE)
    driven = 0.1 * (face[:, 2] > 0.05) + 0.9 * tolerance(distance(face, state.goal), 0.02, 0.2)
    same = (state.obj_quat * constant(state.obj_quat, LYING)).sum(-1).abs()
    straight = (1.0 - (2.0 - 2.0 * same).clamp_min(0.0).sqrt() / 0.4).clamp_min(0.0)
    reward = (2.0 * state.cage + 6.0 * driven) * straight
    remaining = state.goal[:, 0] - state.obj2[:, 0]
    return finish(reward, (remaining < TRAVEL - DRIVEN) & (reward > 5.0))


def hammer_expert(state: State, memory: Tensor) -> Tensor:
    """Grip the handle, bring the head before the nail, drive it home."""
    holding, action = carry(state, memory, state.obj)
    face = offset_point(state, FACE)
    error = state.goal - face
    aligned = (holding & (error[:, 1:].abs().amax(-1) < 0.015)).float()
    memory[:, 2] = torch.maximum(memory[:, 2], aligned)
    error[:, 0] = torch.where(memory[:, 2] > 0, error[:, 0] - 0.01, 0.0)
    return torch.where(holding[:, None], steer(state, state.tcp + error, 1.0), action)


HAMMER = TaskSpec(
    task_id=21,
    name="hammer",
    description="Pick up the hammer and drive the nail into the block.",
    actors=(
        ActorSpec("hammer", "hammer.xml", Placement(follows=OBJECT), yaw=YAW, fixed_base=False),
        ActorSpec("block", "hammer_block.xml", Placement(BLOCK), yaw=YAW),
    ),
    reset_low=(-0.2, -0.1, 0.03),
    reset_high=(-0.1, 0.1, 0.03),
    goal=Placement((BLOCK[0] + NAIL[0] + TRAVEL, BLOCK[1], NAIL[2])),
    observed=(Point("hammer", "hammer"), Point("block", "nail")),
    tcp_start=(-0.2, 0.0, 0.15),
    reward=hammer_reward,
    expert=hammer_expert,
    v1=V1("pick", "obj2"),
)
