"""balance_beam (19): a beam over a pit."""

from __future__ import annotations

from isaacgymenvs_tasks.parkour.terrain.draw import Draw
from isaacgymenvs_tasks.parkour.terrain.spec import Limits, TerrainSpec
from isaacgymenvs_tasks.parkour.terrain.tile import CELL, MIDDLE, OBSTACLES, SPAWN, Tile


def build(tile: Tile, draw: Draw) -> None:
    tile.pit()
    tile.goal(SPAWN - 0.5)
    length, width = CELL * round(draw("length") / CELL), draw("width")
    for _ in range(OBSTACLES):
        tile.box(tile.x, MIDDLE, length, width, 0.0)
        tile.goal(tile.x + length / 2)
        tile.advance(length)
    tile.run_out()


BALANCE_BEAM = TerrainSpec(
    task_id=19,
    name="balance_beam",
    description="Walk along a beam over a pit.",
    hardness=(0.3, 0.8),
    spans={
        "length": lambda d: 0.5 + 1.5 * d,  # of each of six parts
        "width": lambda d: 0.85 - 0.5 * d,
    },
    build=build,
    limits=lambda r: Limits(),
)
