"""Bins, holes and baskets: a puck that comes out of one or goes into one, or the hand itself."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from isaacgymenvs_tasks.sawyer import rewards_v1 as v1
from isaacgymenvs_tasks.sawyer.rewards import (
    SUCCESS,
    above,
    caging,
    distance,
    floor,
    hamacher,
    level,
    scaled,
    tolerance,
)
from isaacgymenvs_tasks.sawyer.scene import Scene
from isaacgymenvs_tasks.sawyer.task import SawyerTask, State, body
from isaacgymenvs_tasks.sawyer.tasks.starts import Arrays, at_height, lift, put_free, span

# -- hand-insert ---------------------------------------------------------------------------------------------------


def hand_insert_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.bring_hand()
    obj, goal = at_height(v, 0.05), v[:, 3:]
    put_free(scene, obj)
    return {"goal": goal, "obj": obj, "far": np.abs(scene.hand[2] - goal[:, 2])}


def hand_insert(s: State) -> tuple[Tensor, Tensor]:
    d = distance(s.obj, s.goal)
    in_place = tolerance(d, 0.05, distance(s.obj_init, s.goal))
    reward = hamacher(caging(s, s.obj, radius=0.015, pad=0.05, plane=0.005), in_place)
    held = (distance(s.obj, s.tcp) < 0.02) & (s.openness > 0)
    reward = reward + torch.where(held, 1.0 + 7.0 * in_place, 0.0)
    return torch.where(d < 0.05, SUCCESS, reward), d <= 0.05


def hand_insert_v1(s: State) -> tuple[Tensor, Tensor]:
    reach, deep = level(s.tcp, s.goal), (s.tcp[:, 2] - s.goal[:, 2]).abs()
    reward = torch.where(reach < 0.05, v1.bonus(deep, s.start["far"]).clamp_min(0.0), 0.0) - reach
    return reward, distance(s.obj_init, s.goal) <= 0.05


# -- pick-out-of-hole ----------------------------------------------------------------------------------------------


def out_of_hole_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.bring_hand()
    obj, goal = v[:, :3], v[:, 3:]
    put_free(scene, obj)
    return {"goal": goal, "obj": obj, **lift(obj, goal, scene.at("geom:objGeom")[:, 2], 0.11)}


def out_of_hole(s: State) -> tuple[Tensor, Tensor]:
    d, reach = distance(s.obj, s.goal), distance(s.obj, s.tcp)
    clear = above(s.tcp[:, 2], floor(level(s.tcp, s.obj_init), 0.03, 0.015, 0.15), 0.02)
    grasp = caging(s, s.obj, radius=0.015, pad=0.02, plane=0.03, effort=0.1)
    in_place = tolerance(d, 0.02, distance(s.obj_init, s.goal))
    held = (reach < 0.04) & (s.obj[:, 2] - 0.02 > s.obj_init[:, 2]) & (s.openness >= 0.33)
    reward = hamacher(grasp, in_place) + torch.where(held, 1.0 + 5.0 * hamacher(in_place, clear), 0.0)
    return torch.where(d < 0.05, SUCCESS, reward), d <= 0.07


def out_of_hole_v1(s: State) -> tuple[Tensor, Tensor]:
    d, z, top = distance(s.obj, s.goal), s.obj[:, 2], s.start["lift"]
    reach, reward = v1.approach(s, s.obj, v1.height(s))
    up = (z >= top - 0.01) & ~v1.dropped(s, z, d, reach)
    held = up | ((reach < 0.1) & (z > s.start["height"] + 0.005))
    # Heights count from 2 cm below where the object lay.
    lifted = v1.lifting(s, z, reach, up) - torch.where(held, 100.0 * (s.start["height"] - 0.02), 0.0)
    placed = torch.where(up & (reach < 0.1), v1.bonus(d, s.start["far"]).clamp_min(0.0), 0.0)
    return reward + lifted + placed, d <= 0.07


# -- bin-picking ---------------------------------------------------------------------------------------------------


def bin_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.bring_hand()
    obj = at_height(v, scene.at("body:obj")[:, 2])
    put_free(scene, obj)
    goal, height = scene.at("body:bin_goal"), scene.at("body:obj")[:, 2]
    far = span(obj[:, :2], goal[:, :2]) + height + 0.1
    return {"goal": goal, "obj": obj, "height": height, "lift": height + 0.1, "far": far}


def bin_picking(s: State) -> tuple[Tensor, Tensor]:
    d = distance(s.obj, s.goal)
    s.memory.copy_(torch.where(s.memory.isnan(), d, s.memory))  # how far it was after the first step
    in_place = tolerance(d, 0.05, s.memory)
    bottom = torch.minimum(
        floor(level(s.hand, s.obj_init), 0.03, 0.02, 0.2), floor(level(s.hand, s.goal), 0.03, 0.02, 0.2)
    )
    grasp = caging(s, s.obj, radius=0.015, pad=0.05, plane=0.01, effort=0.7)
    held = (distance(s.obj, s.hand) < 0.04) & (s.obj[:, 2] - 0.02 > s.obj_init[:, 2]) & (s.openness >= 0.43)
    clear = hamacher(above(s.hand[:, 2], bottom, 0.05), in_place)
    reward = hamacher(grasp, in_place) + torch.where(held, 1.0 + 5.0 * clear, 0.0)
    return torch.where(d < 0.05, SUCCESS, reward), d <= 0.05


def bin_picking_v1(s: State) -> tuple[Tensor, Tensor]:
    d, z = level(s.obj, s.goal), s.obj[:, 2]
    reach, reward = v1.approach(s, s.obj, v1.height(s), over=0.06, lift=1.0)
    up = (z >= s.start["lift"] - 0.01) & ~v1.dropped(s, z, d, reach)
    over = ((s.obj[:, :2] - s.goal[:, :2]).abs() < 0.05).all(1)
    placed = over & (z < s.start["height"] + 0.05)
    release = -200.0 * s.action[:, 3]
    place = v1.bonus(d, s.start["far"]).clamp_min(0.0)
    carried = torch.where(up & (reach < 0.1), place + torch.where(over, release, 0.0), 0.0)
    carried = carried + reward + v1.lifting(s, z, reach, up)
    return torch.where(placed, release + place, carried), d <= 0.05


# -- basketball ----------------------------------------------------------------------------------------------------


def basketball_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.move("basket_goal", v[:, 3:])
    scene.bring_hand()
    obj = at_height(v, 0.03)
    put_free(scene, obj)
    goal = scene.at("site:goal")
    return {"goal": goal, "obj": obj, **lift(obj, goal, scene.at("geom:objGeom")[:, 2], 0.3)}


def basketball(s: State) -> tuple[Tensor, Tensor]:
    rim = torch.cat((s.goal[:, :2], torch.full_like(s.goal[:, 2:], 0.3)), 1)
    scale = (1.0, 1.0, 2.0)
    d = scaled(s.obj, rim, scale)
    in_place = tolerance(d, 0.08, scaled(s.obj_init, rim, scale))
    held = (distance(s.obj, s.tcp) < 0.035) & (s.openness > 0) & (s.obj[:, 2] - 0.01 > s.obj_init[:, 2])
    grasp = torch.where(held, 1.0, caging(s, s.obj, radius=0.025, pad=0.06, plane=0.005))
    reward = hamacher(grasp, in_place) + torch.where(held, 1.0 + 5.0 * in_place, 0.0)
    return torch.where(d < 0.08, SUCCESS, reward), d <= 0.08


def basketball_v1(s: State) -> tuple[Tensor, Tensor]:
    d = distance(s.obj, s.goal)
    return v1.carry(s, d), d <= 0.08


TASKS = (
    SawyerTask(
        17, "hand_insert", "sawyer_table_with_hole.xml", (body("obj"),),
        (-0.1, 0.6, 0.05, -0.04, 0.8, -0.0201), (0.1, 0.7, 0.05, 0.04, 0.88, -0.0199),
        hand_insert_reset, hand_insert, hand_insert_v1, 0.15, mocap_low=(-0.5, 0.4, -0.15),
        dead_v1="its distance to the goal is that of the start, at least 0.15 m where 0.05 m is asked for",
    ),
    SawyerTask(
        29, "pick_out_of_hole", "sawyer_pick_out_of_hole.xml", (body("obj"),),
        (0.0, 0.75, 0.02, -0.1, 0.5, 0.15), (0.0, 0.75, 0.02, 0.1, 0.6, 0.3),
        out_of_hole_reset, out_of_hole, out_of_hole_v1, 0.15, mocap_low=(-0.5, 0.4, -0.05),
    ),
    SawyerTask(
        2, "bin_picking", "sawyer_bin_picking.xml", (body("obj"),),
        (-0.21, 0.65, 0.02, 0.1199, 0.699, -0.001), (-0.03, 0.75, 0.02, 0.1201, 0.701, 0.001),
        bin_reset, bin_picking, bin_picking_v1, mocap_low=(-0.5, 0.4, 0.07),
    ),
    SawyerTask(
        1, "basketball", "sawyer_basketball.xml", (body("bsktball"),),
        (-0.1, 0.6, 0.0299, -0.1, 0.85, 0.0), (0.1, 0.7, 0.0301, 0.1, 0.9 + 1e-07, 0.0),
        basketball_reset, basketball, basketball_v1, 0.15,
    ),
)  # fmt: skip
