"""squeeze (17): gates between two blocks, not much wider than the robot."""

from __future__ import annotations

from isaacgymenvs_tasks.parkour.terrain.draw import Draw
from isaacgymenvs_tasks.parkour.terrain.spec import Limits, TerrainSpec
from isaacgymenvs_tasks.parkour.terrain.tile import CELL, Tile

HEIGHT, WIDTH = 0.7, 0.5  #: m, of a block


def build(tile: Tile, draw: Draw) -> None:
    for _, x, y, length in tile.row(draw):
        half = CELL * int(draw("opening") / 2 / CELL)
        for side in (-1, 1):
            tile.box(x, CELL * round(y / CELL) + side * (half + WIDTH / 2), length, WIDTH, HEIGHT)


SQUEEZE = TerrainSpec(
    task_id=17,
    name="squeeze",
    description="Walk through gates between blocks.",
    hardness=(-0.2, 0.8),
    spans={
        "length": lambda d: 0.6 + 0.4 * d,
        "stretch": lambda d: (-0.1, 0.1),
        "shift": lambda d: (-0.1, 0.1),
        "opening": lambda d: (0.5 - 0.15 * d, 0.6 - 0.15 * d),
        "gap": lambda d: (0.4 - 0.1 * d, 0.5 - 0.1 * d),
    },
    build=build,
    limits=lambda r: Limits(),
)
