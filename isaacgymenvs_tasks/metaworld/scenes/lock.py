"""The safe's lock, a lever on its door: door_lock (14) and door_unlock (15).

Follows Meta-World's ``sawyer_door_{lock,unlock}_v3``: layout, the weights of reaching and turning, and how far the lever
must be turned (to 72 degrees of 90 to lock it, to 22 to unlock it). Departures:

- The lever ends in a knob that stands out of the door (see ``assets/metaworld/lock.xml``), which the hand pushes.
- The observed point lies at the knob's side from which it is pushed, where the tcp comes to be, and turns with the
  lever. The goal is where that point ends, and both tasks count the distance between them (0.033 m); Meta-World counts
  heights in one task and widths in the other, of a goal that is out of the lever's reach.
- Reaching counts alike in all directions and whether the fingers are open or not.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import descend, steer
from isaacgymenvs_tasks.metaworld.rewards import approach, constant, distance, finish, placement
from isaacgymenvs_tasks.metaworld.task import OBJECT, ActorSpec, Expert, Placement, Point, State, TaskSpec, Vec3

RADIUS = 0.033  #: m, success
PIVOT = (-0.118, 0.061)  #: m, x and height from the safe's centre, which is turned by -90 degrees
OUT = -0.08  #: m along y of the lever's frame: where on the knob to push
ABOVE = (0.102, OUT, 0.025)  #: above the knob while the lever is level, frame of the lever
BESIDE = (0.08, OUT, -0.028)  #: beside the knob while the lever hangs down


def turn_reward(state: State) -> tuple[Tensor, Tensor]:
    """2 for the hand at the knob, 8 for the lever's way."""
    reward = 2.0 * approach(state, state.obj, state.obj_init, 0.02) + 8.0 * placement(state, RADIUS)
    return finish(reward, distance(state.obj, state.goal) <= RADIUS)


def _ahead(state: State, y: Tensor, z: Tensor) -> Tensor:
    """0.1 m from the observed point in the direction (0, y, z)."""
    return state.obj + 0.1 * torch.stack((torch.zeros_like(y), y, z), -1)


def lock_expert(state: State, memory: Tensor) -> Tensor:
    """Come down on the knob with closed fingers and push it along its arc."""
    touching, action = descend(state, memory, state.obj, 0.06)
    angle = state.dof_pos[:, 0]
    ahead = _ahead(state, torch.sin(angle), -torch.cos(angle))
    return torch.where(touching[:, None], steer(state, ahead, 1.0), action)


def unlock_expert(state: State, memory: Tensor) -> Tensor:
    """Come down beside the knob with closed fingers, push it aside and rise with it."""
    touching, action = descend(state, memory, state.obj + constant(state.obj, (0.0, 0.015, -0.01)), 0.12, 0.01)
    angle = state.dof_pos[:, 0]
    ahead = _ahead(state, -torch.ones_like(angle), 0.4 * torch.cos(angle))
    return torch.where(touching[:, None], steer(state, ahead, 1.0), action)


def _spec(task_id: int, name: str, description: str, locked: bool, point: Vec3, expert: Expert) -> TaskSpec:
    x, y, z = point
    # Where the point ends: lever down (turned by a right angle about the world's x axis) or level.
    goal = (PIVOT[0] + y, -x, PIVOT[1] + z) if locked else (PIVOT[0] + y, -z, PIVOT[1] - x)
    return TaskSpec(
        task_id=task_id,
        name=name,
        description=description,
        actors=(
            ActorSpec(
                "safe",
                "lock.xml",
                Placement(follows=OBJECT),
                yaw=-math.pi / 2,
                dofs={"lock_hinge": math.pi / 2} if locked else {},
            ),
        ),
        reset_low=(0.2, -0.1, 0.15),
        reset_high=(0.25, 0.1, 0.15),
        goal=Placement(goal, OBJECT),
        observed=(Point("safe", "lever", point),),
        tcp_start=(-0.15, 0.0, 0.2),
        reward=turn_reward,
        expert=expert,
        finger_axis="y",
    )


DOOR_LOCK = _spec(14, "door_lock", "Lock the safe by turning its lever down.", False, ABOVE, lock_expert)
DOOR_UNLOCK = _spec(15, "door_unlock", "Unlock the safe by turning its lever up.", True, BESIDE, unlock_expert)
