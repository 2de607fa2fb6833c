"""Doors and their locks."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from isaacgymenvs_tasks.sawyer import rewards_v1 as v1
from isaacgymenvs_tasks.sawyer.rewards import (
    SUCCESS,
    above,
    distance,
    floor,
    hamacher,
    level,
    scaled,
    shift,
    tolerance,
)
from isaacgymenvs_tasks.sawyer.scene import Scene
from isaacgymenvs_tasks.sawyer.task import Point, SawyerTask, State
from isaacgymenvs_tasks.sawyer.tasks.starts import Arrays, span

LOCK_LENGTH = 0.1
SHOULDER = (0.0, 0.055, 0.07)  #: from the hand to where it pushes
LOCK_SCALE = (0.25, 1.0, 0.5)


def open_reset(scene: Scene, v: np.ndarray) -> Arrays:
    return _door(scene, v, (-0.3, -0.45, 0.0), 0.0)


def close_reset(scene: Scene, v: np.ndarray) -> Arrays:
    return _door(scene, v, (0.2, -0.2, 0.0), -1.5708)


def _door(scene: Scene, v: np.ndarray, way: tuple[float, float, float], angle: float) -> Arrays:
    scene.move("door", v)
    scene.bring_hand()
    scene.put(angle)
    goal = v + np.array(way)
    far = span(scene.at("geom:handle")[:, :2], goal[:, :2])
    return {"goal": goal, "obj": v, "far": far, "hand": np.tile(scene.hand, (len(v), 1))}


def door_open(s: State) -> tuple[Tensor, Tensor]:
    effort = (s.action[:, 3] + 1.0) / 2.0
    handle = shift(s.obj, x=-0.05)
    bottom = floor(level(s.hand, handle), 0.12, 0.04, 0.4)
    at_handle = tolerance(distance(s.hand, shift(handle, 0.05, 0.03, -0.01)), 0.06, 0.5)
    ready = hamacher(above(s.hand[:, 2], bottom, bottom / 2.0), at_handle)
    left = math.pi / 2 + math.pi / 6 + s.joint
    opened = 0.2 * (s.joint < -math.pi / 90) + 0.8 * tolerance(left, 0.5, math.pi / 3, lower=0.0)
    success = (s.obj[:, 0] - s.goal[:, 0]).abs() <= 0.08
    return torch.where(success, SUCCESS, 2.0 * hamacher(ready, effort) + 8.0 * opened), success


def door_open_v1(s: State) -> tuple[Tensor, Tensor]:
    reward = v1.push(s, level(s.obj, s.goal), s.start["far"])
    return reward, (s.obj[:, 0] - s.goal[:, 0]).abs() <= 0.08


def door_close(s: State) -> tuple[Tensor, Tensor]:
    d = distance(s.obj, s.goal)
    in_place = tolerance(d, 0.05, distance(s.obj_init, s.goal), gaussian=True)
    margin = distance(s.start["hand"], s.obj) + 0.1
    hand = tolerance(distance(s.tcp, s.goal), 0.0125, margin, gaussian=True)
    return torch.where(d < 0.05, SUCCESS, 3.0 * hand + 6.0 * in_place), d <= 0.08


def door_close_v1(s: State) -> tuple[Tensor, Tensor]:
    d = level(s.obj, s.goal)
    return v1.push(s, d, s.start["far"]), d <= 0.08


# -- locks ---------------------------------------------------------------------------------------------------------
# Where the lock began is, in the package, a view of where it is: rewards read the point, not the start.


def lock_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.move("door", v)
    scene.bring_hand()
    scene.steps(5)
    return _lock(scene, (0.0, -0.04, -0.1))


def unlock_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.move("door", v)
    scene.bring_hand()
    scene.put(1.5708)
    return _lock(scene, (0.1, -0.04, 0.0))


def _lock(scene: Scene, way: tuple[float, float, float]) -> Arrays:
    lock = scene.at("body:lock_link")
    goal = lock + np.array(way)
    return {"goal": goal, "obj": lock, "far": span(goal, lock)}


def door_lock(s: State) -> tuple[Tensor, Tensor]:
    reach, d = scaled(s.obj, s.left_pad, LOCK_SCALE), (s.goal[:, 2] - s.obj[:, 2]).abs()
    near = tolerance(reach, 0.01, reach)
    return 2.0 * hamacher(s.openness, near) + 8.0 * tolerance(d, 0.005, LOCK_LENGTH), d <= 0.02


def door_unlock(s: State) -> tuple[Tensor, Tensor]:
    reach = scaled(shift(s.hand, *SHOULDER), s.obj, LOCK_SCALE)
    start = scaled(shift(s.tcp_init, *SHOULDER), s.points["body:lock_link"], LOCK_SCALE)
    d = (s.goal[:, 0] - s.obj[:, 0]).abs()
    return 2.0 * tolerance(reach, 0.02, start) + 8.0 * tolerance(d, 0.005, LOCK_LENGTH), d <= 0.02


def lock_v1(s: State) -> tuple[Tensor, Tensor]:
    d = distance(s.obj, s.goal)
    return v1.push(s, d, s.start["far"]), d <= 0.02


_DOOR = (0.0, 0.85, 0.15), (0.1, 0.95, 0.15)
_LOCK = (-0.1, 0.8, 0.15), (0.1, 0.85, 0.15)
_HANDLE = Point("geom:handle", "geom:handle")

TASKS = (
    SawyerTask(
        15, "door_open", "sawyer_door_pull.xml", (_HANDLE,), *_DOOR, open_reset, door_open, door_open_v1, joint="doorjoint"
    ),
    SawyerTask(
        13, "door_close", "sawyer_door_pull.xml", (_HANDLE,), *_DOOR, close_reset, door_close, door_close_v1,
        hand=(-0.5, 0.6, 0.2),
    ),
    SawyerTask(
        14, "door_lock", "sawyer_door_lock.xml", (Point("site:lockStartLock", "body:door_link", False),), *_LOCK,
        lock_reset, door_lock, lock_v1, mocap_low=(-0.5, 0.4, -0.15),
    ),
    SawyerTask(
        16, "door_unlock", "sawyer_door_lock.xml", (Point("site:lockStartUnlock", "body:door_link", False),), *_LOCK,
        unlock_reset, door_unlock, lock_v1, mocap_low=(-0.5, 0.4, -0.15), points=("body:lock_link",),
    ),
)  # fmt: skip
