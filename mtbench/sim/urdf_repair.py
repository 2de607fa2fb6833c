"""URDF files as they are found: what is missing, repeated or unsound is completed before and after MuJoCo's parser.

Isaac Gym loads such files, so their owners never noticed. What cannot be completed is refused in one sentence with the file,
the element and the reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

import mujoco
import numpy as np

from . import mesh_files
from .checks import warn
from .datatypes import AssetOptions

#: MuJoCo keeps this name for itself.
RESERVED = "world"
#: Types of joints that are read.
JOINTS = "revolute", "continuous", "prismatic", "planar", "fixed"
#: A joint whose limits are equal has this much room (rad or m): MuJoCo wants some.
PLAY = 1e-6
#: Links that may hang on each other in a row.
DEEPEST = 300


_AMOUNT = {0: "some numbers", 1: "a number"}


@dataclass(frozen=True)
class _Inertia:
    """An inertia that the shapes of a link give: of ``mass`` (kg), or ``density`` (kg/m^3); and its stated centre."""

    mass: float | None = None
    density: float | None = None
    com: list[float] | None = None


class UrdfRepair:
    """The repair of one file: the ``<robot>`` is changed at once, the rest follows in :meth:`finish`.

    Attributes:
        fixed_joints: names of fixed joints, by the link that hangs on each.
        aliases: names of links that MuJoCo cannot have -> the file's.

    Raises:
        ValueError: something that cannot be completed.
    """

    def __init__(self, robot: Element, path: Path, options: AssetOptions) -> None:
        self.robot, self.path, self.options = robot, path, options
        self.aliases: dict[str, str] = {}
        self._inertias: dict[str, _Inertia] = {}
        self._meshes: dict[str, list[tuple[str, list[float]] | None]] = {}
        self._balanced: list[str] = []
        self._check_numbers()
        self._name()
        self._check_tree()
        self.fixed_joints = {
            _link(j, "child"): j.get("name", "") for j in robot.findall("joint") if j.get("type") == "fixed"
        }
        for joint in robot.findall("joint"):
            self._joint(joint)
        for link in robot.findall("link"):
            self._inertial(link)
            self._shapes(link)
        if self._balanced:
            warn(
                f"asset file {path}: no body can have the inertia of link {', '.join(map(repr, self._balanced))} (one moment "
                "is larger than the sum of the others, or negative); the smaller moments are raised",
            )
        for element in list(robot):  # what MuJoCo's parser stumbles over and physics does not need
            if element.tag not in ("link", "joint"):
                robot.remove(element)

    def error(self, where: str, reason: str) -> ValueError:
        return ValueError(f"asset file {self.path}: {where}: {reason}")

    def _check_numbers(self) -> None:
        for owner in self.robot:
            where = f"{owner.tag} {owner.get('name', '')!r}"
            for element in owner.iter():
                for key, text in list(element.attrib.items()):
                    if key in ("name", "filename", "link", "type"):
                        continue
                    bad = [word for word in text.split() if _value(word) is not None and not math.isfinite(float(word))]
                    if not bad:
                        continue
                    if element.tag == "limit" and not any(math.isnan(float(word)) for word in bad):
                        del element.attrib[key]  # an infinite limit is none
                    else:
                        raise self.error(where, f"the {key} of <{element.tag}> is {text}, which is no finite number")

    def _name(self) -> None:
        """Give every link and joint a name of its own."""
        for kind in ("link", "joint"):
            seen: dict[str, Element] = {}
            repeated = []
            for k, element in enumerate(self.robot.findall(kind)):
                name = element.get("name") or f"{kind}_{k}"
                if name in seen and kind == "link":
                    self.robot.remove(element)  # joints mean the first
                    repeated.append(name)
                    continue
                if name in seen:
                    repeated.append(name)
                    name = next(n for i in range(1, len(seen) + 2) if (n := f"{name}_{i}") not in seen)
                element.set("name", name)
                seen[name] = element
            if repeated:
                done = "the first of each is taken" if kind == "link" else "later ones have a number added"
                names = ", ".join(map(repr, dict.fromkeys(repeated)))
                warn(f"asset file {self.path}: {kind} {names} is defined more than once; {done}")
        links = {link.get("name") for link in self.robot.findall("link")}
        if RESERVED in links:
            name = next(n for i in range(1, len(links) + 2) if (n := f"{RESERVED}_{i}") not in links)
            self.aliases[name] = RESERVED
            for element in self.robot.iter():
                key = "name" if element.tag == "link" else "link"
                if element.tag in ("link", "parent", "child") and element.get(key) == RESERVED:
                    element.set(key, name)

    def _check_tree(self) -> None:
        links = [link.get("name", "") for link in self.robot.findall("link")]
        if not links:
            raise self.error("<robot>", "it has no links")
        above: dict[str, str] = {}
        for joint in self.robot.findall("joint"):
            where = f"joint {joint.get('name')!r}"
            for end in ("parent", "child"):
                if _link(joint, end) not in links:
                    raise self.error(where, f"its {end} {_link(joint, end)!r} is no link of the file")
            child = _link(joint, "child")
            if child in above:
                raise self.error(where, f"its child {child!r} hangs on another joint already; a link has one parent")
            above[child] = _link(joint, "parent")
        roots = [name for name in links if name not in above]
        if len(roots) != 1:
            names = ", ".join(repr(self.aliases.get(r, r)) for r in roots)
            what = f"{len(roots)} links hang on no joint ({names})" if roots else "its joints form a ring"
            raise self.error("<robot>", f"{what}; a robot has one root link")
        for name in links:
            seen = {name}
            while name in above:
                name = above[name]
                if name in seen:
                    raise self.error(f"link {name!r}", "its joints form a ring")
                seen.add(name)
            if len(seen) > DEEPEST:
                raise self.error("<robot>", f"more than {DEEPEST} links hang on each other in a row")

    def _joint(self, joint: Element) -> None:
        """Limits that MuJoCo accepts: some room, in order."""
        where, limit = f"joint {joint.get('name')!r}", joint.find("limit")
        if joint.get("type") not in JOINTS:
            raise self.error(where, f"its type is {joint.get('type')!r}; there are {', '.join(JOINTS)}")
        axis = joint.find("axis")
        if axis is not None and joint.get("type") != "fixed" and not np.any(self._numbers(axis, "xyz", where, 3)):
            raise self.error(where, "its axis is zero")
        dynamics = joint.find("dynamics")
        if dynamics is not None:
            for key in ("damping", "friction"):
                if (value := self._numbers(dynamics, key, where, 1, "0")[0]) < 0.0:
                    raise self.error(where, f"the {key} of <dynamics> is {value:g}, and cannot be negative")
        if limit is not None:
            self._numbers(limit, "velocity", where, 1, "0")
        if limit is None or joint.get("type") not in ("revolute", "prismatic"):
            return
        lower, upper, _ = (self._numbers(limit, key, where, 1, "0")[0] for key in ("lower", "upper", "effort"))
        if "lower" in limit.attrib or "upper" in limit.attrib:
            if lower > upper:
                raise self.error(where, f"its lower limit {lower:g} is above its upper limit {upper:g}")
            if lower == upper:
                limit.set("upper", repr(upper + PLAY))
            limit.set("lower", repr(lower))
            limit.attrib.setdefault("upper", repr(upper))

    def _inertial(self, link: Element) -> None:
        """Leave an inertial that is complete and sound, and put down how to complete another."""
        inertials = link.findall("inertial")
        for inertial in inertials[1:]:
            link.remove(inertial)
        if not inertials:
            return
        where, name, inertial = f"link {link.get('name')!r}", link.get("name", ""), inertials[0]
        mass, density = (self._positive(inertial.find(tag), where) for tag in ("mass", "density"))
        origin = inertial.find("origin")
        com = None if origin is None else self._numbers(origin, "xyz", where, 3)
        element = inertial.find("inertia")
        matrix = np.zeros((3, 3))
        if element is not None:
            for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)):
                key = "i" + "xyz"[i] + "xyz"[j]
                matrix[i, j] = matrix[j, i] = self._numbers(element, key, where, 1, "0")[0]
        if mass is not None and np.any(matrix):
            balanced = _balanced(matrix)
            if balanced is not matrix and element is not None:
                self._balanced.append(name)
                for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)):
                    element.set("i" + "xyz"[i] + "xyz"[j], repr(float(balanced[i, j])))
            return
        link.remove(inertial)
        if mass is not None or density is not None:
            self._inertias[name] = _Inertia(mass, None if mass is not None else density, com)

    def _shapes(self, link: Element) -> None:
        """Physics needs no visuals. Meshes are set in :meth:`finish`, a sphere holds their place."""
        name = link.get("name", "")
        for visual in link.findall("visual"):
            link.remove(visual)
        meshes: list[tuple[str, list[float]] | None] = []
        for collision in link.findall("collision"):
            collision.attrib.pop("name", None)  # may be repeated; Isaac Gym has no names of shapes
            geometry = collision.find("geometry")
            shape = geometry[0] if geometry is not None and len(geometry) else None
            if geometry is None or shape is None:
                link.remove(collision)
                continue
            if shape.tag != "mesh":
                meshes.append(None)
                continue
            scale = self._numbers(shape, "scale", f"link {name!r}", 0, "1 1 1")
            meshes.append((shape.get("filename", ""), scale * 3 if len(scale) == 1 else scale))
            geometry.remove(shape)
            SubElement(geometry, "sphere", radius="1")
        self._meshes[name] = meshes

    def _positive(self, element: Element | None, where: str) -> float | None:
        """The value of ``<mass>`` or ``<density>``; None where there is none or zero."""
        if element is None:
            return None
        value = self._numbers(element, "value", where, 1, "0")[0]
        if value < 0.0:
            raise self.error(where, f"its {element.tag} is {value:g}")
        return value or None

    def _numbers(self, element: Element, key: str, where: str, count: int, default: str = "0 0 0") -> list[float]:
        """The numbers of an attribute, ``count`` of them (0: any number)."""
        text = element.get(key, default)
        try:
            values = [float(word) for word in text.split()]
        except ValueError:
            values = []
        if not values or (count and len(values) != count):
            raise self.error(
                where, f"the {key} of <{element.tag}> is {text!r}, not {_AMOUNT.get(count, f'{count} numbers')}"
            )
        return values

    def finish(self, spec: mujoco.MjSpec) -> None:
        """Set the meshes and the inertias that shapes give, in the specification that MuJoCo's parser has made."""
        made: dict[tuple, str] = {}
        for body in list(spec.bodies)[1:]:
            for geom, mesh in zip(body.geoms, self._meshes.get(body.name, []), strict=False):
                if mesh is not None:
                    geom.type = mujoco.mjtGeom.mjGEOM_MESH
                    geom.size = [0.0, 0.0, 0.0]
                    geom.meshname = self._mesh(spec, made, mesh[0], mesh[1], body.name)
        self._set_inertias(spec)

    def _mesh(self, spec: mujoco.MjSpec, made: dict[tuple, str], filename: str, scale: list[float], link: str) -> str:
        """The name of a mesh, which is made at its first use."""
        if (filename, *scale) in made:
            return made[filename, *scale]
        path = mesh_files.find(filename, self.path.parent)
        if path is None:
            raise self.error(f"link {link!r}", f"its mesh {filename!r} is not there")
        name = made[filename, *scale] = f"{link}: {path.name} ({len(made)})"  # MuJoCo's errors name it
        mesh = spec.add_mesh(name=name, scale=scale, inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX)
        if mesh_files.is_native(path):
            mesh.file = str(path)
        else:
            try:
                vertices, faces = mesh_files.triangles(path)
            except ValueError as error:
                raise self.error(f"link {link!r}, mesh {filename!r}", str(error)) from error
            mesh.uservert, mesh.userface = vertices.ravel(), faces.ravel()
        return name

    def _set_inertias(self, spec: mujoco.MjSpec) -> None:
        if not self._inertias:
            return
        measured = spec.copy()
        measured.compiler.fusestatic = False
        for body in measured.bodies:
            for geom in body.geoms:
                geom.density = 1.0
        # Only proportions are wanted: links without shapes must not stop the compiler.
        measured.compiler.boundmass = measured.compiler.boundinertia = 1e-12
        model = mesh_files.compile_spec(measured)
        for name, wanted in self._inertias.items():
            body, m = spec.body(name), model.body(name)
            volume = float(m.mass[0])
            shaped = any(g.contype or g.conaffinity for g in body.geoms)
            if wanted.density is not None:
                for geom in body.geoms:
                    geom.density = wanted.density
                continue
            assert wanted.mass is not None
            body.explicitinertial, body.mass = True, wanted.mass
            body.fullinertia = [np.nan] * 6
            if shaped:
                body.ipos = m.ipos if wanted.com is None else wanted.com
                body.iquat, body.inertia = m.iquat, m.inertia * (wanted.mass / volume)
            else:  # a ball of the asset's density
                radius = (3.0 * wanted.mass / (4.0 * math.pi * self.options.density)) ** (1.0 / 3.0)
                body.ipos = wanted.com or [0.0, 0.0, 0.0]
                body.inertia = [0.4 * wanted.mass * radius**2] * 3


def _balanced(matrix: np.ndarray) -> np.ndarray:
    """The matrix itself if a body can have it; else one with its axes, whose two smaller moments are raised alike, so that
    they sum to the largest."""
    moments, axes = np.linalg.eigh(matrix)
    if moments[0] > 0.0 and moments[0] + moments[1] >= moments[2] * (1.0 - 1e-9):
        return matrix
    moments = np.maximum(moments, 1e-3 * max(moments[2], 1e-9))
    lack = moments[2] - moments[0] - moments[1]
    moments[:2] += 0.5 * max(lack, 0.0) + 1e-9 * moments[2]
    moments[2] = max(moments)
    return axes @ np.diag(moments) @ axes.T


def _link(joint: Element, end: str) -> str:
    element = joint.find(end)
    return element.get("link", "") if element is not None else ""


def _value(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
