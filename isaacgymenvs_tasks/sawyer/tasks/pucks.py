"""A puck or a ball on the table: reach, push, sweep, kick, pick and place."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from isaacgymenvs_tasks.sawyer import rewards_v1 as v1
from isaacgymenvs_tasks.sawyer.rewards import SUCCESS, caging, distance, hamacher, level, pinching, scaled, tolerance
from isaacgymenvs_tasks.sawyer.scene import Scene
from isaacgymenvs_tasks.sawyer.task import Point, SawyerTask, State, body
from isaacgymenvs_tasks.sawyer.tasks.starts import Arrays, at_height, lift, put_free, span

BODY = Point("body:obj", "geom:objGeom")
GEOM = Point("geom:objGeom", "geom:objGeom")


def _near(s: State, radius: float) -> Tensor:
    return distance(s.obj, s.goal) <= radius


def _in_place(s: State, radius: float = 0.05) -> Tensor:
    return tolerance(distance(s.obj, s.goal), radius, distance(s.obj_init, s.goal))


def _push_v1(s: State, radius: float) -> tuple[Tensor, Tensor]:
    d = level(s.obj, s.goal)
    return v1.push(s, d, s.start["far"]), d <= radius


def _carry_v1(s: State, radius: float = 0.07) -> tuple[Tensor, Tensor]:
    d = distance(s.obj, s.goal)
    return v1.carry(s, d), d <= radius


# -- reach ---------------------------------------------------------------------------------------------------------


def reach_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.bring_hand()
    put_free(scene, v[:, :3])
    return {
        "goal": v[:, 3:],
        "obj": v[:, :3],
        "far": span(scene.tcp, v[:, 3:]),
        "hand": np.tile(scene.hand, (len(v), 1)),
    }


def reach(s: State) -> tuple[Tensor, Tensor]:
    d = distance(s.tcp, s.goal)
    return 10.0 * tolerance(d, 0.05, distance(s.start["hand"], s.goal)), d <= 0.05


def reach_v1(s: State) -> tuple[Tensor, Tensor]:
    d = distance(s.tcp, s.goal)
    return v1.bonus(d, s.start["far"]).clamp_min(0.0), d <= 0.05


# -- push ----------------------------------------------------------------------------------------------------------


def push_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.bring_hand()
    z = scene.at("body:obj")[:, 2]
    return _pushed(scene, at_height(v, z), at_height(v[:, 3:], z))


def push_geom_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.bring_hand()
    z = scene.at("geom:objGeom")[:, 2]
    return _pushed(scene, at_height(v, z), at_height(v[:, 3:], z))


def _pushed(scene: Scene, obj: np.ndarray, goal: np.ndarray) -> Arrays:
    put_free(scene, obj)
    return {"goal": goal, "obj": obj, "far": span(obj[:, :2], goal[:, :2])}


def push(s: State) -> tuple[Tensor, Tensor]:
    grasp = caging(s, s.obj, radius=0.015, pad=0.05, plane=0.005)
    held = (distance(s.obj, s.tcp) < 0.02) & (s.openness > 0)
    reward = torch.where(held, 4.0 * grasp + 1.0 + 5.0 * _in_place(s), 2.0 * grasp)
    return torch.where(distance(s.obj, s.goal) < 0.05, SUCCESS, reward), _near(s, 0.05)


def push_v1(s: State) -> tuple[Tensor, Tensor]:
    return _push_v1(s, 0.05)


def push_wall(s: State) -> tuple[Tensor, Tensor]:
    beside = torch.stack((torch.full_like(s.openness, -0.05), torch.full_like(s.openness, 0.77), s.obj[:, 2]), 1)
    scale = (3.0, 1.0, 1.0)
    first = tolerance(scaled(s.obj, beside, scale), 0.05, scaled(s.obj_init, beside, scale))
    grasp = 2.0 * caging(s, s.obj, radius=0.015, pad=0.05, plane=0.005)
    held = (distance(s.obj, s.tcp) < 0.02) & (s.openness > 0)
    onward = torch.where(s.obj[:, 1] > 0.75, 4.0 + 3.0 * _in_place(s), 4.0 * first)
    reward = torch.where(held, grasp + 1.0 + onward, grasp)
    return torch.where(distance(s.obj, s.goal) < 0.05, SUCCESS, reward), _near(s, 0.07)


def push_wide_v1(s: State) -> tuple[Tensor, Tensor]:
    return _push_v1(s, 0.07)


def push_back(s: State) -> tuple[Tensor, Tensor]:
    d, start = distance(s.obj, s.goal), distance(s.obj_init, s.goal)
    in_place = tolerance(d, 0.05, start)
    grasp = pinching(s, s.obj, radius=0.007, plane=0.01, slack=0.003)
    held = (distance(s.obj, s.tcp) < 0.01) & (s.openness > 0) & (s.openness < 0.55) & (start - d > 0.01)
    reward = hamacher(grasp, in_place) + torch.where(held, 1.0 + 5.0 * in_place, 0.0)
    return torch.where(d < 0.05, SUCCESS, reward), d <= 0.07


# -- pick and place ------------------------------------------------------------------------------------------------


def pick_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.bring_hand()
    put_free(scene, v[:, :3])
    obj, goal = v[:, :3], v[:, 3:]
    return {"goal": goal, "obj": obj, **lift(obj, goal, scene.at("geom:objGeom")[:, 2], 0.04)}


def pick_place(s: State) -> tuple[Tensor, Tensor]:
    in_place = _in_place(s)
    grasp = pinching(s, s.obj, radius=0.015, plane=0.005)
    held = (distance(s.obj, s.tcp) < 0.02) & (s.openness > 0) & (s.obj[:, 2] - 0.01 > s.obj_init[:, 2])
    reward = hamacher(grasp, in_place) + torch.where(held, 1.0 + 5.0 * in_place, 0.0)
    return torch.where(distance(s.obj, s.goal) < 0.05, SUCCESS, reward), _near(s, 0.07)


def pick_place_wall(s: State) -> tuple[Tensor, Tensor]:
    n = torch.ones_like(s.openness)
    over = torch.stack((s.goal[:, 0], 0.77 * n, 0.25 * n), 1)
    scale = (1.0, 1.0, 3.0)
    first = tolerance(scaled(s.obj, over, scale), 0.05, scaled(s.obj_init, over, scale))
    base = hamacher(caging(s, s.obj, radius=0.015, pad=0.05, plane=0.005, dense=False), first)
    held = (distance(s.obj, s.tcp) < 0.02) & (s.openness > 0) & (s.obj[:, 2] - 0.015 > s.obj_init[:, 2])
    onward = torch.where(s.obj[:, 1] > 0.75, 4.0 + 3.0 * _in_place(s), 4.0 * first)
    reward = torch.where(held, base + 1.0 + onward, base)
    return torch.where(distance(s.obj, s.goal) < 0.05, SUCCESS, reward), _near(s, 0.07)


def shelf_reset(scene: Scene, v: np.ndarray) -> Arrays:
    goal = v[:, 3:]
    scene.move("shelf", goal - np.array([0.0, 0.0, 0.3]))
    scene.bring_hand()
    obj = at_height(v, scene.at("body:obj")[:, 2])
    put_free(scene, obj)
    return {"goal": goal, "obj": obj, **lift(obj, goal, scene.at("geom:objGeom")[:, 2], 0.04)}


def shelf_place(s: State) -> tuple[Tensor, Tensor]:
    in_place = _in_place(s)
    reward = hamacher(caging(s, s.obj, radius=0.02, pad=0.05, plane=0.01, dense=False), in_place)
    x, y, z = s.obj.unbind(1)
    under = (z > 0.0) & (z < 0.24) & ((x - s.goal[:, 0]).abs() < 0.15)
    behind = (y - (s.goal[:, 1] - 0.15)) / 0.15
    before = under & (behind > 0.0) & (y < s.goal[:, 1])
    cost = hamacher(behind.clamp(0.0, 1.0), ((0.24 - z) / 0.24).clamp(0.0, 1.0))
    in_place = torch.where(before, (in_place - cost).clamp(0.0, 1.0), in_place)
    in_place = torch.where(under & (y > s.goal[:, 1]), 0.0, in_place)
    held = (distance(s.obj, s.tcp) < 0.025) & (s.openness > 0) & (z - 0.01 > s.obj_init[:, 2])
    reward = reward + torch.where(held, 1.0 + 5.0 * in_place, 0.0)
    return torch.where(distance(s.obj, s.goal) < 0.05, SUCCESS, reward), _near(s, 0.07)


# -- sweep and kick ------------------------------------------------------------------------------------------------


def sweep_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.bring_hand()
    goal = np.column_stack((np.full(len(v), 0.5), v[:, 1], np.full(len(v), 0.01)))
    return _pushed(scene, at_height(v, 0.02), goal)


def sweep_into_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.bring_hand()
    return _pushed(scene, at_height(v, scene.at("body:obj")[:, 2]), np.tile((0.0, 0.84, 0.02), (len(v), 1)))


def _swept(s: State, goal: Tensor, plane: float, slack: float) -> tuple[Tensor, Tensor]:
    d = distance(s.obj, goal)
    grasp = pinching(s, s.obj, radius=0.02, plane=plane, slack=slack)
    in_place = tolerance(d, 0.05, distance(s.obj_init, goal))
    reward = 2.0 * grasp + 6.0 * hamacher(grasp, in_place)
    return torch.where(d < 0.05, SUCCESS, reward), d <= 0.05


def sweep(s: State) -> tuple[Tensor, Tensor]:
    return _swept(s, s.goal, 0.005, 0.01)


def sweep_into(s: State) -> tuple[Tensor, Tensor]:
    return _swept(s, torch.cat((s.goal[:, :2], s.obj[:, 2:]), 1), 0.01, 0.005)


def _sweep_v1(s: State, fell: Tensor) -> tuple[Tensor, Tensor]:
    reach = distance(s.obj, s.tcp)
    d = torch.where(fell, 0.0, level(s.obj, s.goal))
    pushed = torch.where(reach < 0.05, v1.bonus(d, s.start["far"]).clamp_min(0.0), 0.0)
    return pushed - torch.where(fell, 0.0, reach), d <= 0.05


def sweep_v1(s: State) -> tuple[Tensor, Tensor]:
    return _sweep_v1(s, s.obj[:, 2] < s.obj_init[:, 2] - 0.05)


def sweep_into_v1(s: State) -> tuple[Tensor, Tensor]:
    inside = (s.obj[:, 1] > 0.4) & (s.obj[:, 1] < 1.0)
    return _sweep_v1(s, inside & (s.obj[:, 2] < s.obj_init[:, 2] - 0.05))


def soccer_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.move("goal_whole", v[:, 3:])
    scene.bring_hand()
    return _pushed(scene, at_height(v, 0.03), v[:, 3:])


def soccer(s: State) -> tuple[Tensor, Tensor]:
    scale = (3.0, 1.0, 1.0)
    d = scaled(s.obj, s.goal, scale)
    in_place = tolerance(d, 0.07, scaled(s.obj, s.obj_init, scale))
    line = s.goal[:, 1] - 0.1
    wide = (s.obj[:, 1] > line) & ((s.obj[:, 0] - s.goal[:, 0]).abs() > 0.1)
    past = 2.0 * (s.obj[:, 1] - line) / (1.0 - line)
    in_place = torch.where(wide, (in_place - past).clamp(0.0, 1.0), in_place)
    reward = 3.0 * pinching(s, s.obj, radius=0.013, plane=0.005, slack=0.01) + 6.5 * in_place
    return torch.where(d < 0.07, SUCCESS, reward), _near(s, 0.07)


_LOW, _HIGH = (-0.1, 0.6, 0.02), (0.1, 0.7, 0.02)
_WALL_LOW, _WALL_HIGH = (-0.05, 0.6, 0.015), (0.05, 0.65, 0.015)

TASKS = (
    SawyerTask(
        43, "reach", "sawyer_reach_v3.xml", (BODY,), (*_LOW, -0.1, 0.8, 0.05), (*_HIGH, 0.1, 0.9, 0.3),
        reach_reset, reach, reach_v1, 0.15,
    ),
    SawyerTask(
        44, "reach_wall", "sawyer_reach_wall_v3.xml", (BODY,),
        (*_WALL_LOW, -0.05, 0.85, 0.05), (*_WALL_HIGH, 0.05, 0.9, 0.3), reach_reset, reach, reach_v1, 0.15,
    ),
    SawyerTask(
        40, "push", "sawyer_push_v3.xml", (BODY,), (*_LOW, -0.1, 0.8, 0.01), (*_HIGH, 0.1, 0.9, 0.02),
        push_reset, push, push_v1, 0.15,
    ),
    SawyerTask(
        41, "push_wall", "sawyer_push_wall_v3.xml", (GEOM,),
        (*_WALL_LOW, -0.05, 0.85, 0.01), (*_WALL_HIGH, 0.05, 0.9, 0.02), push_geom_reset, push_wall, push_wide_v1, 0.15,
    ),
    SawyerTask(
        42, "push_back", "sawyer_push_back_v3.xml", (GEOM,),
        (-0.1, 0.8, 0.02, -0.1, 0.6, 0.0199), (0.1, 0.85, 0.02, 0.1, 0.7, 0.0201),
        push_geom_reset, push_back, push_wide_v1, 0.15,
    ),
    SawyerTask(
        30, "pick_place", "sawyer_pick_place_v3.xml", (BODY,), (*_LOW, -0.1, 0.8, 0.05), (*_HIGH, 0.1, 0.9, 0.3),
        pick_reset, pick_place, _carry_v1, 0.15,
    ),
    SawyerTask(
        28, "pick_place_wall", "sawyer_pick_place_wall_v3.xml", (GEOM,),
        (*_WALL_LOW, -0.05, 0.85, 0.05), (*_WALL_HIGH, 0.05, 0.9, 0.3), pick_reset, pick_place_wall, _carry_v1, 0.15,
    ),
    SawyerTask(
        45, "shelf_place", "sawyer_shelf_placing.xml", (BODY,),
        (-0.1, 0.5, 0.019, -0.1, 0.8, 0.299), (0.1, 0.6, 0.021, 0.1, 0.9, 0.301), shelf_reset, shelf_place, _carry_v1, 0.1,
    ),
    SawyerTask(47, "sweep", "sawyer_sweep_v3.xml", (body("obj"),), _LOW, _HIGH, sweep_reset, sweep, sweep_v1),
    SawyerTask(
        46, "sweep_into", "sawyer_table_with_hole.xml", (BODY,),
        (*_LOW, -0.001, 0.8399, 0.0199), (*_HIGH, 0.001, 0.8401, 0.0201),
        sweep_into_reset, sweep_into, sweep_into_v1, 0.15, keep_off=(0.0, 0.84),
    ),
    SawyerTask(
        37, "soccer", "sawyer_soccer.xml", (Point("body:soccer_ball", "body:soccer_ball"),),
        (-0.1, 0.6, 0.03, -0.1, 0.8, 0.0), (0.1, 0.7, 0.03, 0.1, 0.9, 0.0), soccer_reset, soccer, push_wide_v1, 0.15,
    ),
)  # fmt: skip
