"""The plate and the net: plate_slide_back_side (33), plate_slide_back (34), plate_slide_side (35) and plate_slide (36).

Follows Meta-World's ``sawyer_plate_slide{,_side,_back,_back_side}_v3``: layouts (x = Y_mw - 0.7), the plate on two slides
(MTBench has a free body), reach at 1.5 and, once the hand is on the plate, 2 + 7 for the plate's nearness to the goal.
Departures:

- The hand is drawn to where it works, not to the plate's centre: behind the plate's edge to push it, on top of it, on
  the side of the robot or of the goal, to pull it out of the net by friction. That point is observed besides the
  centre, and being within 0.04 m of it counts as being on the plate (Meta-World: low and within 0.07 m of the centre).
- All four share this reward; Meta-World's plate_slide has a product of the same terms.
- 0.07 m from the goal, Meta-World's success, is also where the reward is full (0.05 there; MTBench has 0.05 for both):
  the Franka's wrist meets the lintel when the plate is 0.06 m short of the net's middle.
- The net stands where the plate has to go, or came from; in Meta-World's plate_slide_side it does not follow the goal.
- Fingers open along y where the plate moves along x, so that the hand, wide along that axis, stays out of the net.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import descend, steer
from isaacgymenvs_tasks.metaworld.rewards import approach, distance, finish, tolerance
from isaacgymenvs_tasks.metaworld.task import GOAL, V1, ActorSpec, Placement, Point, State, TaskSpec, Vec3

RADIUS = 0.07  #: m, success
HEIGHT = 0.015  #: m, the plate's centre
BEHIND = 0.065  #: m, the tcp behind the centre when it pushes
ON_TOP = (0.02, 0.024)  #: m, the tcp beside and above the centre when it presses
PRESS = 0.01  #: m, how much lower the hand aims when it pulls


def slide_reward(state: State) -> tuple[Tensor, Tensor]:
    """1.5 for the hand at the plate; while it is there, up to 7.5 more for the plate's way to the goal."""
    error = distance(state.obj2, state.goal)
    margin = distance(state.obj2_init, state.goal) - RADIUS
    touching = distance(state.tcp, state.obj) < 0.04
    reach = approach(state, state.obj, state.obj_init, 0.02)
    reward = 1.5 * reach + touching * (0.5 + 7.0 * tolerance(error, RADIUS, margin))
    return finish(reward, error <= RADIUS)


def slide_expert(state: State, memory: Tensor) -> Tensor:
    """Come down behind or on the plate with shut fingers and take it to the goal; begin again when it is lost."""
    memory[:, 0] *= distance(state.tcp, state.obj) < 0.04
    contact = state.obj.clone()
    contact[:, 2] -= state.params["press"]
    touching, action = descend(state, memory, contact, 0.08, 0.01)
    target = contact + state.goal - state.obj2
    return torch.where(touching[:, None], steer(state, target, 1.0), action)


def _spec(
    task_id: int,
    name: str,
    description: str,
    plate: Vec3,
    net: Placement,
    touch: Vec3,
    goal_low: Vec3,
    goal_high: Vec3,
    along: str,
) -> TaskSpec:
    """A task whose plate moves ``along`` x or y, away from the robot or to its left into the net, or back."""
    return TaskSpec(
        task_id=task_id,
        name=name,
        description=description,
        actors=(
            ActorSpec("plate", "plate.xml", Placement(plate)),
            ActorSpec("net", "net.xml", net, yaw=-math.pi / 2 if along == "x" else 0.0),
        ),
        reset_low=(*plate, *goal_low),
        reset_high=(*plate, *goal_high),
        goal=Placement(follows=GOAL),
        observed=(Point("plate", "plate", touch), Point("plate", "plate")),
        tcp_start=(-0.2, 0.0, 0.15),
        reward=slide_reward,
        expert=slide_expert,
        finger_axis="y" if along == "x" else "x",
        params={"press": PRESS if touch[2] > 0.0 else 0.0},
        v1=V1("push", "obj2"),
    )


PLATE_SLIDE_BACK_SIDE = _spec(
    33,
    "plate_slide_back_side",
    "Pull the plate out of the net sideways.",
    plate=(-0.1, 0.15, HEIGHT),
    net=Placement((-0.1, 0.25, 0.0)),
    touch=(0.0, -ON_TOP[0], ON_TOP[1]),
    goal_low=(-0.1, -0.15, HEIGHT),
    goal_high=(-0.1, 0.05, HEIGHT),
    along="y",
)
PLATE_SLIDE_BACK = _spec(
    34,
    "plate_slide_back",
    "Pull the plate out of the net towards the robot.",
    plate=(0.05, 0.0, HEIGHT),
    net=Placement((0.15, 0.0, 0.0)),
    touch=(-ON_TOP[0], 0.0, ON_TOP[1]),
    goal_low=(-0.1, -0.1, HEIGHT),
    goal_high=(-0.1, 0.1, HEIGHT),
    along="x",
)
PLATE_SLIDE_SIDE = _spec(
    35,
    "plate_slide_side",
    "Push the plate sideways into the net.",
    plate=(-0.1, 0.0, HEIGHT),
    net=Placement((0.0, 0.0, -HEIGHT), GOAL),
    touch=(0.0, -BEHIND, 0.0),
    goal_low=(-0.16, 0.25, HEIGHT),
    goal_high=(-0.04, 0.3, HEIGHT),
    along="y",
)
PLATE_SLIDE = _spec(
    36,
    "plate_slide",
    "Push the plate away from the robot into the net.",
    plate=(-0.1, 0.0, HEIGHT),
    net=Placement((0.0, 0.0, -HEIGHT), GOAL),
    touch=(-BEHIND, 0.0, 0.0),
    goal_low=(0.15, -0.1, HEIGHT),
    goal_high=(0.2, 0.1, HEIGHT),
    along="x",
)
