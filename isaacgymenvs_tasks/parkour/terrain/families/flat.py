"""flat (20): level ground, for learning to walk first."""

from __future__ import annotations

from isaacgymenvs_tasks.parkour.terrain.draw import Draw
from isaacgymenvs_tasks.parkour.terrain.spec import Limits, TerrainSpec
from isaacgymenvs_tasks.parkour.terrain.tile import MIDDLE, NUM_GOALS, SPAWN, Tile


def build(tile: Tile, draw: Draw) -> None:
    for k in range(NUM_GOALS):
        tile.goal(SPAWN + 14.0 * k / (NUM_GOALS - 1), MIDDLE + draw("shift"))


FLAT = TerrainSpec(
    task_id=20,
    name="flat",
    description="Walk over level ground.",
    hardness=(0.0, 1.0),
    spans={"shift": lambda d: (-1.0, 1.0)},
    build=build,
    limits=lambda r: Limits(),
)
