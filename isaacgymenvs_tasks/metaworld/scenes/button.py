"""The button box: button_press_topdown (4), button_press_topdown_wall (5), button_press (6) and button_press_wall (7).

Follows Meta-World's ``sawyer_button_press{_topdown,_topdown_wall,,_wall}_v3``. Departures:

- With the button on top the box is 0.15 m nearer to the robot (x 0.05..0.15): the button is 0.31 m high, near the upper
  end of what the Franka reaches with its hand vertical. From the front the layout is Meta-World's.
- The target is the button pressed home (0.06 m), success within 0.01 m of it, as in MTBench: Meta-World's counts from
  0.063 to 0.073 m of travel, past the joint's own limit.
- The gripper's closedness is ``1 - openness`` in all four, as in MTBench: open fingers would pass on both sides of the
  cap. Meta-World rewards open ones in ids 5 and 6.
- Walls follow the box, as in MTBench: Meta-World's stand still, inside some boxes and beside some buttons. The low wall
  in front of the button on top is 0.06 m lower than the box and hardly in the way, there as here.
- ``button_press_wall`` has the reward of ``button_press``, times a term that keeps the hand above the wall until it is
  past it. Meta-World's own does not know of the wall, and draws the hand against it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import descend, steer
from isaacgymenvs_tasks.metaworld.rewards import approach, constant, distance, finish, hamacher, tolerance
from isaacgymenvs_tasks.metaworld.task import OBJECT, ActorSpec, Placement, Point, State, TaskSpec

TRAVEL = 0.06  #: m
FACE = 0.194  #: m, from the box's origin to the button's face
OVER_WALL = 0.08  #: m above the button at which the hand crosses the wall
BEHIND_WALL = 0.06  #: m from the button, horizontally: there is room for the fingers between it and the wall


def press_reward(state: State) -> tuple[Tensor, Tensor]:
    """For bringing closed fingers to the button, and for its travel.

    Parameters: ``press`` is the travel's share of the reward, ``touch`` (m) how near the tcp must be for it, ``above``
    (m) how high above the button the tcp must be before it is ``BEHIND_WALL``.
    """
    params = state.params
    remaining, gap = distance(state.obj, state.goal), distance(state.tcp, state.obj)
    offset = state.tcp - state.obj
    outside = offset[:, :2].square().sum(-1) > BEHIND_WALL**2
    clear = tolerance(outside * (params["above"] - offset[:, 2]), 0.0, 2 * OVER_WALL)
    near = approach(state, state.obj, state.obj_init, 0.01) * clear
    pressed = (gap <= params["touch"]) * tolerance(remaining, 0.005, TRAVEL)
    reward = (10.0 - params["press"]) * hamacher(1.0 - state.openness, near) + params["press"] * pressed
    return finish(reward, remaining <= 0.01)


def top_expert(state: State, memory: Tensor) -> Tensor:
    """Shut the fingers, go above the button, then straight down."""
    offset = state.obj - state.tcp
    aligned = (offset[:, :2].square().sum(-1) < 0.02**2).float()
    memory[:, 0] = torch.maximum(memory[:, 0], aligned)
    target = state.obj.clone()
    target[:, 2] += 0.05 - 0.13 * memory[:, 0]
    # Rise before going forward: the box's top is as high as the hand at the start.
    low = (memory[:, 0] == 0) & (offset[:, 2] > -0.02)
    target[:, :2] = torch.where(low[:, None], state.tcp[:, :2], target[:, :2])
    return steer(state, target, 1.0)


def front_expert(state: State, memory: Tensor) -> Tensor:
    """Shut the fingers, come down before the button from above the height of the wall, then push."""
    front = state.obj - constant(state.obj, (0.03, 0.0, 0.0))
    ready, action = descend(state, memory, front, OVER_WALL)
    front[:, 0] += 0.1
    return torch.where(ready[:, None], steer(state, front, 1.0), action)


def _spec(task_id: int, name: str, description: str, top: bool, walled: bool) -> TaskSpec:
    asset, yaw = ("button.xml", 0.0) if top else ("button_front.xml", -math.pi / 2)
    actors = [ActorSpec("box", asset, Placement(follows=OBJECT), yaw=yaw)]
    height = 0.114 if top else 0.115
    if walled:
        before = Placement((-0.15 if top else -0.3, -0.05, -height), OBJECT)
        actors.append(ActorSpec("wall", "wall_button.xml", before, yaw=math.pi / 2))
    width = 0.05 if walled and not top else 0.1
    return TaskSpec(
        task_id=task_id,
        name=name,
        description=description,
        actors=tuple(actors),
        reset_low=(0.05 if top else 0.25, -width, height),
        reset_high=(0.15 if top else 0.3, width, height),
        goal=Placement((0.0, 0.0, FACE - TRAVEL) if top else (TRAVEL - FACE, 0.0, 0.0), OBJECT),
        observed=(Point("box", "button", (0.0, 0.0, FACE) if top else (0.0, -FACE, 0.0)),),
        tcp_start=(-0.22 if walled else -0.15, 0.0, 0.2) if top else (-0.2, 0.0, 0.155),
        reward=press_reward,
        expert=top_expert if top else front_expert,
        finger_axis="y",
        params={
            "press": 5.0 if top else 8.0,
            "touch": 0.03 if top else 0.05,
            "above": OVER_WALL if walled and not top else -1.0,
        },
    )


BUTTON_PRESS_TOPDOWN = _spec(4, "button_press_topdown", "Press the button on top of the box.", True, False)
BUTTON_PRESS_TOPDOWN_WALL = _spec(
    5, "button_press_topdown_wall", "Press the button on top of the box behind a wall.", True, True
)
BUTTON_PRESS = _spec(6, "button_press", "Press the button on the front of the box.", False, False)
BUTTON_PRESS_WALL = _spec(
    7, "button_press_wall", "Reach over a wall and press the button on the front of the box.", False, True
)
