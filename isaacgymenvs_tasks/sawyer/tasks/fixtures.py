"""Things with one joint that stand on the table: drawer, window, faucet, handle, dial and lever."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from isaacgymenvs_tasks.sawyer import rewards_v1 as v1
from isaacgymenvs_tasks.sawyer.rewards import (
    SUCCESS,
    caging,
    distance,
    hamacher,
    scaled,
    shift,
    tolerance,
    within,
)
from isaacgymenvs_tasks.sawyer.scene import Scene
from isaacgymenvs_tasks.sawyer.task import Point, SawyerTask, State, body
from isaacgymenvs_tasks.sawyer.tasks.buttons import Z, press_v1
from isaacgymenvs_tasks.sawyer.tasks.starts import Arrays, span

X, Y = 0, 1

# -- drawer --------------------------------------------------------------------------------------------------------


def drawer_close_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.move("drawer", v)
    scene.bring_hand()
    scene.put(-0.15, still=(0, 0))
    return {
        "goal": v + np.array([0.0, -0.16, 0.09]),
        "obj": scene.at("body:drawer_link") + np.array([0.0, -0.16, 0.05]),
    }


def drawer_close(s: State) -> tuple[Tensor, Tensor]:
    d = distance(s.obj, s.goal)
    in_place = within(d, 0.05, distance(s.obj_init, s.goal))
    reach = within(distance(s.obj, s.tcp), 0.005, distance(s.obj_init, s.tcp_init), gaussian=True)
    reach = hamacher(reach, s.action[:, 3].clamp(0.0, 1.0))
    success = d <= 0.065
    return torch.where(success, SUCCESS, 10.0 * hamacher(reach, in_place)), success


def drawer_close_v1(s: State) -> tuple[Tensor, Tensor]:
    d = (s.obj[:, Y] - s.goal[:, Y]).abs()
    return v1.push(s, d, 0.15), d <= 0.065


def drawer_open_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.move("drawer", v)
    scene.bring_hand()
    return {"goal": v + np.array([0.0, -0.36, 0.09]), "obj": v}


def drawer_open(s: State) -> tuple[Tensor, Tensor]:
    d, scale = distance(s.obj, s.goal), (3.0, 3.0, 1.0)
    opened = tolerance(d, 0.02, 0.2)
    near = tolerance(scaled(s.obj, s.hand, scale), 0.01, scaled(shift(s.goal, y=0.2), s.tcp_init, scale))
    return 5.0 * (near + opened), d <= 0.03


def drawer_open_v1(s: State) -> tuple[Tensor, Tensor]:
    d = (s.obj[:, Y] - s.goal[:, Y]).abs()
    return v1.push(s, d, 0.2), d <= 0.03


# -- window --------------------------------------------------------------------------------------------------------


def window_open_reset(scene: Scene, v: np.ndarray) -> Arrays:
    return _window(scene, v, "site:handleOpenStart", 0.0, 0.0, 0.2)


def window_close_reset(scene: Scene, v: np.ndarray) -> Arrays:
    return _window(scene, v, "site:handleCloseStart", 0.2, 0.2, 0.0)


def _window(scene: Scene, v: np.ndarray, handle: str, slide: float, ahead: float, way: float) -> Arrays:
    scene.move("window", v)
    scene.bring_hand()
    start = scene.at(handle) + np.array([ahead, 0.0, 0.0])
    scene.qpos[:, 9] = slide  # not looked at: the first observation shows the window where it was
    return {"goal": v + np.array([way, 0.0, 0.0]), "obj": v, "handle": start}


def window_open(s: State) -> tuple[Tensor, Tensor]:
    return _slide(s, (s.obj_init[:, X] - s.goal[:, X]).abs(), gaussian=False)


def window_close(s: State) -> tuple[Tensor, Tensor]:
    return _slide(s, (s.start["handle"][:, X] - s.goal[:, X]).abs(), gaussian=True)


def _slide(s: State, start: Tensor, gaussian: bool) -> tuple[Tensor, Tensor]:
    d = (s.obj[:, X] - s.goal[:, X]).abs()
    reach = within(distance(s.obj, s.tcp), 0.02, distance(s.start["handle"], s.tcp_init), gaussian=gaussian)
    return 10.0 * hamacher(reach, within(d, 0.05, start)), d <= 0.05


def window_v1(s: State) -> tuple[Tensor, Tensor]:
    d, reach = (s.obj[:, X] - s.goal[:, X]).abs(), distance(s.obj, s.tcp)
    return torch.where(reach < 0.05, v1.bonus(d, 0.2), 0.0) - reach, d <= 0.05


# -- faucet --------------------------------------------------------------------------------------------------------


def faucet_open_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.move("faucetBase", v)
    scene.bring_hand()
    return _faucet(v, 0.175)


def faucet_close_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.move("faucetBase", v)
    scene.bring_hand()
    scene.forward()
    return _faucet(v, -0.175)


def _faucet(v: np.ndarray, way: float) -> Arrays:
    goal = v + np.array([way, 0.0, 0.125])
    return {"goal": goal, "obj": v, "far": span(goal, v)}


def faucet_open(s: State) -> tuple[Tensor, Tensor]:
    return _turn(s, shift(s.obj, -0.04, 0.0, 0.03))


def faucet_close(s: State) -> tuple[Tensor, Tensor]:
    return _turn(s, s.obj)


def _turn(s: State, handle: Tensor) -> tuple[Tensor, Tensor]:
    d = distance(handle, s.goal)
    in_place = within(d, 0.07, distance(s.obj_init, s.goal))
    reach = within(distance(handle, s.tcp), 0.01, distance(s.obj_init, s.tcp_init), gaussian=True)
    return torch.where(d <= 0.07, SUCCESS, 4.0 * reach + 6.0 * in_place), d <= 0.07


def faucet_v1(s: State) -> tuple[Tensor, Tensor]:
    d = distance(s.obj, s.goal)
    return v1.push(s, d, s.start["far"]), d <= 0.07


# -- handle --------------------------------------------------------------------------------------------------------


def handle_press_reset(scene: Scene, v: np.ndarray) -> Arrays:
    start = _handle(scene, v, -0.001, "site:goalPress")
    handle = scene.at("site:handleStart")
    return {**start, "handle": handle, "far": np.abs(handle - start["goal"])[:, Z]}


def handle_pull_reset(scene: Scene, v: np.ndarray) -> Arrays:
    start = _handle(scene, v, -0.1, "site:goalPull")
    local = scene.model.site("handleStart").pos[Z]  # in the handle's own frame, which V1 takes for the world's
    return {**start, "far": np.abs(local - start["goal"][:, Z])}


def handle_pull_side_reset(scene: Scene, v: np.ndarray) -> Arrays:
    start = _handle(scene, v, -0.1, "site:goalPull")
    far = np.abs(scene.at("site:handleStart") - start["goal"])[:, Z]
    return {**start, "obj": scene.at("site:handleCenter"), "far": far}


def _handle(scene: Scene, v: np.ndarray, angle: float, goal: str) -> Arrays:
    scene.move("box", v)
    scene.bring_hand()
    scene.put(angle)
    return {"goal": scene.at(goal), "obj": v}


def handle_press(s: State) -> tuple[Tensor, Tensor]:
    d = (s.obj[:, Z] - s.goal[:, Z]).abs()
    in_place = within(d, 0.02, (s.start["handle"][:, Z] - s.goal[:, Z]).abs())
    reach = within(distance(s.obj, s.tcp), 0.02, distance(s.start["handle"], s.tcp_init))
    return torch.where(d <= 0.02, SUCCESS, 10.0 * hamacher(reach, in_place)), d <= 0.02


def handle_pull(s: State) -> tuple[Tensor, Tensor]:
    d = (s.goal[:, Z] - s.obj[:, Z]).abs()
    in_place = tolerance(d, 0.05, (s.goal[:, Z] - s.obj_init[:, Z]).abs())
    grasp = caging(s, s.obj, radius=0.022, pad=0.05, plane=0.01)
    # The package compares the handle's y with its height at the start, so what is meant to be lifted always is.
    raised = s.obj[:, Y] - 0.01 > s.obj_init[:, Z]
    return _pulled(s, grasp, in_place, raised, d < 0.05), d <= 0.05


def handle_pull_side(s: State) -> tuple[Tensor, Tensor]:
    d = distance(s.obj, s.goal)
    in_place = tolerance(d, 0.05, distance(s.obj_init, s.goal))
    grasp = caging(s, s.obj, radius=0.032, pad=0.06, plane=0.01)
    raised = s.obj[:, Z] - 0.01 > s.obj_init[:, Z]
    return _pulled(s, grasp, in_place, raised, d < 0.05), d <= 0.08


def _pulled(s: State, grasp: Tensor, in_place: Tensor, raised: Tensor, done: Tensor) -> Tensor:
    held = (distance(s.obj, s.tcp) < 0.035) & (s.openness > 0) & raised
    reward = hamacher(grasp, in_place) + torch.where(held, 1.0 + 5.0 * in_place, 0.0)
    return torch.where(done, SUCCESS, reward)


# -- dial and lever ------------------------------------------------------------------------------------------------


def dial_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.move("dial", v)
    scene.bring_hand()
    angle = scene.qpos[:, 9]
    rim = 0.05 * np.column_stack((np.sin(angle), -np.cos(angle), np.zeros(len(v))))
    push, goal = v + rim + np.array([0.05, 0.02, 0.09]), v + np.array([0.0, 0.03, 0.03])
    return {"goal": goal, "obj": v, "push": push, "far": np.abs(goal - v)[:, Y]}


def dial_turn(s: State) -> tuple[Tensor, Tensor]:
    d, push = distance(s.obj, s.goal), s.start["push"]
    in_place = within(d, 0.07, distance(push, s.goal))
    reach = within(distance(shift(s.obj, 0.05, 0.02, 0.09), s.tcp), 0.005, distance(push, s.tcp_init), gaussian=True)
    reach = hamacher(reach, s.action[:, 3].clamp(0.0, 1.0))
    return 10.0 * hamacher(reach, in_place), d <= 0.07


def dial_turn_v1(s: State) -> tuple[Tensor, Tensor]:
    d = (s.obj[:, Y] - s.goal[:, Y]).abs()
    return v1.push(s, d, s.start["far"], wide=0.001, narrow=0.0001), d <= 0.07


def lever_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.move("lever", v)
    scene.bring_hand()
    goal = v + np.array([0.12, 0.0, 0.45])
    return {"goal": goal, "obj": v, "lever": v + np.array([0.12, -0.2, 0.25]), "far": span(goal, v)}


def lever_pull(s: State) -> tuple[Tensor, Tensor]:
    scale, lever = (4.0, 1.0, 4.0), s.start["lever"]
    start = scaled(shift(s.tcp_init, 0.0, 0.055, 0.07), lever, scale)
    ready = tolerance(scaled(shift(s.hand, 0.0, 0.055, 0.07), s.obj, scale), 0.02, start)
    in_place = tolerance(distance(s.obj, s.goal), 0.04, distance(lever, s.goal))
    return 10.0 * hamacher(ready, in_place), (s.joint + math.pi / 2).abs() <= math.pi / 24


def lever_pull_v1(s: State) -> tuple[Tensor, Tensor]:
    d = distance(s.obj, s.goal)
    return v1.push(s, d, s.start["far"]), d <= math.pi / 24  # a distance held against an angle


_DRAWER = (-0.1, 0.9, 0.0), (0.1, 0.9, 0.0)
_BOX, _SIDE = ((-0.1, 0.8, -0.001), (0.1, 0.9, 0.001)), ((-0.35, 0.65, -0.001), (-0.25, 0.75, 0.001))
_FRONT = (0.0, 0.4, 0.2)
_DEEP = (-0.5, 0.4, -0.15)

TASKS = (
    SawyerTask(
        18, "drawer_close", "sawyer_drawer.xml", (Point("body:drawer_link", offset=(0.0, -0.16, 0.05)),), *_DRAWER,
        drawer_close_reset, drawer_close, drawer_close_v1,
    ),
    SawyerTask(
        19, "drawer_open", "sawyer_drawer.xml", (body("drawer_link", (0.0, -0.16, 0.0)),), *_DRAWER,
        drawer_open_reset, drawer_open, drawer_open_v1,
    ),
    SawyerTask(
        48, "window_open", "sawyer_window_horizontal.xml", (Point("site:handleOpenStart"),),
        (-0.1, 0.7, 0.16), (0.1, 0.9, 0.16), window_open_reset, window_open, window_v1, hand=_FRONT,
    ),
    SawyerTask(
        49, "window_close", "sawyer_window_horizontal.xml", (Point("site:handleCloseStart"),),
        (0.0, 0.75, 0.2), (0.0, 0.9, 0.2), window_close_reset, window_close, window_v1, hand=_FRONT,
    ),
    SawyerTask(
        20, "faucet_open", "sawyer_faucet.xml",
        (Point("site:handleStartOpen", "body:faucetBase", False, (0.0, 0.0, -0.01)),), (-0.05, 0.8, 0.0), (0.05, 0.85, 0.0),
        faucet_open_reset, faucet_open, faucet_v1, hand=_FRONT, mocap_low=_DEEP,
    ),
    SawyerTask(
        21, "faucet_close", "sawyer_faucet.xml",
        (Point("site:handleStartClose", "body:faucetBase", False, (0.0, 0.0, -0.01)),), (-0.1, 0.8, 0.0), (0.1, 0.85, 0.0),
        faucet_close_reset, faucet_close, faucet_v1, hand=_FRONT, mocap_low=_DEEP,
    ),
    SawyerTask(
        23, "handle_press_side", "sawyer_handle_press_sideways.xml", (Point("site:handleStart"),), *_SIDE,
        handle_press_reset, handle_press, press_v1(Z, 0.02, left=True),
    ),
    SawyerTask(
        24, "handle_press", "sawyer_handle_press.xml", (Point("site:handleStart"),), *_BOX,
        handle_press_reset, handle_press, press_v1(Z, 0.02, left=True),
    ),
    SawyerTask(
        25, "handle_pull_side", "sawyer_handle_press_sideways.xml", (Point("site:handleCenter"),),
        (-0.35, 0.65, 0.0), (-0.25, 0.75, 0.0), handle_pull_side_reset, handle_pull_side, press_v1(Z, 0.08, left=True),
    ),
    SawyerTask(
        26, "handle_pull", "sawyer_handle_press.xml", (Point("site:handleRight"),), *_BOX,
        handle_pull_reset, handle_pull, press_v1(Z, 0.05, left=True),
    ),
    SawyerTask(
        11, "dial_turn", "sawyer_dial.xml",
        (Point("joint:knob_Joint_1", "body:dial", False, lever=(0.0, -0.05, 0.0)),), (-0.1, 0.7, 0.0), (0.1, 0.8, 0.0),
        dial_reset, dial_turn, dial_turn_v1,
    ),
    SawyerTask(
        27, "lever_pull", "sawyer_lever_pull.xml", (Point("site:leverStart", "geom:objGeom"),),
        (-0.1, 0.7, 0.0), (0.1, 0.8, 0.0), lever_reset, lever_pull, lever_pull_v1,
        hand=_FRONT, mocap_low=_DEEP, joint="LeverAxis",
    ),
)  # fmt: skip
