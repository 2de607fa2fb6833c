"""The stick and the thermos: stick_push (45) and stick_pull (44).

Follows Meta-World's ``sawyer_stick_{push,pull}_v3``: layout, the rewards' stages and weights, the waypoints' weighted
distance, what counts as inserted. Departures:

- The stick is 0.2 m long as in MTBench and has a crossbar. To pull, Meta-World's fingers follow the stick up to the
  thermos's handle and push against it; the Franka's palm, 0.19 m wide above them, would meet the thermos's body. Here the
  hand holds the stick by its tail, and the crossbar takes the handle along.
- The stick's tip and the part that belongs in the handle turn with the stick. The second observed point moves with the
  thermos (MTBench's stick_push observes its fixed root, and doubles the motion in stick_pull).
- ``stick_pull``'s goal has the height of the handle, and the handle must come within 0.05 m of it. Meta-World's goal
  lies 0.112 m lower, which leaves 0.043 m of its radius of 0.12; MTBench raises the goal and keeps the radius.
- ``stick_pull`` pays caging in full; multiplied with nearness to the handle, as Meta-World has it, reaching and grasping
  would earn 0.1 of 10.
- The thermos is lighter and damped (see ``assets/metaworld/thermos.xml``): it stays where it is left.
- Held means that the grasped point is within 0.03 m of the tcp and lifted by 0.01 m, also where ``stick_push`` asks for
  touch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import carry, steer
from isaacgymenvs_tasks.metaworld.rewards import constant, distance, finish, held_up, offset_point, tolerance
from isaacgymenvs_tasks.metaworld.task import (
    GOAL,
    OBJECT,
    V1,
    ActorSpec,
    Cage,
    Expert,
    Placement,
    Point,
    Reward,
    State,
    TaskSpec,
    Vec3,
)

YAW = -math.pi / 2  #: of stick and thermos: the tip points to -y, the handle to the robot
GRASP = -0.06  #: m along the stick from its middle, the point to hold
TIP = (0.16, 0.0, 0.0)  #: m from there to the tip
HOOK = (0.1, 0.0, 0.0)  #: m from there to the part of the stick that belongs in the handle, next to the crossbar
HEIGHT = 0.132  #: m, of the hole in the handle
HOLE = -0.09  #: m from the thermos's axis to the point where the stick belongs
PUSHED, PULLED = 0.12, 0.05  #: m, success
INSERTED = (0.04, 0.06)  #: m, how far beside and above the hole's middle the tip counts as inserted
HELD = (0.03, 0.01)  #: m, from the tcp to the grasped point, and that above where it lay
SCALE = (1.0, 1.0, 2.0)  #: weight of the axes on the way to the handle


def _shifted(start: Tensor, offset: Vec3) -> Tensor:
    """Where ``offset`` (m, along the stick from the grasped point) was at reset."""
    return start + constant(start, (0.0, -offset[0], 0.0))


def push_reward(state: State) -> tuple[Tensor, Tensor]:
    """Caging; with the stick held, how near its tip and the thermos are to the goal."""
    held = held_up(state, *HELD)
    tip = tolerance(
        distance(offset_point(state, TIP), state.goal),
        PUSHED,
        distance(_shifted(state.obj_init, TIP), state.goal) - PUSHED,
    )
    error = distance(state.obj2, state.goal)
    thermos = tolerance(error, PUSHED, distance(state.obj2_init, state.goal) - PUSHED)
    reward = torch.where(held, 2.0 + 5.0 * tip + 3.0 * thermos, state.cage)
    return finish(reward, held & (error <= PUSHED))


def pull_reward(state: State) -> tuple[Tensor, Tensor]:
    """Caging; with the stick held its way to the handle; inserted, the way of stick and handle to the goal."""
    scale = constant(state.goal, SCALE)
    hook, start = offset_point(state, HOOK), _shifted(state.obj_init, HOOK)
    way = tolerance(distance(hook * scale, state.obj2 * scale), 0.05, distance(start * scale, state.obj2_init * scale))
    held = held_up(state, *HELD)
    in_handle = offset_point(state, TIP) - state.obj2
    inserted = (
        held
        & (in_handle[:, 1] <= 0.0)
        & (in_handle[:, 0].abs() <= INSERTED[0])
        & (in_handle[:, 2].abs() <= INSERTED[1])
    )
    error = distance(state.obj2, state.goal)
    pulled = 2.0 * tolerance(distance(hook, state.goal), PULLED, distance(start, state.goal))
    pulled = pulled + tolerance(error, PULLED, distance(state.obj2_init, state.goal))
    reward = torch.where(held, 2.0 + torch.where(inserted, 5.0 + pulled, 5.0 * way), state.cage)
    return finish(reward, inserted & (error <= PULLED))


def _line_up(state: State, memory: Tensor) -> tuple[Tensor, Tensor]:
    """Grip the stick and bring its tip in line with the second observed point, across y.

    Returns (lined up (n,) bool, action (n, 4) until then).
    """
    holding, action = carry(state, memory, state.obj)
    error = state.obj2 - offset_point(state, TIP)
    memory[:, 2] = torch.maximum(memory[:, 2], (holding & (error[:, ::2].abs().amax(-1) < 0.008)).float()) * holding
    error[:, 1] = 0.0
    return memory[:, 2] > 0, torch.where(holding[:, None], steer(state, state.tcp + error, 1.0), action)


def push_expert(state: State, memory: Tensor) -> Tensor:
    """Grip the stick, lift it before the thermos, push."""
    ready, action = _line_up(state, memory)
    error = state.obj2 - offset_point(state, TIP)
    error[:, 1] += state.goal[:, 1] - state.obj2[:, 1]
    return torch.where(ready[:, None], steer(state, state.tcp + error, 1.0), action)


def pull_expert(state: State, memory: Tensor) -> Tensor:
    """Grip the stick, lift it before the handle, put it through up to the crossbar, take the handle to the goal."""
    ready, action = _line_up(state, memory)
    error = state.obj2 - offset_point(state, HOOK)
    memory[:, 3] = torch.maximum(memory[:, 3], (ready & (error[:, 1] > -0.03)).float()) * ready
    error = torch.where(memory[:, 3:] > 0, state.goal - state.obj2, error)
    return torch.where(ready[:, None], steer(state, state.tcp + error, 1.0), action)


def _spec(
    task_id: int,
    name: str,
    description: str,
    low: tuple[float, ...],
    high: tuple[float, ...],
    thermos: Vec3,
    observed: Vec3,
    reward: Reward,
    expert: Expert,
) -> TaskSpec:
    return TaskSpec(
        task_id=task_id,
        name=name,
        description=description,
        actors=(
            ActorSpec("stick", "stick.xml", Placement(follows=OBJECT), yaw=YAW, fixed_base=False),
            ActorSpec("thermos", "thermos.xml", Placement(thermos), yaw=YAW),
        ),
        reset_low=low,
        reset_high=high,
        min_distance=0.1,
        goal=Placement(follows=GOAL),
        observed=(Point("stick", "stick", (GRASP, 0.0, 0.0)), Point("thermos", "thermos", observed)),
        tcp_start=(0.0, 0.0, 0.15),
        reward=reward,
        expert=expert,
        v1=V1("pick", "obj2"),
        cage=Cage(object_radius=0.014),
    )


STICK_PUSH = _spec(
    45,
    "stick_push",
    "Pick up the stick and push the thermos with it to a goal position.",
    (-0.02, 0.03, 0.02, -0.05, -0.4, HEIGHT),
    (0.02, 0.08, 0.02, 0.0, -0.4, HEIGHT),
    (0.0, -0.2, 0.0),
    (0.0, 0.0, HEIGHT),
    push_reward,
    push_expert,
)
STICK_PULL = _spec(
    44,
    "stick_pull",
    "Pick up the stick, put it through the thermos's handle and pull the thermos to a goal position.",
    (-0.05, 0.0, 0.02, -0.15, -0.45, HEIGHT),
    (0.05, 0.1, 0.02, -0.05, -0.35, HEIGHT),
    (-HOLE, -0.2, 0.0),
    (0.0, HOLE, HEIGHT),
    pull_reward,
    pull_expert,
)
