"""Tools and parts that are put together: nut and peg, hammer, box and lid, plugs and sticks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from isaacgymenvs_tasks.sawyer import rewards_v1 as v1
from isaacgymenvs_tasks.sawyer.rewards import (
    SUCCESS,
    above,
    caging,
    constant,
    distance,
    floor,
    hamacher,
    level,
    scaled,
    shift,
    tolerance,
)
from isaacgymenvs_tasks.sawyer.scene import Scene
from isaacgymenvs_tasks.sawyer.task import Point, SawyerTask, State, body
from isaacgymenvs_tasks.sawyer.tasks.starts import Arrays, at_height, lift, put_free, span

UPRIGHT, ALONG = (0.707, 0.0, 0.0, 0.707), (1.0, 0.0, 0.0, 0.0)


def turned(s: State, ideal: tuple[float, float, float, float], tolerated: float) -> Tensor:
    """1 as the object should be turned, 0 when its quaternion is ``tolerated`` away from that."""
    return (1.0 - distance(s.quat, constant(s.quat, ideal)) / tolerated).clamp_min(0.0)


def along_handle(s: State, half: float) -> Tensor:
    """Where to grasp an object whose handle lies along x: beside the hand, as long as that is on the handle."""
    on = (s.obj[:, 0] - s.hand[:, 0]).abs() < half
    return torch.cat((torch.where(on, s.hand[:, 0], s.obj[:, 0])[:, None], s.obj[:, 1:]), 1)


# -- nut -----------------------------------------------------------------------------------------------------------

NUT = "site:RoundNut"


def assembly_reset(scene: Scene, v: np.ndarray) -> Arrays:
    obj, goal = v[:, :3], v[:, 3:]
    scene.move("peg", goal - np.array([0.0, 0.0, 0.05]))
    scene.bring_hand()
    put_free(scene, obj)
    return {"goal": goal, "obj": obj, **lift(obj, goal, scene.at("site:RoundNut-8")[:, 2], 0.1)}


def assembly(s: State) -> tuple[Tensor, Tensor]:
    grasp = caging(s, along_handle(s, 0.01), radius=0.015, pad=0.02, plane=0.01, reach=0.01)
    nut = s.points[NUT]
    off = level(s.goal, nut)
    success = (off < 0.02) & (s.goal[:, 2] - nut[:, 2] > 0.0)
    threshold = torch.where(success, 0.02, 0.01)
    beyond = off > threshold
    height = torch.where(beyond, 0.02 * (off - threshold).clamp_min(1e-12).log() + 0.2, 0.0)
    error = torch.cat((s.goal[:, :2] - nut[:, :2], 3.0 * (height - nut[:, 2])[:, None]), 1)
    lifted = (nut[:, 2] > 0.02) | (off < threshold)
    in_place = 0.1 * lifted + 0.9 * tolerance(error.norm(dim=1), 0.02, 0.4)
    reward = (2.0 * grasp + 6.0 * in_place) * turned(s, UPRIGHT, 0.4)
    return torch.where(success, SUCCESS, reward), success


def assembly_v1(s: State) -> tuple[Tensor, Tensor]:
    nut, lift_to, low = s.points["body:RoundNut"], s.start["lift"], s.start["height"]
    z, d, deep = nut[:, 2], level(nut, s.goal), (nut[:, 2] - low).abs()
    reach, reward = v1.approach(s, s.obj, v1.height(s), over=0.04, touch=0.04, lift=1.0)
    kept = ~v1.dropped(s, z, d, reach)
    up = (z >= lift_to - 0.01) & (reach < 0.03)
    over = ((nut[:, :2] - s.goal[:, :2]).abs() < 0.03).all(1)
    place = v1.bonus(d, s.start["far"])
    place = place + torch.where(over, v1.sunk(deep, lift_to), 0.0)
    pays = over | (up & (reach < 0.04) & kept)
    lifted = v1.lifting(s, z, reach, over | (up & kept), touch=0.04)
    return reward + lifted + torch.where(pays, place.clamp_min(0.0), 0.0), over & (deep <= 0.04)


def disassemble_reset(scene: Scene, v: np.ndarray) -> Arrays:
    obj = v[:, :3]
    scene.move("peg", obj + np.array([0.0, 0.0, 0.03]))
    scene.bring_hand()
    put_free(scene, obj)
    goal = obj + np.array([0.0, 0.0, 0.15])
    return {"goal": goal, "obj": obj, **lift(obj, goal, scene.at("body:RoundNut")[:, 2], 0.05)}


def disassemble(s: State) -> tuple[Tensor, Tensor]:
    grasp = caging(s, along_handle(s, 0.01), radius=0.015, pad=0.02, plane=0.01)
    nut = s.points[NUT]
    error = distance(shift(s.goal, z=0.1), nut)
    in_place = 0.1 * (nut[:, 2] > 0.02) + 0.9 * tolerance(error, 0.02, 0.2)
    success = s.obj[:, 2] > s.goal[:, 2]
    return torch.where(success, SUCCESS, (2.0 * grasp + 6.0 * in_place) * turned(s, UPRIGHT, 0.4)), success


def disassemble_v1(s: State) -> tuple[Tensor, Tensor]:
    z, d = s.obj[:, 2], distance(s.obj, s.goal)
    reach, reward = v1.approach(s, s.obj, v1.height(s), over=0.04, touch=0.04)
    up = (z >= s.start["lift"] - 0.01) & (reach < 0.04) & ~v1.dropped(s, z, d, reach)
    placed = torch.where(up & (reach < 0.03), v1.bonus(d, s.start["far"]).clamp_min(0.0), 0.0)
    off = ((s.points["body:RoundNut"][:, :2] - s.obj_init[:, :2]).abs() > 0.05).any(1)
    free = torch.where(off, 100.0 * s.start["lift"], reward + v1.lifting(s, z, reach, up, touch=0.04))
    return free + placed, s.obj[:, 2] > s.goal[:, 2]


# -- hammer --------------------------------------------------------------------------------------------------------


def hammer_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.bring_hand()
    goal = scene.at("site:goal")
    put_free(scene, v)
    height = scene.at("body:hammer")[:, 2]
    top = height + 0.09
    far = span(at_height(v, top), v) + top + np.abs(v - goal)[:, 1]
    return {"goal": goal, "obj": v, "height": height, "lift": top, "far": far}


def hammer(s: State) -> tuple[Tensor, Tensor]:
    head = shift(s.obj, 0.16, 0.06)
    grasp = caging(s, along_handle(s, 0.07), radius=0.015, pad=0.02, plane=0.01)
    in_place = 0.1 * (head[:, 2] > 0.02) + 0.9 * tolerance(distance(s.goal, head), 0.02, 0.2)
    reward = (2.0 * grasp + 6.0 * in_place) * turned(s, ALONG, 0.4)
    success = s.joint > 0.09
    return torch.where(success & (reward > 5.0), SUCCESS, reward), success


def hammer_v1(s: State) -> tuple[Tensor, Tensor]:
    nail, z = s.points["site:nailHead"], s.obj[:, 2]
    strike = distance(nail, s.points["geom:HammerHead"])
    d = strike + (nail[:, 1] - s.goal[:, 1]).abs()
    reach, reward = v1.approach(s, s.obj, None)
    up = (z >= s.start["lift"] - 0.01) & ~v1.dropped(s, z, strike, reach)
    struck = torch.where(up & (reach < 0.1), v1.bonus(d, s.start["far"]).clamp_min(0.0), 0.0)
    return reward + v1.lifting(s, z, reach, up) + struck, s.joint > 0.09


# -- box and lid ---------------------------------------------------------------------------------------------------


def box_reset(scene: Scene, v: np.ndarray) -> Arrays:
    goal = v[:, 3:]
    scene.move("boxbody", at_height(goal, scene.model.body("boxbody").pos[2]))
    scene.bring_hand()
    scene.steps(5)
    obj = at_height(v, 0.02)
    put_free(scene, obj)
    return {"goal": goal, "obj": obj, **lift(obj, goal, scene.at("geom:BoxHandleGeom")[:, 2], 0.12)}


def box_close(s: State) -> tuple[Tensor, Tensor]:
    effort, lid = (s.action[:, 3] + 1.0) / 2.0, shift(s.obj, z=0.02)
    bottom = floor(level(s.hand, lid), 0.02, 0.04, 0.4)
    ready = hamacher(above(s.hand[:, 2], bottom, bottom / 2.0), tolerance(distance(s.hand, lid), 0.02, 0.5))
    lifted = 0.2 * (lid[:, 2] > 0.04) + 0.8 * tolerance(scaled(s.goal, lid, (1.0, 1.0, 3.0)), 0.05, 0.25)
    success = distance(s.obj, s.goal) < 0.08
    reward = torch.where(success, SUCCESS, 2.0 * hamacher(effort, ready) + 8.0 * lifted)
    return reward * turned(s, UPRIGHT, 0.2), success


def box_close_v1(s: State) -> tuple[Tensor, Tensor]:
    d = distance(s.obj, s.goal)
    return v1.carry(s, d), d < 0.08


# -- plugs ---------------------------------------------------------------------------------------------------------

HEAD = "site:pegHead"
CORNERS = tuple(
    (f"site:bottom_right_corner_collision_box_{i}", f"site:top_left_corner_collision_box_{i}") for i in (1, 2)
)


def peg_insert_reset(scene: Scene, v: np.ndarray) -> Arrays:
    obj, box = v[:, :3], v[:, 3:]
    scene.move("box", box)
    scene.bring_hand()
    head = scene.at(HEAD)  # where the model has the peg, before it is put anywhere
    put_free(scene, obj)
    goal = box + np.array([0.03, 0.0, 0.13])
    boxes = {f"box{i}{end}": scene.at(site) for i, ends in enumerate(CORNERS) for end, site in enumerate(ends)}
    return {"goal": goal, "obj": obj, "head": head, **boxes, **lift(obj, goal, scene.at("body:peg")[:, 2], 0.11)}


def outside_box(point: Tensor, zero: Tensor, one: Tensor) -> Tensor:
    """1 outside of the box between two corners (n, 3); inside, the product of its distances from ``zero`` along the edges."""
    share = (point - zero) / (one - zero)
    inside = ((share >= 0.0) & (share <= 1.0)).all(1)
    return torch.where(inside, share.prod(1), 1.0)


def peg_insert(s: State) -> tuple[Tensor, Tensor]:
    head, scale = s.points[HEAD], (1.0, 2.0, 2.0)
    d = scaled(head, s.goal, scale)
    in_place = tolerance(d, 0.07, scaled(s.start["head"], s.goal, scale))
    first, second = (outside_box(head, s.start[f"box{i}0"], s.start[f"box{i}1"]) for i in (0, 1))
    in_place = hamacher(in_place, hamacher(second, first))
    held = (distance(s.obj, s.tcp) < 0.08) & (s.openness > 0) & (s.obj[:, 2] - 0.01 > s.obj_init[:, 2])
    grasp = torch.where(held, 1.0, caging(s, s.obj, radius=0.0075, pad=0.03, plane=0.005))
    reward = hamacher(grasp, in_place) + torch.where(held, 1.0 + 5.0 * in_place, 0.0)
    return torch.where(d <= 0.07, SUCCESS, reward), d <= 0.07


def peg_insert_v1(s: State) -> tuple[Tensor, Tensor]:
    d, head = distance(s.obj, s.goal), distance(s.points[HEAD], s.goal)
    place = v1.bonus(torch.where(head <= 0.05, d, head), s.start["far"])
    return v1.carry(s, d, up_cost=1.0, place=place), d <= 0.07


def peg_unplug_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.move("box", v)
    scene.bring_hand()
    plug = v + np.array([0.044, 0.0, 0.131])
    scene.put(np.hstack((plug, np.tile((1.0, 0.0, 0.0, 0.0), (len(v), 1)))), still=(9, 12))
    obj, goal = scene.at("site:pegEnd"), plug + np.array([0.15, 0.0, 0.0])
    return {"goal": goal, "obj": obj, "far": span(goal, obj), "hand": np.tile(scene.hand, (len(v), 1))}


def peg_unplug(s: State) -> tuple[Tensor, Tensor]:
    d = distance(s.obj, s.goal)
    grasp = caging(s, s.obj, radius=0.025, pad=0.05, plane=0.005, effort=0.8)
    in_place = tolerance(d, 0.05, distance(s.obj_init, s.goal))
    out = (s.openness > 0.5) & (s.obj[:, 0] - s.obj_init[:, 0] > 0.015) & (distance(s.obj, s.tcp) < 0.035)
    reward = 2.0 * grasp + torch.where(out, 1.0 + 5.0 * in_place, 0.0)
    return torch.where(d <= 0.05, SUCCESS, reward), d <= 0.07


def peg_unplug_v1(s: State) -> tuple[Tensor, Tensor]:
    d = level(s.obj, s.goal)
    reach, reward = v1.approach(s, s.obj, (s.tcp[:, 2] - s.start["hand"][:, 2]).abs())
    return reward + torch.where(reach < 0.05, v1.bonus(d, s.start["far"]).clamp_min(0.0), 0.0), d <= 0.07


# -- sticks --------------------------------------------------------------------------------------------------------

STICK = Point("body:stick", "body:stick")
STICK_END = "site:stick_end"


def stick_push_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.bring_hand()
    goal = at_height(v[:, 3:], scene.at("site:insertion")[:, 2])
    return _stick(scene, v, goal, (0.0, 0.0))


def stick_pull_reset(scene: Scene, v: np.ndarray) -> Arrays:
    scene.bring_hand()
    return _stick(scene, v, at_height(v[:, 3:], 0.02), (0.0, 0.09))


def _stick(scene: Scene, v: np.ndarray, goal: np.ndarray, slides: tuple[float, float]) -> Arrays:
    stick = at_height(v, 0.02)
    put_free(scene, stick)
    # The package stops one of the container's two slides only. There both are at rest; on MuJoCo 4 the arm, on its way to
    # its start, has knocked the container, which would go on sliding.
    scene.put(np.tile(slides, (len(v), 1)), first=16, still=(15, 17))
    obj, height = scene.at("body:object"), scene.at("body:stick")[:, 2]
    start = {"goal": goal, "obj": obj, "stick": stick, "height": height, "lift": height + 0.04}
    return {
        **start,
        "far": span(obj[:, :2], goal[:, :2]),
        "to_stick": span(at_height(obj, height + 0.04), stick) + height + 0.04,
    }


def stick_push(s: State) -> tuple[Tensor, Tensor]:
    stick, start = shift(s.obj, x=0.015), s.start["stick"]
    d = distance(s.obj2, s.goal)
    stick_in_place = tolerance(distance(stick, s.goal), 0.12, distance(start, s.goal) - 0.12)
    in_place = tolerance(d, 0.12, distance(s.obj_init, s.goal) - 0.12)
    grasp = caging(s, stick, radius=0.04, pad=0.05, plane=0.01, init=start)
    held = (distance(stick, s.tcp) < 0.02) & (s.openness > 0) & (stick[:, 2] - 0.01 > start[:, 2])
    moved = torch.where(d <= 0.12, SUCCESS, 2.0 + 5.0 * stick_in_place + 3.0 * in_place)
    # Success asks for the grasp as well: both pads press on the stick, which is up.
    grasped = s.touch & (s.openness > 0) & (s.obj[:, 2] - 0.01 > start[:, 2])
    return torch.where(held, moved, grasp), grasped & (d <= 0.12)


def stick_push_v1(s: State) -> tuple[Tensor, Tensor]:
    reward = _stick_v1(s, 0.001, 0.0001)
    return reward, torch.zeros_like(s.touch)


def inserted(s: State) -> Tensor:
    end, handle = s.points[STICK_END], s.obj2
    aside = (end - handle).abs()
    return (end[:, 0] >= handle[:, 0]) & (aside[:, 1] <= 0.04) & (aside[:, 2] <= 0.06)


def stick_pull(s: State) -> tuple[Tensor, Tensor]:
    stick, start, scale = s.obj, s.start["stick"], (1.0, 1.0, 2.0)
    container = shift(s.obj2, x=0.05)
    in_place = tolerance(scaled(stick, container, scale), 0.05, scaled(start, shift(s.obj_init, x=0.05), scale))
    stick_there = tolerance(distance(stick, s.goal), 0.05, distance(start, s.goal))
    there = tolerance(distance(container, s.goal), 0.05, distance(s.obj_init, s.goal))
    held = (distance(stick, s.tcp) < 0.02) & (s.openness > 0) & (stick[:, 2] - 0.01 > start[:, 2])
    grasp = torch.where(held, 1.0, caging(s, stick, radius=0.014, pad=0.05, plane=0.01))
    base = hamacher(grasp, in_place)
    near, hooked = distance(s.obj2, s.goal) <= 0.12, inserted(s)
    pulled = torch.where(near, SUCCESS, base + 6.0 + 2.0 * stick_there + there)
    reward = torch.where(held, torch.where(hooked, pulled, base + 1.0 + 5.0 * in_place), base)
    return reward, near & hooked


def stick_pull_v1(s: State) -> tuple[Tensor, Tensor]:
    success = (distance(s.obj2, s.goal) <= 0.12) & inserted(s)
    return _stick_v1(s, 0.01, 0.001), success


def _stick_v1(s: State, wide: float, narrow: float) -> Tensor:
    # V1 reads the container at the wrong place of the observation: the stick's height and half of its quaternion.
    container = torch.cat((s.obj[:, 2:], s.quat[:, :2]), 1)
    d, place, z = level(container, s.goal), distance(s.obj, container), s.obj[:, 2]
    reach, reward = v1.approach(s, s.obj, None)
    up = (z >= s.start["lift"] - 0.01) & ~v1.dropped(s, z, d, reach)
    moved = torch.where(place < 0.05, v1.bonus(d, s.start["far"], wide, narrow, 2000.0), 0.0)
    moved = (v1.bonus(place, s.start["to_stick"]) + moved).clamp_min(0.0)
    return reward + v1.lifting(s, z, reach, up) + torch.where(up & (reach < 0.1), moved, 0.0)


_FRONT = (0.0, 0.4, 0.2)
_NUT = (Point("site:RoundNut-8", "body:RoundNut", False),)

TASKS = (
    SawyerTask(
        0, "assembly", "sawyer_assembly_peg.xml", _NUT, (0.0, 0.6, 0.02, -0.1, 0.75, 0.1), (0.0, 0.6, 0.02, 0.1, 0.85, 0.1),
        assembly_reset, assembly, assembly_v1, 0.1, points=(NUT, "body:RoundNut"),
    ),
    SawyerTask(
        12, "disassemble", "sawyer_assembly_peg.xml", _NUT,
        (0.0, 0.6, 0.025, -0.1, 0.6, 0.1699), (0.1, 0.75, 0.02501, 0.1, 0.75, 0.1701),
        disassemble_reset, disassemble, disassemble_v1, 0.1, hand=_FRONT, points=(NUT, "body:RoundNut"),
    ),
    SawyerTask(
        22, "hammer", "sawyer_hammer.xml", (body("hammer"), body("nail_link")), (-0.1, 0.4, 0.0), (0.1, 0.5, 0.0),
        hammer_reset, hammer, hammer_v1, hand=_FRONT, points=("geom:HammerHead", "site:nailHead"), joint="NailSlideJoint",
    ),
    SawyerTask(
        3, "box_close", "sawyer_box.xml", (body("top_link"),),
        (-0.05, 0.5, 0.02, -0.1, 0.7, 0.133), (0.05, 0.55, 0.02, 0.1, 0.8, 0.133), box_reset, box_close, box_close_v1, 0.25,
    ),
    SawyerTask(
        35, "peg_insert_side", "sawyer_peg_insertion_side.xml", (Point("site:pegGrasp", "site:pegGrasp"),),
        (0.0, 0.5, 0.02, -0.35, 0.4, -0.001), (0.2, 0.7, 0.02, -0.25, 0.7, 0.001),
        peg_insert_reset, peg_insert, peg_insert_v1, 0.1, points=(HEAD,),
    ),
    SawyerTask(
        36, "peg_unplug_side", "sawyer_peg_unplug_side.xml", (Point("site:pegEnd", "body:plug1", False),),
        (-0.25, 0.6, -0.001), (-0.15, 0.8, 0.001), peg_unplug_reset, peg_unplug, peg_unplug_v1,
    ),
    SawyerTask(
        38, "stick_push", "sawyer_stick_obj.xml", (STICK, Point("site:insertion", offset=(0.0, 0.09, 0.0))),
        (-0.08, 0.58, 0.0, 0.399, 0.55, 0.1319), (-0.03, 0.62, 0.001, 0.401, 0.6, 0.1321),
        stick_push_reset, stick_push, stick_push_v1, 0.1, touch=True,
        dead_v1="it asks for a gripper opening above 0 and itself reports 0",
    ),
    SawyerTask(
        39, "stick_pull", "sawyer_stick_obj.xml", (STICK, Point("site:insertion")),
        (-0.1, 0.55, 0.0, 0.35, 0.45, 0.0199), (0.0, 0.65, 0.001, 0.45, 0.55, 0.0201),
        stick_pull_reset, stick_pull, stick_pull_v1, 0.1, mocap_low=(-0.5, 0.35, 0.05), points=(STICK_END,),
    ),
)  # fmt: skip
