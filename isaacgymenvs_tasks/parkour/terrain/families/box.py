"""Boxes in a row: jump_on_and_off_box (0) on the ground; box_jump_even (6) and box_jump_uneven (7) over a pit.

Departure: in box_jump_uneven the steps between boxes stay at their range for d = 0 below that. MTBench's range turns
negative there, and its easiest terrains climb or sink by more than the next ones.
"""

from __future__ import annotations

from isaacgymenvs_tasks.parkour.terrain.draw import Draw
from isaacgymenvs_tasks.parkour.terrain.spec import Limits, TerrainSpec
from isaacgymenvs_tasks.parkour.terrain.tile import Tile

RISE = 0.05  #: m, by which each box is higher than the one before


def build_on_and_off(tile: Tile, draw: Draw) -> None:
    width = draw("width")
    for i, x, y, length in tile.row(draw):
        tile.box(x, y, length, width, draw("height") + RISE * i)


def build_even(tile: Tile, draw: Draw) -> None:
    tile.pit()
    width = draw("width")
    for _, x, y, length in tile.row(draw):
        tile.box(x, y, length, width, 0.0)


def build_uneven(tile: Tile, draw: Draw) -> None:
    tile.pit()
    width, height = draw("width"), 0.0
    for _, x, y, length in tile.row(draw):
        step = draw("step")
        height += -step if height > step and draw.coin() else step
        tile.box(x, y, length, width, height)
    tile.level(height)


JUMP_ON_AND_OFF_BOX = TerrainSpec(
    task_id=0,
    name="jump_on_and_off_box",
    description="Jump on and off boxes on the ground, each a little higher than the last.",
    hardness=(-0.1, 0.6),
    spans={
        "length": lambda d: 1.2 - 0.25 * d,
        "stretch": lambda d: (-0.2, 0.2),
        "shift": lambda d: (-0.1, 0.1),
        "width": lambda d: (1.0, 2.0),
        "height": lambda d: (0.10 + 0.55 * d, 0.15 + 0.55 * d),
        "gap": lambda d: 1.0 - 0.1 * d,
    },
    build=build_on_and_off,
    limits=lambda r: Limits(climb=r.high("height") + 5 * RISE, drop=r.high("height") + 5 * RISE),
)

BOX_JUMP_EVEN = TerrainSpec(
    task_id=6,
    name="box_jump_even",
    description="Jump from box to box over a pit, all at the height of the ground.",
    hardness=(-0.3, 0.4),
    spans={
        "length": lambda d: 1.0 - 0.3 * d,
        "stretch": lambda d: (-0.2, 0.2),
        "shift": lambda d: (-0.1, 0.1),
        "width": lambda d: (1.0, 1.0 + 0.1 * d),
        "gap": lambda d: (0.4 + 0.5 * d, 0.5 + 0.5 * d),
    },
    build=build_even,
    limits=lambda r: Limits(gap=r.high("gap")),
)

BOX_JUMP_UNEVEN = TerrainSpec(
    task_id=7,
    name="box_jump_uneven",
    description="Jump from box to box over a pit, each higher or lower than the last.",
    hardness=(-0.4, 0.6),
    spans={
        "length": lambda d: 1.2 - 0.3 * d,
        "stretch": lambda d: (-0.3, 0.3),
        "shift": lambda d: (-0.1, 0.1),
        "width": lambda d: (1.0, 1.0 + 0.1 * d),
        "step": lambda d: (0.01 + 0.2 * max(d, 0.0), 0.02 + 0.25 * max(d, 0.0)),
        "gap": lambda d: (0.4 + 0.3 * d, 0.5 + 0.4 * d),
    },
    build=build_uneven,
    limits=lambda r: Limits(climb=r.high("step"), drop=r.high("step"), gap=r.high("gap")),
)
