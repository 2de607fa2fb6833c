"""Many terrains side by side in one height field, as Isaac Gym's legged robots use it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isaacgymenvs_tasks.parkour.terrain.spec import TerrainSpec
from isaacgymenvs_tasks.parkour.terrain.tile import CELL, LENGTH, SHAPE, START, WIDTH, Tile

VERTICAL_SCALE = 0.005  #: m, unit of the integer heights
RIM, RIM_HEIGHT = 2, 0.495  #: cells and m, the wall around a tile
ROUGH_SPACING = 0.075  #: m, between the random points of the roughness
ROUGH_AMPLITUDE = (0.02, 0.04)  #: m, range of its amplitude, drawn once a tile


@dataclass(frozen=True)
class TerrainGrid:
    """``rows`` x ``cols`` tiles, rows along x and columns along y, and a level border around them.

    The world's origin is the corner of tile (0, 0); the cell [0, 0] of ``heights`` begins at (-border, -border).

    Attributes:
        heights: int16, units of ``vertical_scale``, (2 border / cell + 360 rows, 2 border / cell + 80 cols).
        horizontal_scale, vertical_scale: metres.
        border: metres.
        names: family of each column.
        difficulties: (rows,) of each row.
        origins: (rows, cols, 3) float32, where a robot begins, on the ground, world frame.
        goals: (rows, cols, 8, 3) float32, on the ground, world frame.
    """

    heights: np.ndarray
    horizontal_scale: float
    vertical_scale: float
    border: float
    names: tuple[str, ...]
    difficulties: np.ndarray
    origins: np.ndarray
    goals: np.ndarray


def build(
    families: Sequence[TerrainSpec],
    difficulties: Sequence[float] | np.ndarray,
    seed: int,
    rows: int,
    cols: int,
    rough: bool = True,
    border: float = 5.0,
) -> TerrainGrid:
    """Lay out terrains in a grid.

    Families and difficulties are spread evenly over columns and rows: row r has ``difficulties[r * len // rows]``. So
    ``[0.0]`` with ten rows gives ten different easiest terrains of each family. A terrain depends on the seed, its family,
    the row, and how many columns before it have the same family, not on which other families there are.

    Args:
        rough: add the reference's roughness, up to 0.02 ... 0.04 m. Every tile has a rim 0.1 m wide and 0.495 m high.
        border: metres of level ground around the tiles.

    Raises:
        ValueError: no families or difficulties, more of them than columns or rows, or a difficulty outside [0, 1].
    """
    difficulties = np.asarray(difficulties, dtype=np.float64)
    for what, many, places, count in (
        ("families", len(families), "columns", cols),
        ("difficulties", len(difficulties), "rows", rows),
    ):
        if not 1 <= many <= count:
            raise ValueError(f"{many} {what} do not fit {count} {places}")
    specs = [families[c * len(families) // cols] for c in range(cols)]
    levels = difficulties[np.arange(rows) * len(difficulties) // rows]
    edge = round(border / CELL)
    heights = np.zeros((2 * edge + rows * SHAPE[0], 2 * edge + cols * SHAPE[1]), np.int16)
    origins, goals = np.zeros((rows, cols, 3), np.float32), np.zeros((rows, cols, 8, 3), np.float32)
    for c, spec in enumerate(specs):
        copy = sum(other is spec for other in specs[:c])
        for r, level in enumerate(levels):
            rng = np.random.default_rng((seed, spec.task_id, r, copy))
            tile, stops = spec.generate(float(level), rng)
            tile = (tile + roughness(rng) if rough else tile).astype(np.float32)
            corner = np.array((r * LENGTH, c * WIDTH, 0.0), np.float32)
            begin = np.array((*START, 0.0), np.float32)
            for points in (stops, begin[None]):
                points[:, 2] = tile[Tile.index(points[:, 0]), Tile.index(points[:, 1])]
            origins[r, c], goals[r, c] = begin + corner, stops + corner
            for part in (tile[:RIM], tile[-RIM:], tile[:, :RIM], tile[:, -RIM:]):
                part[:] = RIM_HEIGHT
            i, j = edge + r * SHAPE[0], edge + c * SHAPE[1]
            heights[i : i + SHAPE[0], j : j + SHAPE[1]] = np.rint(tile / VERTICAL_SCALE)
    names = tuple(spec.name for spec in specs)
    return TerrainGrid(heights, CELL, VERTICAL_SCALE, edge * CELL, names, levels, origins, goals)


def roughness(rng: np.random.Generator) -> np.ndarray:
    """Small bumps everywhere: (360, 80), metres. Uniform, in steps of 0.005 m, at points 0.075 m apart, and linear between
    them."""
    amplitude = rng.uniform(*ROUGH_AMPLITUDE)
    size = [round(length / ROUGH_SPACING) + 1 for length in (LENGTH, WIDTH)]
    steps = int(amplitude / VERTICAL_SCALE)
    points = VERTICAL_SCALE * rng.integers(-steps, steps + 1, size)
    for axis in (0, 1):
        at = (np.arange(SHAPE[axis]) + 0.5) * CELL / ROUGH_SPACING
        low = np.minimum(at.astype(int), points.shape[axis] - 2)
        share = (at - low).reshape(-1, 1) if axis == 0 else at - low
        points = np.take(points, low, axis) * (1 - share) + np.take(points, low + 1, axis) * share
    return points
