"""A height map as few convex blocks, for simulators that like them better than height fields.

    python -m isaacgymenvs_tasks.parkour.terrain.blocks [tolerance=0.02] [seeds=9]

tells for every family how many it takes, and how far they are off.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from isaacgymenvs_tasks.options import read_options
from isaacgymenvs_tasks.parkour.terrain.tile import CELL, PIT, STEEPEST

REACHES = (1, 4)  #: cells, over which the slope at a cell is measured
EPS = 1e-6


def blocks(heights: np.ndarray, tolerance: float = 0.02, sloped: bool = True) -> np.ndarray:
    """Cover a height map with blocks, greedily: each is a rectangle of cells with vertical sides and a plane top.

    From the lowest ground up, a block starts at a cell that nothing covers yet, and grows to the rectangle that covers most
    new cells. It may run on below higher ground, so a floor is one block and what stands on it others. The pit stays open.

    Args:
        heights: (n, m), metres.
        tolerance: how far a level top may be from the ground it covers (metres). A sloped top that runs on below other
            ground may stand out of it by up to twice that.
        sloped: let tops be slopes, which makes prisms; without, every block is an axis-aligned box.

    Returns:
        (blocks, 7): x and y from, x and y to, height of the top at its middle (metres, in the frame of the map), and its
        rise along x and y per metre.
    """
    heights = heights.astype(np.float64)
    waiting = heights > PIT
    ground = np.where(waiting, heights, -np.inf)
    order = np.argsort(heights, axis=None, kind="stable")
    found = []
    for cell in order[waiting.ravel()[order]]:
        i, j = divmod(int(cell), heights.shape[1])
        if not waiting[i, j]:
            continue
        best, most = None, 0
        for slope in _slopes(heights, waiting, i, j) if sloped else [(0.0, 0.0)]:
            lift = 0.0 if any(slope) else tolerance  # the cell is the lowest that is left
            plane = heights[i, j] + lift + _plane(heights.shape, i, j, slope)
            under = ground >= plane - tolerance - EPS
            near = waiting & under & (ground <= plane + tolerance + EPS)
            for first in (0, 1):
                area = _grow(under, i, j, first)
                if (size := int(near[area].sum())) > most:
                    best, most = (area, slope, near), size
        assert best is not None  # a level block covers its own cell
        (rows, columns), slope, near = best
        new = near[rows, columns]
        centre = (rows.start + rows.stop - 1) / 2, (columns.start + columns.stop - 1) / 2
        off = (heights - _plane(heights.shape, *centre, slope))[rows, columns][new]
        waiting[rows, columns] &= ~new
        edges = (rows.start, columns.start, rows.stop, columns.stop)
        found.append((*(CELL * edge for edge in edges), (off.min() + off.max()) / 2, *slope))
    return np.array(found).reshape(-1, 7)


def surface(found: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The height map (n, m) that blocks make: the highest top over each cell, the pit where there is none."""
    heights = np.full(shape, PIT)
    for *edges, top, slope_x, slope_y in found:
        i, j, k, l = (round(edge / CELL) for edge in edges)
        plane = top + _plane((k - i, l - j), (k - i - 1) / 2, (l - j - 1) / 2, (slope_x, slope_y))
        heights[i:k, j:l] = np.maximum(heights[i:k, j:l], plane)
    return heights


def _slopes(heights: np.ndarray, waiting: np.ndarray, i: int, j: int) -> Iterator[tuple[float, float]]:
    """Slopes to try: level, and to the neighbours that are still to be covered."""
    yield 0.0, 0.0
    for reach in REACHES:
        slope = []
        for axis, at, size in ((0, i, heights.shape[0]), (1, j, heights.shape[1])):
            value = 0.0
            for step in (reach, -reach):
                if 0 <= at + step < size:
                    other = (i + step, j) if axis == 0 else (i, j + step)
                    rise = (heights[other] - heights[i, j]) / (step * CELL)
                    if waiting[other] and abs(rise) <= STEEPEST:
                        value = rise
                        break
            slope.append(float(value))
        if any(slope):
            yield slope[0], slope[1]


def _plane(shape: tuple[int, ...], i: float, j: float, slope: tuple[float, float]) -> np.ndarray:
    """Heights of a plane through 0 at the middle of cell (i, j)."""
    x, y = (CELL * (np.arange(n) - at) for n, at in zip(shape, (i, j), strict=True))
    return slope[0] * x[:, None] + slope[1] * y[None, :]


def _grow(allowed: np.ndarray, i: int, j: int, first: int) -> tuple[slice, slice]:
    """A rectangle about a cell within ``allowed``: as far as possible along one axis, then along the other."""
    low, high = [i, j], [i + 1, j + 1]
    for axis in (first, 1 - first):
        lane = allowed[low[0] : high[0]] if axis else allowed[:, low[1] : high[1]]
        blocked = np.flatnonzero(~lane.all(axis=1 - axis))
        before, after = blocked[blocked < low[axis]], blocked[blocked >= high[axis]]
        low[axis] = int(before[-1]) + 1 if len(before) else 0
        high[axis] = int(after[0]) if len(after) else allowed.shape[axis]
    return slice(low[0], high[0]), slice(low[1], high[1])


def main(arguments: list[str]) -> None:
    from isaacgymenvs_tasks.parkour.terrain.families import TERRAINS

    options = read_options(arguments, {"tolerance": "0.02", "seeds": "9"})
    try:
        tolerance, seeds = float(options["tolerance"]), int(options["seeds"])
    except ValueError as error:
        raise SystemExit(f"tolerance= takes metres and seeds= a whole number ({error})") from error
    if tolerance < 0 or seeds < 1:
        raise SystemExit("tolerance= must not be negative, and seeds= at least 1")
    print(f"median over {seeds} seeds at difficulty 0 | 1; worst error in mm\n")
    print(f"{'family':36}{'boxes':>12}{'error':>8}{'blocks with slopes':>22}{'error':>8}")
    for name, spec in TERRAINS.items():
        line = f"{name:36}"
        for sloped, width in ((False, 6), (True, 16)):
            counts, worst = [], 0.0
            for difficulty in (0.0, 1.0):
                terrains = [
                    spec.generate(difficulty, np.random.default_rng((seed, spec.task_id)))[0] for seed in range(seeds)
                ]
                results = [blocks(heights, tolerance, sloped) for heights in terrains]
                counts.append(int(np.median([len(result) for result in results])))
                errors = [np.abs(surface(r, h.shape) - h).max() for r, h in zip(results, terrains, strict=True)]
                worst = max(worst, 1000 * float(max(errors)))
            line += f"{counts[0]:{width}} |{counts[1]:4}{worst:8.1f}"
        print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
