"""A small object before a low wall, the goal behind it: reach_wall (41), push_wall (39) and pick_place_wall (32).

Follows Meta-World's ``sawyer_{reach,push,pick_place}_wall_v3``: the wall's size, height and place (one end close to the
middle, where objects are pushed round it), the waypoints of the rewards beside and above it, weights of axes and terms.
Departures:

- As in ``cylinder.py`` the layout is 0.1 m nearer to the robot (x = Y_mw - 0.7), and the object is a cube of 0.1 kg.
- The object lies another 0.02 m nearer and the goal 0.02 m farther: the Franka's palm reaches 0.095 m ahead of and
  behind the fingers and is lower than the wall's top while they hold an object on the table. Now it fits on both sides,
  and 0.0155 m thick as it is across the fingers, it passes the wall's end together with the object.
- MTBench's wall is in the middle of the table and sunk by 0.03 m; its waypoint for ``push_wall`` lies behind the wall
  instead of beside it, and the weights of its waypoint's distance still are those of Meta-World's axes.
- One radius, 0.05 m, for success and bonus (Meta-World: 0.07 and 0.05; MTBench's pick_place_wall: 0.08 and 0.05).
- ``pick_place_wall`` pays caging in full; multiplied with nearness to the waypoint, as Meta-World has it, reaching and
  grasping would earn 0.1 of 10. The object counts as caged once it is behind the wall, and as held by where it is.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import carry, steer
from isaacgymenvs_tasks.metaworld.rewards import constant, distance, finish, held_up, placement, tolerance
from isaacgymenvs_tasks.metaworld.scenes.cylinder import CUBE_CAGE, RADIUS, TCP_START, reach_reward
from isaacgymenvs_tasks.metaworld.task import (
    GOAL,
    OBJECT,
    V1,
    ActorSpec,
    Expert,
    Placement,
    Point,
    Reward,
    State,
    TaskSpec,
)

WALL = (0.05, -0.1, 0.0)  #: m, its middle on the table
END = 0.02  #: m, y of the end round which objects are pushed
TOP = 0.12  #: m
BEHIND = 0.16  #: m, x from which on the palm is behind the wall


def _way(state: State, waypoint: Tensor, weights: tuple[float, float, float]) -> Tensor:
    """How near the object is to ``waypoint`` (n, 3), by a distance with ``weights`` for the axes."""
    scale = constant(state.goal, weights)
    waypoint = waypoint * scale
    return tolerance(distance(state.obj * scale, waypoint), RADIUS, distance(state.obj_init * scale, waypoint))


def push_reward(state: State) -> tuple[Tensor, Tensor]:
    """Caging, then the object's way to a point beside the wall's end, and from the wall on its way to the goal."""
    cage = 2.0 * state.cage
    waypoint = constant(state.obj, (WALL[0] + 0.02, END + 0.03, 0.02)).expand_as(state.obj)
    way = 4.0 * _way(state, waypoint, (1.0, 3.0, 1.0))
    on_object = distance(state.tcp, state.obj) < 0.02
    passed = state.obj[:, 0] > WALL[0]
    reward = cage + on_object * (1.0 + torch.where(passed, 4.0 + 3.0 * placement(state, RADIUS), way))
    return finish(reward, distance(state.obj, state.goal) <= RADIUS)


def pick_place_reward(state: State) -> tuple[Tensor, Tensor]:
    """Caging, lifting and the object's way to a point above the wall, and from the wall on its way to the goal."""
    waypoint = state.goal.clone()
    waypoint[:, 0].fill_(WALL[0] + 0.02)
    waypoint[:, 2].fill_(TOP + 0.13)
    way = _way(state, waypoint, (1.0, 1.0, 3.0))
    lifted = held_up(state, 0.02, 0.015)
    passed = lifted & (state.obj[:, 0] > WALL[0])
    before = state.cage + lifted * (1.0 + 4.0 * way)
    reward = torch.where(passed, 6.0 + 3.0 * placement(state, RADIUS), before)
    return finish(reward, distance(state.obj, state.goal) <= RADIUS)


def reach_expert(state: State, memory: Tensor) -> Tensor:
    """Over the wall, then straight to the goal."""
    target = state.goal.clone()
    before = state.tcp[:, 0] < WALL[0] + 0.03
    target[:, 2] = torch.where(before, target[:, 2].clamp_min(TOP + 0.04), target[:, 2])
    low = before & (state.tcp[:, 2] < TOP + 0.02)
    target[:, 0] = torch.where(low, state.tcp[:, 0], target[:, 0])
    return steer(state, target, 0.0)


def push_expert(state: State, memory: Tensor) -> Tensor:
    """Grip the object, take it sideways until it is clear of the wall's end, forward past the wall, to the goal."""
    holding, action = carry(state, memory, state.obj)
    target = state.goal + state.tcp - state.obj
    target[:, 2] += 0.005
    before = state.obj[:, 0] < BEHIND
    aside = (state.obj[:, 1] - (END + 0.04)).abs() < 0.01
    target[:, 1] = torch.where(before, END + 0.04, target[:, 1])
    target[:, 0] = torch.where(before & ~aside, state.tcp[:, 0], target[:, 0])
    return torch.where(holding[:, None], steer(state, target, 1.0), action)


def pick_place_expert(state: State, memory: Tensor) -> Tensor:
    """Grip the object, raise it above the wall, take it across, to the goal."""
    holding, action = carry(state, memory, state.obj)
    target = state.goal + state.tcp - state.obj
    before = state.obj[:, 0] < BEHIND
    low = before & (state.obj[:, 2] < TOP + 0.04)
    target[:, 2] = torch.where(before, target[:, 2].clamp_min(TOP + 0.08), target[:, 2])
    target[:, :2] = torch.where(low[:, None], state.tcp[:, :2], target[:, :2])
    return torch.where(holding[:, None], steer(state, target, 1.0), action)


def _spec(
    task_id: int, name: str, description: str, heights: tuple[float, float], reward: Reward, expert: Expert, v1: V1
) -> TaskSpec:
    return TaskSpec(
        task_id=task_id,
        name=name,
        description=description,
        actors=(
            ActorSpec("object", "cube.xml", Placement(follows=OBJECT), fixed_base=False),
            ActorSpec("wall", "wall.xml", Placement(WALL), yaw=math.pi / 2),
        ),
        reset_low=(-0.12, -0.05, 0.02, 0.17, -0.05, heights[0]),
        reset_high=(-0.07, 0.05, 0.02, 0.22, 0.05, heights[1]),
        goal=Placement(follows=GOAL),
        observed=(Point("object", "cube"),),
        tcp_start=TCP_START,
        reward=reward,
        expert=expert,
        v1=v1,
        cage=CUBE_CAGE,
    )


REACH_WALL = _spec(
    41,
    "reach_wall",
    "Move the gripper over the wall to a goal position.",
    (0.05, 0.3),
    reach_reward,
    reach_expert,
    V1("reach"),
)
PUSH_WALL = _spec(
    39,
    "push_wall",
    "Push the object round the wall to a goal on the table.",
    (0.02, 0.02),
    push_reward,
    push_expert,
    V1("push"),
)
PICK_PLACE_WALL = _spec(
    32,
    "pick_place_wall",
    "Pick up the object, lift it over the wall and hold it at a goal position.",
    (0.05, 0.3),
    pick_place_reward,
    pick_place_expert,
    V1("pick"),
)
