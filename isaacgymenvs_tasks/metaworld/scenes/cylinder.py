"""A small object on the plain table: reach (40), push (38), push_back (37) and pick_place (31).

Follows Meta-World's ``sawyer_{reach,push,push_back,pick_place}_v3``: layouts, reward terms, radii and success thresholds.
Departures:

- The whole layout is 0.1 m nearer to the robot (x = Y_mw - 0.7): with its hand held vertical the Franka reaches 0.77
  m from its base axis, Meta-World's goals lie up to 0.85 m from there. MTBench moves only the goals of pick_place.
- Meta-World's puck is a cube of 0.1 kg here (see ``assets/metaworld/cube.xml``).
- ``pick_place`` uses the ordinary caging term instead of its own variant, and its success radius is 0.05 as is the
  radius of its bonus (Meta-World: 0.07 and 0.05). The same holds for ``push_back``.
- ``pick_place`` pays for approach and cage by themselves (1 each), see ``bins.py``, and for every millimetre of the first
  centimetre of lifting, while the tcp is within 0.03 m of the object, as far as the pads can hold it (Meta-World: 0.02).
  Meta-World's product of cage and nearness to the goal pays 0.145 of 10 for a perfect grasp, 0.1 for hovering;
  ``reward=v2_metaworld`` has that product.
- The cage stands while the tcp is within 0.015 m of the object's middle across the fingers (Meta-World: 0.005): that is where
  the pads hold it, and a hand that explores is rarely nearer. Closing is paid in a standing cage only.
- ``push_back`` is rewarded as ``push`` is. Meta-World multiplies caging with nearness to the goal there, which pays
  less than 0.2 of 10 for all of reaching and grasping; MTBench's bonus is more than 10.
- Openness says nothing on a Franka that holds a 4 cm cube, so "held" is told from where the object is.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import carry, steer
from isaacgymenvs_tasks.metaworld.rewards import (
    SUCCESS,
    approach,
    distance,
    finish,
    hamacher,
    held_up,
    placement,
    raised,
    tolerance,
)
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

RADIUS = 0.05  #: m, success
CUBE_CAGE = Cage(plane_threshold=0.015)
TCP_START = (-0.1, 0.0, 0.15)


def reach_reward(state: State) -> tuple[Tensor, Tensor]:
    """Nearness of the tcp to the goal; the object is only in the way."""
    error = distance(state.tcp, state.goal)
    return finish(SUCCESS * tolerance(error, RADIUS, distance(state.tcp_init, state.goal)), error <= RADIUS)


def push_reward(state: State) -> tuple[Tensor, Tensor]:
    """Caging, and once the tcp is on the object its way to the goal."""
    cage = 2.0 * state.cage
    on_object = distance(state.tcp, state.obj) < 0.02
    reward = cage + on_object * (1.0 + cage + 5.0 * placement(state, RADIUS))
    return finish(reward, distance(state.obj, state.goal) <= RADIUS)


def pick_place_reward(state: State) -> tuple[Tensor, Tensor]:
    """2 for reaching and caging the object, 1 for lifting it by a centimetre, 5 for its nearness to the goal."""
    lifted = raised(state, 0.03, 0.01)
    reward = (
        approach(state, state.obj, state.obj_init, 0.01) + state.cage + lifted * (1.0 + 5.0 * placement(state, RADIUS))
    )
    return finish(reward, distance(state.obj, state.goal) <= RADIUS)


def pick_place_metaworld(state: State) -> tuple[Tensor, Tensor]:
    """Caging and nearness to the goal together; once lifted, nearness to the goal counts in full."""
    place = placement(state, RADIUS)
    lifted = held_up(state, 0.02, 0.01)
    reward = hamacher(state.cage, place) + lifted * (1.0 + 5.0 * place)
    return finish(reward, distance(state.obj, state.goal) <= RADIUS)


def reach_expert(state: State, memory: Tensor) -> Tensor:
    """Straight to the goal."""
    return steer(state, state.goal, 0.0)


def carry_expert(state: State, memory: Tensor) -> Tensor:
    """Grip the object and take it straight to the goal, just clear of the table when the goal lies on it."""
    holding, action = carry(state, memory, state.obj)
    target = state.goal + state.tcp - state.obj
    target[:, 2] += 0.015
    return torch.where(holding[:, None], steer(state, target, 1.0), action)


Box = tuple[Vec3, Vec3]
NEAR: Box = (-0.1, -0.1, 0.02), (0.0, 0.1, 0.02)
FAR: Box = (0.1, -0.1, 0.02), (0.2, 0.1, 0.02)
FAR_UP: Box = (0.1, -0.1, 0.05), (0.2, 0.1, 0.3)


def _spec(
    task_id: int, name: str, description: str, objects: Box, goals: Box, reward: Reward, expert: Expert, v1: V1
) -> TaskSpec:
    return TaskSpec(
        task_id=task_id,
        name=name,
        description=description,
        actors=(ActorSpec("object", "cube.xml", Placement(follows=OBJECT), fixed_base=False),),
        reset_low=objects[0] + goals[0],
        reset_high=objects[1] + goals[1],
        min_distance=0.15,
        goal=Placement(follows=GOAL),
        observed=(Point("object", "cube"),),
        tcp_start=TCP_START,
        reward=reward,
        expert=expert,
        v1=v1,
        cage=CUBE_CAGE,
    )


REACH = _spec(
    40, "reach", "Move the gripper to a goal position.", NEAR, FAR_UP, reach_reward, reach_expert, V1("reach")
)
PUSH = _spec(38, "push", "Push the object to a goal on the table.", NEAR, FAR, push_reward, carry_expert, V1("push"))
PUSH_BACK = _spec(
    37,
    "push_back",
    "Pull the object back to a goal on the table, nearer to the robot.",
    ((0.1, -0.1, 0.02), (0.15, 0.1, 0.02)),
    NEAR,
    push_reward,
    carry_expert,
    V1("push"),
)
PICK_PLACE = replace(
    _spec(
        31,
        "pick_place",
        "Pick up the object and hold it at a goal position.",
        NEAR,
        FAR_UP,
        pick_place_reward,
        carry_expert,
        V1("pick"),
    ),
    reward_metaworld=pick_place_metaworld,
)
