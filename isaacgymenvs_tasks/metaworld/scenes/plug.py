"""The plug in the socket: peg_unplug_side (29).

Follows Meta-World's ``sawyer_peg_unplug_side_v3``: layout, reward terms and success, the plug within 0.07 m of a point to
which it is pulled 0.11 m out, that is 0.04 m out at least and held. (MTBench's task of this name is the opposite one,
plugging in, and does not end in the socket.) Departures:

- The layout is 0.1 m nearer to the robot (x = Y_mw - 0.7), see ``cylinder.py``; the hand begins 0.1 m higher, clear of
  the plug.
- The plug has a prong that fits the socket (see ``assets/metaworld/plug.xml``); 0.04 m out, it has left it.
- Nearness to the goal begins to pay once the plug is 0.01 m out (Meta-World: 0.015) and reaches its full value at the
  success radius (0.05). Openness says nothing on a Franka that holds the plug.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import carry, steer
from isaacgymenvs_tasks.metaworld.rewards import distance, finish, placement
from isaacgymenvs_tasks.metaworld.task import OBJECT, ActorSpec, Cage, Placement, Point, State, TaskSpec

RADIUS = 0.07  #: m, success
FRONT, HEIGHT = -0.044, 0.129  #: m, y and z of the plug's root from the wall's
YAW = -math.pi / 2  #: the hole is along y, the plug is pulled out towards -y


def unplug_reward(state: State) -> tuple[Tensor, Tensor]:
    """2 for caging; once the held plug moves out of the socket, 1 and 5 for nearness to the goal."""
    pulled = (distance(state.tcp, state.obj) < 0.035) & (state.obj_init[:, 1] - state.obj[:, 1] > 0.01)
    reward = 2.0 * state.cage + pulled * (1.0 + 5.0 * placement(state, RADIUS, RADIUS))
    return finish(reward, distance(state.obj, state.goal) <= RADIUS)


def unplug_expert(state: State, memory: Tensor) -> Tensor:
    """Grip the plug's end and pull it straight out."""
    holding, action = carry(state, memory, state.obj)
    return torch.where(holding[:, None], steer(state, state.goal + state.tcp - state.obj, 1.0), action)


PEG_UNPLUG_SIDE = TaskSpec(
    task_id=29,
    name="peg_unplug_side",
    description="Pull the plug out of the socket in the wall.",
    actors=(
        ActorSpec("plug", "plug.xml", Placement((0.0, FRONT, HEIGHT), OBJECT), yaw=YAW, fixed_base=False),
        ActorSpec("wall", "socket.xml", Placement(follows=OBJECT), yaw=YAW),
    ),
    reset_low=(-0.1, 0.15, 0.0),
    reset_high=(0.1, 0.25, 0.0),
    goal=Placement((0.0, FRONT - 0.15, HEIGHT), OBJECT),
    observed=(Point("plug", "plug", (0.04, 0.0, 0.0)),),
    tcp_start=(-0.1, 0.0, 0.25),
    cage=Cage(object_radius=0.018, effort=0.8),
    reward=unplug_reward,
    expert=unplug_expert,
)
