"""Isaac Gym's ``terrain_utils``: height fields from simple shapes, and the triangle mesh of a height field.

Every function changes a :class:`SubTerrain` in place and returns it. Lengths are metres; heights are stored as integers in
units of ``vertical_scale``. Random numbers come from numpy's global generator, which clients seed.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import RegularGridInterpolator

__all__ = [
    "SubTerrain",
    "convert_heightfield_to_trimesh",
    "discrete_obstacles_terrain",
    "pyramid_sloped_terrain",
    "pyramid_stairs_terrain",
    "random_uniform_terrain",
    "sloped_terrain",
    "stairs_terrain",
    "stepping_stones_terrain",
    "wave_terrain",
]


class SubTerrain:
    """A tile of ground.

    Attributes:
        height_field_raw: (width, length) int16, heights in units of ``vertical_scale``; width along x, length along y.
        horizontal_scale: metres between points.
        vertical_scale: metres of one unit of height.
    """

    def __init__(
        self,
        terrain_name: str = "terrain",
        width: int = 256,
        length: int = 256,
        vertical_scale: float = 1.0,
        horizontal_scale: float = 1.0,
    ) -> None:
        self.terrain_name = terrain_name
        self.vertical_scale = vertical_scale
        self.horizontal_scale = horizontal_scale
        self.width = width
        self.length = length
        self.height_field_raw = np.zeros((width, length), dtype=np.int16)

    def units(self, height: float) -> int:
        """A height (metres) in units of ``vertical_scale``, towards zero."""
        return int(height / self.vertical_scale)

    def points(self, length: float) -> int:
        """A length (metres) in points, towards zero."""
        return int(length / self.horizontal_scale)


def random_uniform_terrain(
    terrain: SubTerrain,
    min_height: float,
    max_height: float,
    step: float = 1,
    downsampled_scale: float | None = None,
) -> SubTerrain:
    """Add heights drawn from ``min_height``, ``min_height + step``, ..., ``max_height`` at points ``downsampled_scale`` m
    apart (None: at every point), linear in between."""
    spacing = terrain.horizontal_scale if downsampled_scale is None else downsampled_scale
    low, high = terrain.units(min_height), terrain.units(max_height)
    levels = np.arange(low, high + 1, max(terrain.units(step), 1))
    size = terrain.width * terrain.horizontal_scale, terrain.length * terrain.horizontal_scale
    coarse = np.random.choice(levels, tuple(max(int(s / spacing), 2) for s in size))
    axes = [np.linspace(0.0, s, n) for s, n in zip(size, coarse.shape, strict=True)]
    at = [np.linspace(0.0, s, n) for s, n in zip(size, terrain.height_field_raw.shape, strict=True)]
    heights = RegularGridInterpolator(axes, coarse.astype(float))(np.stack(np.meshgrid(*at, indexing="ij"), axis=-1))
    terrain.height_field_raw += np.rint(heights).astype(np.int16)
    return terrain


def sloped_terrain(terrain: SubTerrain, slope: float = 1) -> SubTerrain:
    """Add a plane that rises along x by ``slope`` (its tangent)."""
    rise = slope * terrain.horizontal_scale / terrain.vertical_scale
    terrain.height_field_raw += (rise * np.arange(terrain.width)).astype(np.int16)[:, None]
    return terrain


def pyramid_sloped_terrain(terrain: SubTerrain, slope: float = 1, platform_size: float = 1.0) -> SubTerrain:
    """Add a pyramid in the middle, cut off where its platform is ``platform_size`` metres wide; a negative slope digs."""
    centre = terrain.width // 2, terrain.length // 2
    x, y = (
        (c - np.abs(c - np.arange(n))) / max(c, 1) for c, n in zip(centre, terrain.height_field_raw.shape, strict=True)
    )
    top = slope * terrain.horizontal_scale / terrain.vertical_scale * (terrain.width / 2)
    heights = terrain.height_field_raw + (top * np.outer(x, y)).astype(np.int16)
    half = terrain.points(platform_size / 2)
    edge = int(heights[max(centre[0] - half, 0), max(centre[1] - half, 0)])
    terrain.height_field_raw = np.clip(heights, min(edge, 0), max(edge, 0)).astype(np.int16)
    return terrain


def discrete_obstacles_terrain(
    terrain: SubTerrain,
    max_height: float,
    min_size: float,
    max_size: float,
    num_rects: int,
    platform_size: float = 1.0,
) -> SubTerrain:
    """Set rectangles, each with sides of ``min_size`` to ``max_size``, to plus or minus ``max_height`` or half of it; the
    platform in the middle stays at zero."""
    height = terrain.units(max_height)
    levels = [-height, -height // 2, height // 2, height]
    least = max(terrain.points(min_size), 1)
    sides = np.arange(least, max(terrain.points(max_size), least + 1), 4)
    n, m = terrain.height_field_raw.shape
    for _ in range(num_rects):
        width, length = np.random.choice(sides), np.random.choice(sides)
        i = np.random.choice(np.arange(0, max(n - width, 1), 4))
        j = np.random.choice(np.arange(0, max(m - length, 1), 4))
        terrain.height_field_raw[i : i + width, j : j + length] = np.random.choice(levels)
    _flatten_middle(terrain, platform_size)
    return terrain


def wave_terrain(terrain: SubTerrain, num_waves: int = 1, amplitude: float = 1.0) -> SubTerrain:
    """Add a sine along x and a cosine along y, ``num_waves`` periods of each; together they reach ``amplitude`` metres."""
    if num_waves > 0:
        half = 0.5 * amplitude / terrain.vertical_scale
        turn = 2.0 * np.pi * num_waves / terrain.length
        x, y = np.arange(terrain.width)[:, None], np.arange(terrain.length)[None]
        terrain.height_field_raw += (half * np.cos(turn * y) + half * np.sin(turn * x)).astype(np.int16)
    return terrain


def stairs_terrain(terrain: SubTerrain, step_width: float, step_height: float) -> SubTerrain:
    """Add stairs that rise along x from the first step on."""
    width, height = max(terrain.points(step_width), 1), terrain.units(step_height)
    count = terrain.width // width
    steps = np.repeat(np.arange(1, count + 1), width) * height
    terrain.height_field_raw[: count * width] += steps.astype(np.int16)[:, None]
    return terrain


def pyramid_stairs_terrain(
    terrain: SubTerrain, step_width: float, step_height: float, platform_size: float = 1.0
) -> SubTerrain:
    """Set square stairs that rise (or sink) from all sides to a platform at least ``platform_size`` metres wide."""
    width, height, platform = terrain.points(step_width), terrain.units(step_height), terrain.points(platform_size)
    if width < 1:
        raise ValueError(f"pyramid_stairs_terrain: a step of {step_width} m is narrower than the points' distance")
    n, m = terrain.height_field_raw.shape
    level, margin = 0, 0
    while n - 2 * margin > platform and m - 2 * margin > platform:
        margin += width
        level += height
        terrain.height_field_raw[margin : n - margin, margin : m - margin] = level
    return terrain


def stepping_stones_terrain(
    terrain: SubTerrain,
    stone_size: float,
    stone_distance: float,
    max_height: float,
    platform_size: float = 1.0,
    depth: float = -10,
) -> SubTerrain:
    """Set square stones, ``stone_size`` wide and ``stone_distance`` apart, with heights of at most ``max_height``, in ground
    at ``depth``; rows of stones begin at random, and the platform in the middle is at zero."""
    size, gap = max(terrain.points(stone_size), 1), terrain.points(stone_distance)
    height = terrain.units(max_height)
    levels = np.arange(-height - 1, height, step=1) if height > 0 else np.zeros(1, dtype=int)
    terrain.height_field_raw[:] = terrain.units(depth)
    # Rows follow the longer side; within each, stones follow the shorter one.
    field = terrain.height_field_raw if terrain.length >= terrain.width else terrain.height_field_raw.T
    across, along = field.shape
    for j in range(0, along, size + gap):
        shift = np.random.randint(0, size)
        field[: max(0, shift - gap), j : j + size] = np.random.choice(levels)
        for i in range(shift, across, size + gap):
            field[i : i + size, j : j + size] = np.random.choice(levels)
    _flatten_middle(terrain, platform_size)
    return terrain


def convert_heightfield_to_trimesh(
    height_field_raw: np.ndarray,
    horizontal_scale: float,
    vertical_scale: float,
    slope_threshold: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Two triangles for each square of four neighbouring points.

    Where the ground is steeper than ``slope_threshold`` (its tangent), the lower point is moved below (or above) its higher
    neighbour, which makes the slope a vertical wall.

    Returns:
        vertices (n * m, 3) float32, metres; triangles (2 (n - 1) (m - 1), 3) uint32, seen from above counter-clockwise.
    """
    heights = np.asarray(height_field_raw)
    n, m = heights.shape
    i, j = np.meshgrid(np.arange(n), np.arange(m), indexing="ij")
    shift_x, shift_y = np.zeros((n, m)), np.zeros((n, m))
    if slope_threshold is not None:
        least = slope_threshold * horizontal_scale / vertical_scale
        h = heights.astype(np.float64)
        up_x, up_y, up_xy = (h[1:] - h[:-1] > least), (h[:, 1:] - h[:, :-1] > least), (h[1:, 1:] - h[:-1, :-1] > least)
        down_x, down_y = (h[:-1] - h[1:] > least), (h[:, :-1] - h[:, 1:] > least)
        down_xy = h[:-1, :-1] - h[1:, 1:] > least
        shift_x[:-1] += up_x
        shift_x[1:] -= down_x
        shift_y[:, :-1] += up_y
        shift_y[:, 1:] -= down_y
        corner = np.zeros((n, m))
        corner[:-1, :-1] += up_xy
        corner[1:, 1:] -= down_xy
        shift_x += corner * (shift_x == 0)
        shift_y += corner * (shift_y == 0)
    vertices = np.stack(
        [(i + shift_x) * horizontal_scale, (j + shift_y) * horizontal_scale, heights * float(vertical_scale)], axis=-1
    )
    corner00 = (i * m + j)[:-1, :-1].ravel()
    corner01, corner10, corner11 = corner00 + 1, corner00 + m, corner00 + m + 1
    triangles = np.stack([corner00, corner11, corner01, corner00, corner10, corner11], axis=1).reshape(-1, 3)
    return vertices.reshape(-1, 3).astype(np.float32), triangles.astype(np.uint32)


def _flatten_middle(terrain: SubTerrain, platform_size: float) -> None:
    """A platform at height zero, ``platform_size`` metres wide."""
    n, m = terrain.height_field_raw.shape
    half = terrain.points(platform_size) // 2
    terrain.height_field_raw[max(n // 2 - half, 0) : n // 2 + half, max(m // 2 - half, 0) : m // 2 + half] = 0
