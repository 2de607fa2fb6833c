"""The drawer: drawer_close (17) and drawer_open (18).

Follows Meta-World's ``sawyer_drawer_{close,open}_v3``: layout (MTBench's placement), reward terms and weights.
Departures:

- The fingers of the Franka are too thick to straddle the bar between hand and case, so it hooks: closed fingers open
  along y and go into the gap behind the bar. ``drawer_open`` draws the tcp to that gap, from above (a term Meta-World
  has in door_open).
- Opening pays for the last centimetres to the bar and for every millimetre of travel alike. Meta-World's terms are flat
  there: behind the bar the hand earns what it earns above it, half of the travel a fifth (``reward=v2_metaworld``).
- Goals are where the joint ends. Meta-World's goal for opening lies 0.03 m beyond the stop, so that its radius of
  0.03 is met only at the stop itself; here 0.13 of 0.16 m open (MTBench: 0.125) and 0.03 m from shut count (Meta-
  World: 0.0315; MTBench: 0.055).
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import descend, steer
from isaacgymenvs_tasks.metaworld.rewards import (
    SUCCESS,
    approach,
    constant,
    distance,
    finish,
    from_above,
    hamacher,
    placement,
    tolerance,
)
from isaacgymenvs_tasks.metaworld.task import OBJECT, ActorSpec, Expert, Placement, Point, Reward, State, TaskSpec

TRAVEL = 0.16  #: m
RADIUS = 0.03  #: m, success
#: m from the observed point, in front of the bar, to the tcp of a hand that touches the bar from behind, its tips below it
HOOK = (0.03, 0.0, -0.01)
GAP = (0.04, 0.0, 0.0)  #: m likewise, to the middle of the gap
HANDLE = Point("drawer", "drawer", (0.0, -0.16, 0.0))
#: Observed point of the shut drawer relative to the case's root, which is turned by -90 degrees.
SHUT = (-0.17, 0.0, 0.006)


def _hook(handle: Tensor) -> Tensor:
    return handle + constant(handle, HOOK)


def open_reward(state: State) -> tuple[Tensor, Tensor]:
    """2 for the way to the gap behind the bar, from above, 2 for the last centimetres, 6 for the drawer's travel."""
    hook = _hook(state.obj)
    near = hamacher(from_above(state, hook, 0.02, 0.05), approach(state, hook, _hook(state.obj_init), 0.01))
    hooked = tolerance(distance(state.tcp, hook), 0.01, 0.03)
    travel = (state.obj_init - state.obj)[:, 0] / TRAVEL
    return finish(2.0 * (near + hooked) + 6.0 * travel.clamp(0.0, 1.0), distance(state.obj, state.goal) <= RADIUS)


def open_metaworld(state: State) -> tuple[Tensor, Tensor]:
    """Half for the hand at the bar, on a plateau all of which is behind it, half for the drawer's nearness to its goal."""
    hook = _hook(state.obj)
    near = hamacher(from_above(state, hook, 0.02, 0.05), approach(state, hook, _hook(state.obj_init), 0.02))
    error = distance(state.obj, state.goal)
    return finish(5.0 * (near + tolerance(error, 0.02, TRAVEL)), error <= RADIUS)


def close_reward(state: State) -> tuple[Tensor, Tensor]:
    """The tcp at the handle, fingers closing, and the drawer's travel, all together."""
    ready = hamacher(
        approach(state, state.obj, state.obj_init, 0.005, gaussian=True), state.action[:, 3].clamp(0.0, 1.0)
    )
    reward = SUCCESS * hamacher(ready, placement(state, RADIUS, RADIUS))
    return finish(reward, distance(state.obj, state.goal) <= RADIUS)


def open_expert(state: State, memory: Tensor) -> Tensor:
    """Drop closed fingers into the gap behind the bar and pull."""
    gap = state.obj + constant(state.obj, GAP)
    hooked, action = descend(state, memory, gap, 0.08)
    gap[:, 0] -= 0.08
    return torch.where(hooked[:, None], steer(state, gap, 1.0), action)


def close_expert(state: State, memory: Tensor) -> Tensor:
    """Go in front of the bar, then push it home."""
    front = state.obj - constant(state.obj, (0.04, 0.0, 0.0))
    ready = (distance(state.tcp, front) < 0.025).float()
    memory[:, 0] = torch.maximum(memory[:, 0], ready)
    front[:, 0] += 0.1 * memory[:, 0]
    return steer(state, front, 1.0)


def _spec(task_id: int, name: str, description: str, opened: bool, reward: Reward, expert: Expert) -> TaskSpec:
    goal = (SHUT[0] - (TRAVEL if opened else 0.0), SHUT[1], SHUT[2])
    return TaskSpec(
        task_id=task_id,
        name=name,
        description=description,
        actors=(
            ActorSpec(
                "drawer",
                "drawer.xml",
                Placement(follows=OBJECT),
                yaw=-math.pi / 2,
                dofs={} if opened else {"drawer_slide": -TRAVEL},
            ),
        ),
        reset_low=(0.3, -0.1, 0.084),
        reset_high=(0.3, 0.1, 0.084),
        goal=Placement(goal, OBJECT),
        observed=(HANDLE,),
        tcp_start=(-0.15, 0.0, 0.16),
        reward=reward,
        expert=expert,
        finger_axis="y",
    )


DRAWER_CLOSE = _spec(17, "drawer_close", "Push the drawer shut.", False, close_reward, close_expert)
DRAWER_OPEN = replace(
    _spec(18, "drawer_open", "Pull the drawer open by its handle.", True, open_reward, open_expert),
    reward_metaworld=open_metaworld,
)
