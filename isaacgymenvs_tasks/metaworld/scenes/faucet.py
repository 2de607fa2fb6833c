"""The faucet: faucet_close (19) and faucet_open (20).

Follows Meta-World's ``sawyer_faucet_{close,open}_v3``: reward terms and weights, and how far the lever must be turned (73
degrees of 90). MTBench closes only in the last two degrees. Departures:

- The layout is 0.1 m nearer to the robot (x = Y_mw - 0.7), see ``cylinder.py``: the hand follows the lever round.
- The observed point lies beside the lever, where the tcp that pushes it comes to be, and turns with it; the goal is
  where that point ends. Meta-World's lies on the lever, its goal at the lever's axis.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import descend, steer
from isaacgymenvs_tasks.metaworld.rewards import approach, distance, finish, placement
from isaacgymenvs_tasks.metaworld.task import OBJECT, ActorSpec, Placement, Point, State, TaskSpec

RADIUS = 0.05  #: m, success
HEIGHT = 0.125  #: m, of the lever
BESIDE, ALONG, BELOW = 0.034, 0.16, 0.01  #: m, of the observed point: from the lever's axis, from its hinge, down


def turn_reward(state: State) -> tuple[Tensor, Tensor]:
    """4 for the hand beside the lever, 6 for the lever's way."""
    reward = 4.0 * approach(state, state.obj, state.obj_init, 0.015) + 6.0 * placement(state, RADIUS)
    return finish(reward, distance(state.obj, state.goal) <= RADIUS)


def turn_expert(state: State, memory: Tensor) -> Tensor:
    """Come down beside the lever with closed fingers and push it round, at right angles to it."""
    way, angle = state.params["way"], state.dof_pos[:, 0]
    beside = state.obj.clone()
    beside[:, 1] -= 0.015 * way
    touching, action = descend(state, memory, beside, 0.08)
    across = torch.stack((-way * torch.sin(angle), way * torch.cos(angle), torch.zeros_like(way)), -1)
    return torch.where(touching[:, None], steer(state, state.obj + 0.1 * across, 1.0), action)


def _spec(task_id: int, name: str, description: str, way: float, width: float) -> TaskSpec:
    """``way`` is 1 if the lever goes to the robot's left (shut), -1 to its right (open)."""
    return TaskSpec(
        task_id=task_id,
        name=name,
        description=description,
        actors=(ActorSpec("faucet", "faucet.xml", Placement(follows=OBJECT), yaw=-math.pi / 2),),
        reset_low=(0.1, -width, 0.0),
        reset_high=(0.15, width, 0.0),
        goal=Placement((-BESIDE, way * ALONG, HEIGHT - BELOW), OBJECT),
        observed=(Point("faucet", "knob", (way * BESIDE, -ALONG, -BELOW)),),
        tcp_start=(-0.2, 0.0, 0.15),
        reward=turn_reward,
        expert=turn_expert,
        finger_axis="y",
        params={"way": way},
    )


FAUCET_CLOSE = _spec(19, "faucet_close", "Turn the faucet's lever to the left to close it.", 1.0, 0.1)
FAUCET_OPEN = _spec(20, "faucet_open", "Turn the faucet's lever to the right to open it.", -1.0, 0.05)
