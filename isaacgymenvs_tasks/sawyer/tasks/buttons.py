"""Buttons on a box, with and without a wall before them, and the coffee machine with its mug."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from isaacgymenvs_tasks.sawyer import rewards_v1 as v1
from isaacgymenvs_tasks.sawyer.rewards import SUCCESS, caging, distance, hamacher, level, scaled, tolerance
from isaacgymenvs_tasks.sawyer.scene import Scene
from isaacgymenvs_tasks.sawyer.task import Point, Reward, SawyerTask, State, body
from isaacgymenvs_tasks.sawyer.tasks.starts import Arrays, span

Y, Z = 1, 2
TOP, FRONT = body("button", (0.0, 0.0, 0.193)), body("button", (0.0, -0.193, 0.0))


def top_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.move("box", v)
    scene.bring_hand()
    scene.forward()
    return _button(scene, v, Z, Z)


def front_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.move("box", v)
    scene.bring_hand()
    scene.put(0.0)
    return _button(scene, v, Y, Y)


def front_wall_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.move("box", v)
    scene.bring_hand()
    scene.put(0.0)
    return _button(scene, v, Y, Z)  # V1 measures the way along z, which is none


def _button(scene: Scene, v: np.ndarray, axis: int, axis_v1: int) -> Arrays:
    hole = scene.at("site:hole")
    way = np.abs(hole - scene.at("site:buttonStart"))
    return {"goal": hole, "obj": v, "press": way[:, axis], "far": way[:, axis_v1]}


def _press(s: State, axis: int, radius: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Distance of the tcp to the button and of the button to its goal, and how good both are."""
    reach, d = distance(s.obj, s.tcp), (s.goal[:, axis] - s.obj[:, axis]).abs()
    near = tolerance(reach, radius, distance(s.obj, s.tcp_init))
    return reach, d, near, tolerance(d, 0.005, s.start["press"])


def top(s: State) -> tuple[Tensor, Tensor]:
    reach, d, near, pressed = _press(s, Z, 0.01)
    return 5.0 * hamacher(1.0 - s.openness, near) + torch.where(reach <= 0.03, 5.0 * pressed, 0.0), d <= 0.024


def top_wall(s: State) -> tuple[Tensor, Tensor]:
    reach, d, near, pressed = _press(s, Z, 0.01)
    return 5.0 * hamacher(s.openness, near) + torch.where(reach <= 0.03, 5.0 * pressed, 0.0), d <= 0.024


def front(s: State) -> tuple[Tensor, Tensor]:
    reach, d, near, pressed = _press(s, Y, 0.05)
    return 2.0 * hamacher(s.openness, near) + torch.where(reach <= 0.05, 8.0 * pressed, 0.0), d <= 0.02


def front_wall(s: State) -> tuple[Tensor, Tensor]:
    reach, d, near, pressed = _press(s, Y, 0.01)
    far = 2.0 * hamacher((1.0 - s.openness) / 2.0, near)
    return torch.where(reach > 0.07, far, 4.0 + 2.0 * s.openness + 4.0 * pressed.square()), d <= 0.03


def press_v1(axis: int, radius: float, left: bool) -> Reward:
    """V1 of a thing pressed along an axis, which the left fingertip or the tcp must touch."""

    def reward(s: State) -> tuple[Tensor, Tensor]:
        d = (s.obj[:, axis] - s.goal[:, axis]).abs()
        return v1.push(s, d, s.start["far"], tip=s.finger if left else s.tcp), d <= radius

    return reward


# -- coffee machine ------------------------------------------------------------------------------------------------


def _put_mug(scene: Scene, position: np.ndarray) -> None:
    """The mug's joint is the model's first. The package stops DOFs 9 to 15 all the same, which belong to arm and fingers."""
    scene.put(position, first=0, still=(9, 15))


def coffee_button_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.move("coffee_machine", v)
    scene.bring_hand()
    _put_mug(scene, v + np.array([0.0, -0.22, 0.0]))
    goal = v + np.array([0.0, -0.19, 0.3])
    return {
        "goal": goal,
        "obj": v,
        "press": np.full(len(v), 0.03),
        "far": np.abs(scene.at("site:buttonStart") - goal)[:, Y],
    }


def coffee_pull_reset(scene: Scene, v: np.ndarray) -> Arrays:
    return _mug(scene, v, v[:, :3])


def coffee_push_reset(scene: Scene, v: np.ndarray) -> Arrays:
    return _mug(scene, v, v[:, 3:])


def _mug(scene: Scene, v: np.ndarray, under: np.ndarray) -> Arrays:
    scene.move("coffee_machine", under + np.array([0.0, 0.22, 0.0]))
    scene.bring_hand()
    obj, goal = v[:, :3], v[:, 3:]
    _put_mug(scene, obj)
    return {"goal": goal, "obj": obj, "far": span(obj[:, :2], goal[:, :2])}


def coffee_mug(s: State) -> tuple[Tensor, Tensor]:
    scale = (2.0, 2.0, 1.0)
    d = scaled(s.obj, s.goal, scale)
    in_place = tolerance(d, 0.05, scaled(s.obj_init, s.goal, scale))
    grasp = caging(s, s.obj, radius=0.02, pad=0.05, plane=0.05, effort=0.7, reach=0.04)
    held = (distance(s.obj, s.tcp) < 0.04) & (s.openness > 0)
    reward = hamacher(grasp, in_place) + torch.where(held, 1.0 + 5.0 * in_place, 0.0)
    return torch.where(d < 0.05, SUCCESS, reward), distance(s.obj, s.goal) <= 0.07


def coffee_push_v1(s: State) -> tuple[Tensor, Tensor]:
    return v1.push(s, level(s.obj, s.goal), s.start["far"]), distance(s.obj, s.goal) <= 0.07


def coffee_pull_v1(s: State) -> tuple[Tensor, Tensor]:
    # What should be the tcp's distance in xy is that of (mug's x, mug's y, hand's height) from the origin, never near.
    strayed = torch.cat((s.obj[:, :2], s.tcp_init[:, 2:]), 1).norm(dim=1)
    pulled = v1.bonus(level(s.obj, s.goal), s.start["far"]).clamp_min(0.0)
    reward = torch.where(distance(s.obj, s.tcp) < 0.05, pulled, 0.0) - strayed
    return reward, distance(s.obj, s.goal) <= 0.07


_TOP = (-0.1, 0.8, 0.115), (0.1, 0.9, 0.115)
_HAND = (0.0, 0.4, 0.2)
_MUG = Point("body:obj", "geom:mug")

TASKS = (
    SawyerTask(
        4, "button_press_topdown", "sawyer_button_press_topdown.xml", (TOP,), *_TOP,
        top_reset, top, press_v1(Z, 0.024, left=False), hand=_HAND,
    ),
    SawyerTask(
        5, "button_press_topdown_wall", "sawyer_button_press_topdown_wall.xml", (TOP,), *_TOP,
        top_reset, top_wall, press_v1(Z, 0.024, left=False), hand=_HAND,
    ),
    SawyerTask(
        6, "button_press", "sawyer_button_press.xml", (FRONT,), (-0.1, 0.85, 0.115), (0.1, 0.9, 0.115),
        front_reset, front, press_v1(Y, 0.02, left=True), hand=_HAND,
    ),
    SawyerTask(
        7, "button_press_wall", "sawyer_button_press_wall.xml", (FRONT,), (-0.05, 0.85, 0.1149), (0.05, 0.9, 0.1151),
        front_wall_reset, front_wall, press_v1(Y, 0.03, left=True), hand=_HAND,
    ),
    SawyerTask(
        8, "coffee_button", "sawyer_coffee.xml", (Point("site:buttonStart", "one"),), (-0.1, 0.8, -0.001), (0.1, 0.9, 0.001),
        coffee_button_reset, front, press_v1(Y, 0.02, left=True), hand=_HAND,
    ),
    SawyerTask(
        9, "coffee_pull", "sawyer_coffee.xml", (_MUG,),
        (-0.05, 0.7, -0.001, -0.1, 0.55, -0.001), (0.05, 0.75, 0.001, 0.1, 0.65, 0.001),
        coffee_pull_reset, coffee_mug, coffee_pull_v1, 0.15, hand=_HAND,
    ),
    SawyerTask(
        10, "coffee_push", "sawyer_coffee.xml", (_MUG,),
        (-0.1, 0.55, -0.001, -0.05, 0.7, -0.001), (0.1, 0.65, 0.001, 0.05, 0.75, 0.001),
        coffee_push_reset, coffee_mug, coffee_push_v1, 0.15, hand=_HAND,
    ),
)  # fmt: skip
