"""The ground that all environments stand on: a plane, and height maps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np

from .checks import shown
from .datatypes import PlaneParams
from .handles import call
from .pose_types import Transform

#: Corner x and y, and extent along x and y (metres), of the part of the ground that an environment holds.
Window = tuple[float, float, float, float]
BASE = 0.5  #: m of solid below the lowest point of a height map
MESH_CELL = 0.05  #: m between the points at which a triangle mesh is measured
MOST_POINTS = 100_000_000  #: of a triangle mesh: 500 m x 500 m, 1.2 GB
MESH_BLOCK = 1 << 14  #: triangles that are measured at a time


@dataclass(frozen=True, eq=False)
class HeightMap:
    """Heights at points ``step`` apart, linear in between.

    Attributes:
        heights: (n, m) float32, metres, x slow and y fast.
        corner: x, y and z (metres) of the point [0, 0] at height 0.
        step: metres along x and y.
        friction: coefficient.
    """

    heights: np.ndarray
    corner: tuple[float, float, float]
    step: tuple[float, float]
    friction: float

    @property
    def span(self) -> tuple[float, float]:
        """Lowest height and its distance to the highest, which MuJoCo wants positive."""
        low = float(self.heights.min())
        return low, max(float(self.heights.max()) - low, 1e-3)

    def part(self, window: Window | None) -> tuple[np.ndarray, tuple[float, float]]:
        """The heights within a window, and where the first of them stands. The number of points depends on the window's
        extent alone: at the edge of the map it takes in less on one side and more on the other."""
        if window is None:
            return self.heights, self.corner[:2]
        first, count = [], []
        for axis in (0, 1):
            size, step = self.heights.shape[axis], self.step[axis]
            points = min(round(window[2 + axis] / step) + 1, size)
            begin = round((window[axis] - self.corner[axis]) / step)
            first.append(min(max(begin, 0), size - points))
            count.append(points)
        (i, j), (n, m) = first, count
        return self.heights[i : i + n, j : j + m], (
            self.corner[0] + i * self.step[0],
            self.corner[1] + j * self.step[1],
        )


@dataclass(eq=False)
class Ground:
    """What ``add_ground``, ``add_heightfield`` and ``add_triangle_mesh`` made; every environment holds all of it, in the same
    place, or the part of the height maps within its window."""

    plane: PlaneParams | None = None
    maps: list[HeightMap] = field(default_factory=list)

    @property
    def friction(self) -> float | None:
        """Coefficient of all of it; None where its parts differ, or there is none."""
        found = {height_map.friction for height_map in self.maps}
        if self.plane is not None:
            found.add(self.plane.static_friction)
        return found.pop() if len(found) == 1 else None

    def add_to(self, spec: mujoco.MjSpec, window: Window | None) -> list[mujoco.MjsGeom]:
        """Add the geoms to a model under construction; :meth:`fill` writes the heights once it is compiled."""
        geoms = []
        if self.plane is not None:
            geom = spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0.0, 0.0, 1.0])
            normal = self.plane.normal
            unit = np.array([normal.x, normal.y, normal.z], dtype=float)
            unit /= np.linalg.norm(unit)
            geom.pos = -self.plane.distance * unit
            mujoco.mju_quatZ2Vec(geom.quat, unit)
            geom.friction[0] = self.plane.static_friction
            geoms.append(geom)
        for k, height_map in enumerate(self.maps):
            heights, (dx, dy) = height_map.part(window)[0], height_map.step
            n, m = heights.shape
            size = [dx * (n - 1) / 2, dy * (m - 1) / 2, height_map.span[1], BASE]
            spec.add_hfield(name=f"ground{k}", nrow=m, ncol=n, size=size, userdata=heights.T.ravel())
            geom = spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_HFIELD, hfieldname=f"ground{k}")
            geom.friction[0] = height_map.friction
            geoms.append(geom)
        return geoms

    def fill(self, model: mujoco.MjModel, window: Window | None) -> None:
        """Write the heights within a window into a compiled model, and put its geoms there."""
        geoms = np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_HFIELD)
        for k, height_map in enumerate(self.maps):
            heights, (x, y) = height_map.part(window)
            low, span = height_map.span
            adr, (rx, ry, *_) = model.hfield_adr[k], model.hfield_size[k]
            model.hfield_data[adr : adr + heights.size] = ((heights - low) / span).T.ravel()
            model.geom_pos[geoms[k]] = x + rx, y + ry, height_map.corner[2] + low


def array(values: Any, what: str) -> np.ndarray:
    """Finite numbers from whatever is an array of them.

    Raises:
        TypeError, ValueError: it is not.
    """
    try:
        out = np.asarray(values)
    except (TypeError, ValueError) as error:  # rows of different lengths, or on a GPU
        raise TypeError(f"{call()}: {what} is an array of numbers, not {shown(values)}") from error
    if out.dtype.kind not in "biuf":
        raise TypeError(f"{call()}: {what} is an array of numbers, not {shown(values)}")
    if not np.isfinite(out).all():
        raise ValueError(
            f"{call()}: {what} must be finite, and {(~np.isfinite(out)).sum()} of {out.size} numbers are not"
        )
    return out


def from_samples(
    samples: np.ndarray, rows: int, columns: int, scale: tuple[float, float, float], pose: Transform, friction: float
) -> HeightMap:
    """Of integer heights in Isaac Gym's order.

    Args:
        samples: (columns * rows,), rows (along y) fastest.
        scale: metres between columns (along x) and rows, and the unit of the samples.

    Raises:
        ValueError: another number of samples, fewer than two along an axis, or a pose that turns.
    """
    if samples.size != rows * columns or min(rows, columns) < 2:
        size = f"{columns} columns and {rows} rows"
        raise ValueError(
            f"{call()}: a height field of {size} cannot have {samples.size} samples; it has 2 x 2 at least"
        )
    heights = samples.reshape(columns, rows).astype(np.float32) * np.float32(scale[2])
    return HeightMap(heights, _level(pose), scale[:2], friction)


def from_triangles(vertices: np.ndarray, triangles: np.ndarray, pose: Transform, friction: float) -> HeightMap:
    """The upper surface of a triangle mesh, measured every ``MESH_CELL``; where there is none, the mesh's lowest height.

    Args:
        vertices: (n, 3) metres, or flat.
        triangles: (m, 3) indices of vertices, or flat.

    Raises:
        TypeError, ValueError: other shapes, numbers that cannot be, no triangle that can be seen from above, a mesh of more
            than ``MOST_POINTS``, or a pose that turns.
    """
    given = array(vertices, "vertices"), array(triangles, "triangles")
    for values, what in zip(given, ("vertices", "triangles"), strict=True):
        if values.size % 3:
            raise ValueError(f"{call()}: {what} are three numbers each, and {values.size} are given")
    if (given[1] % 1 != 0).any():
        raise ValueError(f"{call()}: triangles are indices of vertices, integers")
    points, faces = given[0].reshape(-1, 3).astype(np.float64), given[1].reshape(-1, 3).astype(np.int64)
    if not len(faces) or faces.min() < 0 or faces.max() >= len(points):
        raise ValueError(f"{call()}: triangles must name vertices 0..{len(points) - 1}")
    used = np.zeros(len(points), dtype=bool)
    used[faces.ravel()] = True
    low, high = (np.array([bound(points[used, k]) for k in range(3)]) for bound in (np.min, np.max))
    size = np.ceil((high - low)[:2] / MESH_CELL).astype(int) + 1
    if size.prod(dtype=float) > MOST_POINTS:
        extent = f"{high[0] - low[0]:g} m x {high[1] - low[1]:g} m"
        raise ValueError(
            f"{call()}: the mesh extends over {extent}, more than {MOST_POINTS:,} points {MESH_CELL} m apart; "
            "is a vertex astray?"
        )
    points[:, :2] = (points[:, :2] - low[:2]) / MESH_CELL
    heights = np.full(size, low[2])
    # Blocks whose numbers fit into a processor's cache take a third of the time of all at once.
    blocks = range(0, len(faces), MESH_BLOCK)
    seen = [_measure(heights, points[faces[k : k + MESH_BLOCK]]) for k in blocks] if size.min() > 1 else []
    if not any(seen):
        raise ValueError(f"{call()}: the mesh has no triangle that can be seen from above")
    x, y, z = _level(pose)
    corner = float(low[0]) + x, float(low[1]) + y, z
    return HeightMap(heights.astype(np.float32), corner, (MESH_CELL, MESH_CELL), friction)


def _measure(heights: np.ndarray, corners: np.ndarray) -> bool:
    """Raise heights (n, m) to triangles (k, 3, 3) above them, x and y in steps of the heights; whether any can be seen from
    above."""
    e, f = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = e[:, 0] * f[:, 1] - e[:, 1] * f[:, 0]
    seen = np.abs(area) > 1e-9
    corners, e, f, area = corners[seen], e[seen], f[seen], area[seen]
    x, y = corners[..., 0], corners[..., 1]
    first_x, first_y = (np.ceil(c.min(axis=1) - 1e-6).astype(int) for c in (x, y))
    n, m = (np.floor(c.max(axis=1) + 1e-6).astype(int) + 1 - c0 for c, c0 in ((x, first_x), (y, first_y)))
    # The barycentric coordinates u and v, and the height, are linear in the point's place.
    start_x, start_y = first_x - x[:, 0], first_y - y[:, 0]
    u_x, u_y, v_x, v_y = f[:, 1] / area, -f[:, 0] / area, -e[:, 1] / area, e[:, 0] / area
    u, v = start_x * u_x + start_y * u_y, start_x * v_x + start_y * v_y
    columns = np.stack([u, u_x, u_y, v, v_x, v_y, corners[:, 0, 2], e[:, 2], f[:, 2]])
    first = first_x * heights.shape[1] + first_y
    flat = heights.reshape(-1)
    # Triangles with equal extents are measured together, point by point of their boxes; few large ones one by one.
    kind = n * (heights.shape[1] + 1) + m
    order = np.argsort(kind, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(kind[order])) + 1):
        if not len(group) or n[group[0]] < 1 or m[group[0]] < 1:
            continue  # between the points
        box = np.indices((n[group[0]], m[group[0]])).reshape(2, -1)
        few = len(group) < box.shape[1]
        for chosen in group[:, None] if few else [group]:
            u, u_x, u_y, v, v_x, v_y, z, z_u, z_v = columns[:, chosen]
            for i, j in [box] if few else box.T:
                at_u, at_v = u + i * u_x + j * u_y, v + i * v_x + j * v_y
                inside = (at_u >= -1e-6) & (at_v >= -1e-6) & (at_u + at_v <= 1.0 + 1e-6)
                height = z + at_u * z_u + at_v * z_v
                np.maximum.at(flat, (first[chosen] + (i * heights.shape[1] + j))[inside], height[inside])
    return bool(seen.any())


def _level(pose: Transform) -> tuple[float, float, float]:
    r = pose.r.normalize()
    if abs(r.w) < 1.0 - 1e-6:
        raise ValueError(f"{call()}: the ground's transform may move it, not turn it")
    return pose.p.x, pose.p.y, pose.p.z
