"""The building blocks of a terrain on a height map of 18 x 4 m."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.ndimage import maximum_filter

from isaacgymenvs_tasks.parkour.terrain.draw import Draw

CELL = 0.05  #: m, edge of a cell
LENGTH, WIDTH = 18.0, 4.0  #: m, along x (forward) and y
SHAPE = (360, 80)  #: cells
MIDDLE = WIDTH / 2
SPAWN = 2.0  #: m, level ground at the beginning
START = (1.0, MIDDLE)  #: where a robot begins
PIT = -1.0  #: m
NUM_GOALS = 8
STEEPEST = 1.5  #: rise over run that is a slope; above it, a wall
OBSTACLES = 6
REACH = 0.2  #: m, that a goal may move


class Obstacle(NamedTuple):
    """Place of the ``i``-th obstacle of a row: begins at ``x``, is ``length`` long, with the middle at ``y`` (metres)."""

    i: int
    x: float
    y: float
    length: float


class Tile:
    """A height map that is shaped step by step, with a cursor ``x`` that moves forward.

    ``heights[i, j]`` is the ground over the cell x = 0.05 i ... 0.05 (i + 1), y = 0.05 j ... 0.05 (j + 1), in metres from
    the tile's corner: a look-up by truncation is exact, boxes have whole cells, and tiles join without a shared row. That
    is why there are 360 x 80 of them, not one more as for grid points. All lengths are in metres and are rounded to
    cells here.
    """

    def __init__(self) -> None:
        self.heights = np.zeros(SHAPE)
        self.goals: list[tuple[float, float]] = []
        self.x = SPAWN
        centre = [(np.arange(n) + 0.5) * CELL for n in SHAPE]
        self._x, self._y = centre[0][:, None], centre[1][None, :]

    @staticmethod
    def index(position: np.ndarray) -> np.ndarray:
        """The cells of positions along one axis; one at an edge, rounded to float32 or not, belongs to the cell behind it."""
        return np.floor(np.asarray(position) / CELL + 1e-3).astype(int)

    def advance(self, length: float) -> None:
        """Move the cursor by whole cells, rounded down as in the reference."""
        self.x = CELL * (round(self.x / CELL) + int(self.index(np.array(length))))

    def goal(self, x: float, y: float = MIDDLE) -> None:
        self.goals.append((x, y))

    def footholds(self) -> np.ndarray:
        """Mask of the cells where a foot can stand: out of the pit, with nothing but slopes to and between the neighbours."""
        steep = np.zeros(SHAPE, bool)
        for axis in (0, 1):
            jump = np.abs(np.diff(self.heights, axis=axis)) > STEEPEST * CELL + 1e-6
            before, after = ((0, 1), (0, 0)), ((1, 0), (0, 0))
            if axis == 1:
                before, after = before[::-1], after[::-1]
            both = np.pad(jump, before) | np.pad(jump, after)
            steep |= maximum_filter(both, (1, 3) if axis == 0 else (3, 1))
        return ~steep & (self.heights > PIT)

    def ground_goals(self) -> np.ndarray:
        """The goals on the ground, (8, 3) float32: x, y and the height there. One at an edge or above the pit moves to the
        middle of the nearest foothold.

        Raises:
            ValueError: not eight goals, or one is further than 0.2 m from every foothold.
        """
        if len(self.goals) != NUM_GOALS:
            raise ValueError(f"{len(self.goals)} goals; a terrain has {NUM_GOALS}")
        goals, stand = np.array(self.goals), self.footholds()
        i, j = self.index(goals[:, 0]), self.index(goals[:, 1])
        for k in np.flatnonzero(~stand[i, j]):
            distance = np.where(stand, np.hypot(self._x - goals[k, 0], self._y - goals[k, 1]), np.inf)
            if distance.min() > REACH:
                raise ValueError(f"goal {k} is further than {REACH} m from where a foot can stand")
            i[k], j[k] = np.unravel_index(int(distance.argmin()), SHAPE)
            goals[k] = self._x[i[k], 0], self._y[0, j[k]]
        return np.column_stack((goals, self.heights[i, j])).astype(np.float32)

    def box(self, x: float, y: float, length: float, width: float, height: float) -> None:
        """From ``x`` on, about ``y``, with a level top."""
        self.heights[self._rectangle(x, y, length, width)] = height

    def ramp(self, x: float, y: float, length: float, width: float, begin: float, end: float) -> None:
        """A box whose top goes from height ``begin`` to ``end`` along x."""
        cells = self._rectangle(x, y, length, width)
        self.heights[cells] = np.linspace(begin, end, self.heights[cells].shape[0])[:, None]

    def side_ramp(self, x: float, y: float, length: float, width: float, begin: float, end: float) -> None:
        """A box whose top goes from height ``begin`` to ``end`` along y."""
        cells = self._rectangle(x, y, length, width)
        self.heights[cells] = np.linspace(begin, end, self.heights[cells].shape[1])[None, :]

    def disc(self, x: float, y: float, radius: float, top: float | Callable[[np.ndarray], np.ndarray]) -> None:
        """A round body; ``top`` is its height, or its height at a distance from the axis. Of two bodies the higher shows."""
        r = np.hypot(self._x - x, self._y - y)
        height = top(r) if callable(top) else np.full(SHAPE, top)
        inside = r <= radius
        self.heights[inside] = np.maximum(self.heights, height)[inside]

    def sector(self, x: float, y: float, radius: float, begin: float, end: float, height: float) -> None:
        """A slice of a round body between two angles in [-pi, pi]."""
        angle = np.arctan2(self._y - y, self._x - x)
        inside = (np.hypot(self._x - x, self._y - y) <= radius) & (angle >= begin) & (angle <= end)
        self.heights[inside] = height

    def level(self, height: float) -> None:
        """All ground from the cursor on."""
        self.heights[round(self.x / CELL) :] = height

    def pit(self) -> None:
        """No ground behind the spawn area, so that a robot cannot climb down and walk around."""
        self.heights[round(SPAWN / CELL) :] = PIT

    def row(self, draw: Draw) -> Iterator[Obstacle]:
        """Six obstacles one after the other with the first goal before, a goal on each, and one on the ground behind.

        Draws ``length``, ``stretch`` (adds to the length), ``shift`` (of the middle, along y) and ``gap``, the space
        after the obstacle.
        """
        self.goal(SPAWN - 0.5)
        for i in range(OBSTACLES):
            length = CELL * round(draw("length") / CELL) + draw("stretch")
            y = MIDDLE + draw("shift")
            yield Obstacle(i, self.x, y, length)
            self.goal(self.x + length / 2, y)
            self.advance(length + draw("gap"))
        self.run_out()

    def run_out(self, height: float = 0.0) -> None:
        """Level ground from the cursor on, with the last goal."""
        self.level(height)
        self.goal(self.x + 0.5)

    def _rectangle(self, x: float, y: float, length: float, width: float) -> tuple[slice, slice]:
        half, middle = int(self.index(np.array(width / 2))), round(y / CELL)
        return slice(round(x / CELL), round((x + length) / CELL)), slice(middle - half, middle + half)
