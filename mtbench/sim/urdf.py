"""What Isaac Gym reads of a URDF file and MuJoCo does not: order of siblings, joints that are not to be collapsed, speeds."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np
from scipy.spatial.transform import Rotation


@dataclass(frozen=True)
class Notes:
    """What a file says of its links and joints beyond what MuJoCo reads.

    Attributes:
        kept_links: links on a fixed joint marked ``dont_collapse``, which ``collapse_fixed_joints`` leaves.
        velocity_limits: ``<limit velocity>`` (rad/s or m/s) by joint name, where a positive one is given.
    """

    kept_links: frozenset[str]
    velocity_limits: dict[str, float]

    @classmethod
    def read(cls, robot: Element) -> Notes:
        """Of a ``<robot>``."""
        limits = {}
        for joint in robot.findall("joint"):
            limit = joint.find("limit")
            velocity = float(limit.get("velocity", 0.0)) if limit is not None else 0.0
            if velocity > 0.0:
                limits[joint.get("name", "")] = velocity
        return cls(frozenset(_child(j) for j in robot.findall("joint") if _is_kept(j)), limits)


def arrange(robot: Element, collapse: bool) -> None:
    """Sort the joints of a ``<robot>`` by name, which is the order of siblings in Isaac Gym, whatever the file says.

    With ``collapse``, links on a fixed joint will be merged into their parents, so their children are hung on those first:
    children of a merged link are sorted among their new siblings.
    """
    joints = robot.findall("joint")
    if collapse:
        merged = {_child(j): j for j in joints if j.get("type") == "fixed" and not _is_kept(j)}
        for joint in joints:
            _hang_on_kept(joint, merged)
    for joint in joints:
        robot.remove(joint)
    robot.extend(sorted(joints, key=lambda joint: joint.get("name", "")))


def _is_kept(joint: Element) -> bool:
    return joint.get("type") == "fixed" and joint.get("dont_collapse", "false").strip().lower() in ("true", "1")


def _hang_on_kept(joint: Element, merged: dict[str, Element]) -> None:
    """Give a joint, in place of a parent that will be merged, the one it will be merged into."""
    parent = joint.find("parent")
    seen: set[str] = set()
    while parent is not None and (link := parent.get("link", "")) in merged and link not in seen:
        seen.add(link)
        above = merged[link]
        _set_pose(joint, _pose(above) @ _pose(joint))
        grandparent = above.find("parent")
        parent.set("link", grandparent.get("link", "") if grandparent is not None else "")


def _child(joint: Element) -> str:
    child = joint.find("child")
    return child.get("link", "") if child is not None else ""


def _pose(joint: Element) -> np.ndarray:
    """Homogeneous (4, 4) transform of a joint's ``<origin>``."""
    origin, pose = joint.find("origin"), np.eye(4)
    if origin is not None:
        pose[:3, 3] = [float(x) for x in origin.get("xyz", "0 0 0").split()]
        rpy = [float(x) for x in origin.get("rpy", "0 0 0").split()]
        pose[:3, :3] = Rotation.from_euler("xyz", rpy).as_matrix()
    return pose


def _set_pose(joint: Element, pose: np.ndarray) -> None:
    origin = joint.find("origin")
    if origin is None:
        origin = Element("origin")
        joint.append(origin)
    rpy = Rotation.from_matrix(pose[:3, :3]).as_euler("xyz")
    origin.set("xyz", " ".join(repr(float(x)) for x in pose[:3, 3]))
    origin.set("rpy", " ".join(repr(float(x)) for x in rpy))
