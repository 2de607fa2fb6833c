"""The dial: dial_turn (11).

Follows Meta-World's ``sawyer_dial_turn_v3``: layout, terms, and success at 78 degrees of turn. Departures:

- The whole layout is 0.1 m nearer to the robot (x = Y_mw - 0.7), see ``cylinder.py``.
- The marked end of the grip is observed at the grip's own height, 0.051 m above Meta-World's point, and the goal is that
  much higher. (MTBench begins half a turn away and asks for 103 degrees.)
- The tcp is drawn to a point beside the grip that turns with it, so the attraction stays true along the arc; Meta-
  World's is fixed to world axes and above the grip.
- The turn is rewarded by its angle (by the distance, which counts for success, the first 30 degrees bring almost
  nothing), and 2 of 10 are for the hand alone: in Meta-World's product the last half of the reach brings 0.1.
- Closed fingers are told by ``1 - openness`` (MTBench), not by the action.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import descend, steer
from isaacgymenvs_tasks.metaworld.rewards import approach, constant, distance, finish, hamacher, offset_point, tolerance
from isaacgymenvs_tasks.metaworld.task import OBJECT, ActorSpec, Placement, Point, State, TaskSpec, Vec3

RADIUS = 0.07  #: m, from the grip's end to the goal at success
TURN = 1.37  #: rad, the turn that this takes
END = 0.05  #: m, from the axis to the observed point at the grip's end
HEIGHT = 0.051  #: m, of the grip's middle
ARM = (0.03, -0.038, 0.005)  #: from the grip's middle to where the fingers push, frame of the dial


def _beside(turn: float, margin: float = 0.0) -> Vec3:
    """From the observed point to the pushing point, ``margin`` further from the grip and ``turn`` ahead, dial's frame."""
    x, y, z = ARM[0] + margin, ARM[1], ARM[2]
    c, s = math.cos(turn), math.sin(turn)
    return x * c - y * s, x * s + y * c + END, z


BESIDE = _beside(0.0)


def turn_reward(state: State) -> tuple[Tensor, Tensor]:
    """2 for closed fingers beside the grip, 8 for that and the grip's turn together."""
    beside_init = state.obj_init + constant(state.obj, (BESIDE[1], -BESIDE[0], BESIDE[2]))  # by -90 degrees
    reach = approach(state, offset_point(state, BESIDE), beside_init, 0.01, gaussian=True)
    ready = hamacher(reach, 1.0 - state.openness)
    turned = tolerance(TURN - state.dof_pos[:, 0].abs(), 0.0, TURN)
    return finish(2.0 * ready + 8.0 * hamacher(ready, turned), distance(state.obj, state.goal) <= RADIUS)


def turn_expert(state: State, memory: Tensor) -> Tensor:
    """Shut the fingers, come down beside the grip's end, push it round."""
    ready, action = descend(state, memory, offset_point(state, _beside(0.0, 0.02)), 0.06)
    return torch.where(ready[:, None], steer(state, offset_point(state, _beside(-1.0)), 1.0), action)


DIAL_TURN = TaskSpec(
    task_id=11,
    name="dial_turn",
    description="Turn the dial by its grip.",
    actors=(ActorSpec("dial", "dial.xml", Placement(follows=OBJECT), yaw=-math.pi / 2),),
    reset_low=(0.0, -0.1, 0.0),
    reset_high=(0.1, 0.1, 0.0),
    goal=Placement((0.03, 0.0, HEIGHT + 0.03), OBJECT),
    observed=(Point("dial", "dial", (0.0, -END, HEIGHT)),),
    tcp_start=(-0.1, 0.0, 0.15),
    reward=turn_reward,
    expert=turn_expert,
)
