"""agility_poles (18): a slalom around six poles.

Departure: in MTBench the easiest slaloms are longer than the tile and their last goal cannot be reached. Here the poles
stand at most 1.85 m apart (plus their thickness), which is where the longest fits.
"""

from __future__ import annotations

from isaacgymenvs_tasks.parkour.terrain.draw import Draw
from isaacgymenvs_tasks.parkour.terrain.spec import Limits, TerrainSpec
from isaacgymenvs_tasks.parkour.terrain.tile import CELL, MIDDLE, OBSTACLES, SPAWN, Tile

RADIUS, HEIGHT = 0.15, 1.0  #: m, of a pole


def build(tile: Tile, draw: Draw) -> None:
    tile.goal(SPAWN - 0.5)
    apart, beside = CELL * round(draw("apart") / CELL), draw("beside")
    tile.advance(apart)
    for k in range(OBSTACLES):
        tile.disc(tile.x, MIDDLE, RADIUS, HEIGHT)
        tile.goal(tile.x, MIDDLE + (beside if k % 2 == 0 else -beside))
        tile.advance(apart + 2 * RADIUS)
    tile.goal(tile.x + 0.5)


AGILITY_POLES = TerrainSpec(
    task_id=18,
    name="agility_poles",
    description="Weave around poles, left and right in turn.",
    hardness=(-0.2, 0.8),
    spans={
        "apart": lambda d: min(2.0 - 1.15 * d, 1.85),
        "beside": lambda d: 0.9 - 0.07 * d,
    },
    build=build,
    limits=lambda r: Limits(),
)
