"""What a terrain family is: a name, ranges of its parameters, and a function that builds a tile from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from isaacgymenvs_tasks.parkour.terrain.draw import Draw, Ranges, Span
from isaacgymenvs_tasks.parkour.terrain.tile import Tile


@dataclass(frozen=True)
class Limits:
    """The hardest single moves that a family asks for (metres).

    Attributes:
        climb, drop: highest step up and down between neighbouring cells of ground, or across a gap.
        gap: longest jump over the pit, from edge to edge.
    """

    climb: float = 0.0
    drop: float = 0.0
    gap: float = 0.0


@dataclass(frozen=True)
class TerrainSpec:
    """A family of terrains.

    Attributes:
        task_id: MTBench's number of the family.
        name: MTBench's name.
        description: one sentence.
        hardness: d at difficulty 0 and 1; linear in between. MTBench's ranges; a family may go below 0.
        spans: parameter name -> range in metres as a function of d.
        build: shapes a flat tile and sets its goals.
        limits: the hardest moves within the ranges, which the feasibility check takes at their word.
    """

    task_id: int
    name: str
    description: str
    hardness: tuple[float, float]
    spans: Mapping[str, Span]
    build: Callable[[Tile, Draw], None]
    limits: Callable[[Ranges], Limits]

    def d(self, difficulty: float) -> float:
        """Hardness at a difficulty in [0, 1].

        Raises:
            ValueError: the difficulty is outside.
        """
        if not 0.0 <= difficulty <= 1.0:
            raise ValueError(f"a difficulty lies between 0 and 1, and {difficulty} does not")
        return self.hardness[0] + difficulty * (self.hardness[1] - self.hardness[0])

    def limits_at(self, difficulty: float) -> Limits:
        return self.limits(Ranges(self.spans, self.d(difficulty)))

    def generate(self, difficulty: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One terrain: heights (360, 80) float32 in metres and goals (8, 3) float32, x, y and the height of the ground
        there, in the frame of the tile (see :class:`~.tile.Tile`). The same for the same difficulty and generator.

        Raises:
            ValueError: the difficulty is outside [0, 1], or the family sets its goals where no foot can stand.
        """
        tile = Tile()
        self.build(tile, Draw(self.spans, self.d(difficulty), rng))
        return tile.heights.astype(np.float32), tile.ground_goals()
