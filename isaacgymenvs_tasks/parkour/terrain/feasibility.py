"""Can a terrain be passed? A graph search over its cells with the moves that its family says it asks for.

A robot that can do the family's hardest moves, and no more, walks from cell to cell and jumps over the pit, within a
corridor about the straight line from goal to goal.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import grey_closing, maximum_filter
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order
from scipy.spatial import cKDTree

from isaacgymenvs_tasks.parkour.terrain.spec import Limits
from isaacgymenvs_tasks.parkour.terrain.tile import CELL, LENGTH, NUM_GOALS, PIT, SHAPE, START, STEEPEST, WIDTH, Tile

ROOM = 6  #: cells, width of the robot (0.28 m)
CORRIDOR = 0.6  #: m, to either side of the line between two goals
WALL = 0.3  #: m, what a trunk passes over
RIM = 0.3  #: m, from the sides of the tile that no goal may be near
TOLERANCE = CELL  #: of gaps, whose two edges are rounded to cells
EPS = 1e-6
STEP = STEEPEST * CELL + EPS  #: m, between neighbouring cells of a slope


def problems(heights: np.ndarray, goals: np.ndarray, limits: Limits) -> list[str]:
    """Why the terrain cannot be passed, a sentence each; an empty list if it can.

    Args:
        heights: (360, 80), metres, without roughness.
        goals: (8, 3), metres, in the frame of the tile.
        limits: the hardest moves.
    """
    heights = heights.astype(np.float64)
    found = _bad_goals(heights, goals)
    if found:
        return found
    climb, drop = max(limits.climb, STEP) + EPS, max(limits.drop, STEP) + EPS
    passable = _passable(heights, max(climb, drop, WALL))
    begin, end = _steps(heights, passable, climb, drop)
    if limits.gap > 0:
        more = _jumps(heights, passable, climb, drop, limits.gap)
        begin, end = np.concatenate((begin, more[0])), np.concatenate((end, more[1]))
    stops = np.array([START, *goals[:, :2]])
    cells = np.ravel_multi_index((Tile.index(stops[:, 0]), Tile.index(stops[:, 1])), SHAPE)
    for k in range(NUM_GOALS):
        inside = _near(stops[k], stops[k + 1])
        kept = inside[begin] & inside[end]
        graph = csr_array((np.ones(kept.sum(), bool), (begin[kept], end[kept])), (heights.size, heights.size))
        if cells[k + 1] not in breadth_first_order(graph, cells[k], return_predecessors=False):
            found.append(f"goal {k} cannot be reached from {f'goal {k - 1}' if k else 'the start'}")
    return found


def _bad_goals(heights: np.ndarray, goals: np.ndarray) -> list[str]:
    """Goals where no foot can stand: outside, above the pit, at the wrong height, or on an edge."""
    found = []
    for k, (x, y, z) in enumerate(goals):
        if not (RIM <= x <= LENGTH - RIM and RIM <= y <= WIDTH - RIM):
            found.append(f"goal {k} at ({x:.2f}, {y:.2f}) is outside the tile or at its side")
            continue
        i, j = int(Tile.index(x)), int(Tile.index(y))
        around = heights[i - 1 : i + 2, j - 1 : j + 2]
        if heights[i, j] <= PIT:
            found.append(f"goal {k} at ({x:.2f}, {y:.2f}) is above the pit")
        elif abs(heights[i, j] - z) > 1e-4:
            found.append(f"goal {k} is at height {z:.3f}, the ground there at {heights[i, j]:.3f}")
        elif max(np.abs(np.diff(around, axis=axis)).max() for axis in (0, 1)) > STEP:
            found.append(f"goal {k} at ({x:.2f}, {y:.2f}) is on an edge")
    return found


def _passable(heights: np.ndarray, wall: float) -> np.ndarray:
    """Ground with room for a trunk: in a square as wide as the robot, with the cell in it, nothing is higher than ``wall``
    above the cell."""
    return (heights > PIT) & (grey_closing(heights, (ROOM, ROOM)) - heights <= wall + EPS)


def _steps(heights: np.ndarray, passable: np.ndarray, climb: float, drop: float) -> tuple[np.ndarray, np.ndarray]:
    """Moves to one of the four neighbouring cells, as flat indices (from, to)."""
    index = np.arange(heights.size).reshape(SHAPE)
    a = np.concatenate((index[:-1].ravel(), index[:, :-1].ravel()))
    b = np.concatenate((index[1:].ravel(), index[:, 1:].ravel()))
    return _allowed(heights, passable, np.concatenate((a, b)), np.concatenate((b, a)), climb, drop)


def _jumps(
    heights: np.ndarray, passable: np.ndarray, climb: float, drop: float, gap: float
) -> tuple[np.ndarray, np.ndarray]:
    """Moves over the pit, between cells at its edge, with nothing in between that is higher than a step."""
    pit = heights <= PIT
    edge = np.flatnonzero(passable & maximum_filter(pit, 3))
    i, j = np.unravel_index(edge, SHAPE)
    pairs = cKDTree(np.stack((i, j), 1)).query_pairs((gap + CELL + TOLERANCE) / CELL + EPS, output_type="ndarray")
    a, b = edge[np.concatenate((pairs, pairs[:, ::-1]))].T
    a, b = _allowed(heights, passable, a, b, climb, drop)
    (ai, aj), (bi, bj) = np.unravel_index(a, SHAPE), np.unravel_index(b, SHAPE)
    flat, top = heights.ravel(), np.full(len(a), -np.inf)
    for t in np.linspace(0.0, 1.0, 2 * int(np.ceil(gap / CELL)) + 3):
        top = np.maximum(top, heights[np.rint(ai + t * (bi - ai)).astype(int), np.rint(aj + t * (bj - aj)).astype(int)])
    clear = top <= np.maximum(flat[a], flat[b]) + STEP
    return a[clear], b[clear]


def _allowed(
    heights: np.ndarray, passable: np.ndarray, a: np.ndarray, b: np.ndarray, climb: float, drop: float
) -> tuple[np.ndarray, np.ndarray]:
    rise = heights.ravel()[b] - heights.ravel()[a]
    kept = passable.ravel()[a] & passable.ravel()[b] & (rise <= climb) & (-rise <= drop)
    return a[kept], b[kept]


def _near(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Flat mask of the cells whose middle is within the corridor about the segment from ``a`` to ``b``."""
    x, y = ((np.arange(n) + 0.5) * CELL for n in SHAPE)
    point = np.stack(np.meshgrid(x, y, indexing="ij"), -1) - a
    along = np.clip(point @ (b - a) / max(float((b - a) @ (b - a)), EPS), 0.0, 1.0)
    return (np.linalg.norm(point - along[..., None] * (b - a), axis=-1) <= CORRIDOR).ravel()
