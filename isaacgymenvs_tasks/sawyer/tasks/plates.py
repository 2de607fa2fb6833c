"""A plate that slides on the table, in four directions."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from isaacgymenvs_tasks.sawyer import rewards_v1 as v1
from isaacgymenvs_tasks.sawyer.rewards import SUCCESS, distance, hamacher, level, tolerance
from isaacgymenvs_tasks.sawyer.scene import Scene
from isaacgymenvs_tasks.sawyer.task import Point, SawyerTask, State
from isaacgymenvs_tasks.sawyer.tasks.starts import Arrays, span

PLATE = Point("geom:puck", "geom:puck")


def slide_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.move("puck_goal", v[:, 3:])
    return _plate(scene, v, (0.0, 0.0))


def side_reset(scene: Scene, v: np.ndarray) -> Arrays:
    return _plate(scene, v, (0.0, 0.0))


def back_reset(scene: Scene, v: np.ndarray) -> Arrays:
    return _plate(scene, v, (0.0, 0.15), measured=True)


def back_side_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.move("puck_goal", v[:, :3])
    return _plate(scene, v, (-0.15, 0.0), measured=True)


def _plate(scene: Scene, v: np.ndarray, slides: tuple[float, float], measured: bool = False) -> Arrays:
    """The plate on its two slides; ``measured``: its way is counted from where it is, not from where it should be."""
    scene.bring_hand()
    scene.put(np.tile(slides, (len(v), 1)), still=(0, 0))
    obj, goal = v[:, :3], v[:, 3:]
    begin = scene.at("geom:puck") if measured else obj
    return {"goal": goal, "obj": obj, "far": span(begin[:, :2], goal[:, :2])}


def slide(s: State) -> tuple[Tensor, Tensor]:
    d = distance(s.obj, s.goal)
    in_place = tolerance(d, 0.05, distance(s.obj_init, s.goal))
    near = tolerance(distance(s.tcp, s.obj), 0.05, distance(s.tcp_init, s.obj_init))
    return torch.where(d < 0.05, SUCCESS, 8.0 * hamacher(near, in_place)), d <= 0.07


def slide_on(s: State) -> tuple[Tensor, Tensor]:
    """Of the other three: approach, then slide while the tcp is low and near."""
    d, reach = distance(s.obj, s.goal), distance(s.tcp, s.obj)
    in_place = tolerance(d, 0.05, distance(s.obj_init, s.goal) - 0.05)
    near = tolerance(reach, 0.05, distance(s.tcp_init, s.obj_init) - 0.05)
    low = (s.tcp[:, 2] <= 0.03) & (reach < 0.07)
    reward = torch.where(low, 2.0 + 7.0 * in_place, 1.5 * near)
    return torch.where(d < 0.05, SUCCESS, reward), d <= 0.07


def slide_v1(s: State) -> tuple[Tensor, Tensor]:
    d = level(s.obj, s.goal)
    return v1.push(s, d, s.start["far"]), d <= 0.07


_STRAIGHT, _SIDEWAYS = "sawyer_plate_slide.xml", "sawyer_plate_slide_sideway.xml"

TASKS = (
    SawyerTask(
        31, "plate_slide", _STRAIGHT, (PLATE,), (0.0, 0.6, 0.0, -0.1, 0.85, 0.0), (0.0, 0.6, 0.0, 0.1, 0.9, 0.0),
        slide_reset, slide, slide_v1,
    ),
    SawyerTask(
        32, "plate_slide_side", _SIDEWAYS, (PLATE,), (0.0, 0.6, 0.0, -0.3, 0.54, 0.0), (0.0, 0.6, 0.0, -0.25, 0.66, 0.0),
        side_reset, slide_on, slide_v1,
    ),
    SawyerTask(
        33, "plate_slide_back", _STRAIGHT, (PLATE,), (0.0, 0.85, 0.0, -0.1, 0.6, 0.015), (0.0, 0.85, 0.0, 0.1, 0.6, 0.015),
        back_reset, slide_on, slide_v1,
    ),
    SawyerTask(
        34, "plate_slide_back_side", _SIDEWAYS, (PLATE,),
        (-0.25, 0.6, 0.0, -0.05, 0.6, 0.015), (-0.25, 0.6, 0.0, 0.15, 0.6, 0.015), back_side_reset, slide_on, slide_v1,
    ),
)  # fmt: skip
