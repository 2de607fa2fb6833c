"""The sliding window: window_close (48) and window_open (49).

Follows Meta-World's ``sawyer_window_{close,open}_v3``: goals, radii, and a reward that is high only if hand and sash
are both right. Departures:

- The layout is 0.1 m nearer to the robot (x = Y_mw - 0.7), see ``cylinder.py``.
- The observed point lies beside the upper part of the bar (25 mm above its middle): lower down the Franka's hand,
  which is wide just above the fingers, would meet the bar's upper end.
- Success is Meta-World's, in metres along the slide: 0.05 from the goal, that is 0.19 of 0.20 m open, or 0.04 from
  shut. (MTBench's 0.01 for closing is met only at the joint's stop.)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import steer
from isaacgymenvs_tasks.metaworld.rewards import SUCCESS, approach, finish, hamacher, tolerance
from isaacgymenvs_tasks.metaworld.task import OBJECT, ActorSpec, Placement, Point, State, TaskSpec, Vec3

RADIUS = 0.05  #: m, success
TRAVEL = 0.2  #: m
BESIDE = (-0.095, 0.025)  #: y and z, in the sash's frame, of the observed point


def slide_reward(state: State) -> tuple[Tensor, Tensor]:
    """Tcp beside the bar and sash at the goal, together."""
    error = (state.obj[:, 1] - state.goal[:, 1]).abs()
    margin = (state.obj_init[:, 1] - state.goal[:, 1]).abs() - RADIUS
    near = approach(state, state.obj, state.obj_init, 0.02, gaussian=True)
    return finish(SUCCESS * hamacher(near, tolerance(error, RADIUS, margin)), error <= RADIUS)


def slide_expert(state: State, memory: Tensor) -> Tensor:
    """Shut the fingers, come to the bar's side from the front, push along the slide."""
    way = torch.sign(state.goal[:, 1] - state.obj[:, 1])
    beside = state.obj.clone()
    beside[:, 1] -= 0.02 * way
    aligned = (state.tcp - beside)[:, 1:].abs().amax(-1) < 0.015
    memory[:, 0] = torch.maximum(memory[:, 0], (aligned & (state.tcp[:, 0] > beside[:, 0] - 0.015)).float())
    pushing = memory[:, 0] > 0
    beside[:, 0] -= 0.07 * (~aligned & ~pushing)
    beside[:, 1] += 0.08 * way * pushing
    return steer(state, beside, 1.0)


def _spec(task_id: int, name: str, description: str, opened: bool, low: Vec3, high: Vec3) -> TaskSpec:
    side = -0.04 if opened else 0.01  # of the bar's pushing side along the sash
    return TaskSpec(
        task_id=task_id,
        name=name,
        description=description,
        actors=(
            ActorSpec(
                "window",
                "window.xml",
                Placement(follows=OBJECT),
                yaw=-math.pi / 2,
                dofs={} if opened else {"window_slide": TRAVEL},
            ),
        ),
        reset_low=low,
        reset_high=high,
        goal=Placement((BESIDE[0], -TRAVEL if opened else 0.0, BESIDE[1]), OBJECT),
        observed=(Point("window", "sash", (side, *BESIDE)),),
        tcp_start=(-0.2, 0.0, 0.215),
        reward=slide_reward,
        expert=slide_expert,
        finger_axis="y",
    )


WINDOW_CLOSE = _spec(48, "window_close", "Slide the window shut.", False, (0.05, 0.0, 0.19), (0.2, 0.0, 0.19))
WINDOW_OPEN = _spec(49, "window_open", "Slide the window open.", True, (0.0, -0.1, 0.19), (0.2, 0.1, 0.19))
