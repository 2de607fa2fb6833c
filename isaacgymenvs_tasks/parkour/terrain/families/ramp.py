"""Ramps in a row: forward_ramp_lips (1), forward_ramp_no_lips (3) and flush_a_frame (4) on the ground; sideways_ramp (10)
over a pit."""

from __future__ import annotations

from isaacgymenvs_tasks.parkour.terrain.draw import Draw
from isaacgymenvs_tasks.parkour.terrain.spec import Limits, TerrainSpec
from isaacgymenvs_tasks.parkour.terrain.tile import CELL, MIDDLE, OBSTACLES, SPAWN, Tile

SIDEWAYS_SHIFT = -0.5  #: m, of the ramps that rise to the right


def build_lips(tile: Tile, draw: Draw) -> None:
    width = draw("width")
    for _, x, y, length in tile.row(draw):
        lip = draw("lip")
        tile.ramp(x, y, length, width, lip, lip + draw("rise"))


def build_no_lips(tile: Tile, draw: Draw) -> None:
    width = draw("width")
    for _, x, y, length in tile.row(draw):
        tile.ramp(x, y, length, width, 0.0, draw("rise"))


def build_a_frame(tile: Tile, draw: Draw) -> None:
    """Not a row: the goal is at the apex, and each side is rounded to cells by itself."""
    tile.goal(SPAWN - 0.5)
    width = draw("width")
    for _ in range(OBSTACLES):
        length = CELL * round(draw("length") / CELL) + draw("stretch")
        y, rise, side = MIDDLE + draw("shift"), draw("rise"), draw("side")
        tile.ramp(tile.x, y, length, width, side, side + rise)
        tile.advance(length)
        tile.goal(tile.x, y)
        tile.ramp(tile.x, y, length, width, rise, draw("side"))
        tile.advance(length)
        tile.advance(draw("gap"))
    tile.run_out()


def build_sideways(tile: Tile, draw: Draw) -> None:
    """The robot walks across the slope. Ramps that rise to the right (lower y) lie further to the right."""
    tile.pit()
    tile.goal(SPAWN - 0.5)
    width = draw("width")
    for _ in range(OBSTACLES):
        length = CELL * round(draw("length") / CELL) + draw("stretch")
        y, rise = MIDDLE + draw("shift"), draw("rise")
        if draw.coin():
            y += SIDEWAYS_SHIFT
            tile.side_ramp(tile.x, y, length, width, rise, 0.0)
        else:
            tile.side_ramp(tile.x, y, length, width, 0.0, rise)
        tile.goal(tile.x + length / 2, y)
        tile.advance(length + draw("gap"))
    tile.run_out()


FORWARD_RAMP_LIPS = TerrainSpec(
    task_id=1,
    name="forward_ramp_lips",
    description="Step onto ramps that begin with a lip, and jump down at their far end.",
    hardness=(0.4, 0.8),
    spans={
        "length": lambda d: 1.2 - 0.3 * d,
        "stretch": lambda d: (-0.3, 0.3),
        "shift": lambda d: (-0.1, 0.1),
        "width": lambda d: (1.0, 2.0),
        "lip": lambda d: (0.10 + 0.2 * d, 0.15 + 0.2 * d),
        "rise": lambda d: (0.03 + 0.25 * d, 0.05 + 0.3 * d),
        "gap": lambda d: 0.7 + 0.3 * d,
    },
    build=build_lips,
    limits=lambda r: Limits(climb=r.high("lip"), drop=r.high("lip") + r.high("rise")),
)

FORWARD_RAMP_NO_LIPS = TerrainSpec(
    task_id=3,
    name="forward_ramp_no_lips",
    description="Walk up ramps and jump down at their far end.",
    hardness=(0.2, 0.6),
    spans={
        "length": lambda d: 1.2 - 0.5 * d,
        "stretch": lambda d: (-0.2, 0.2),
        "shift": lambda d: (-0.1, 0.1),
        "width": lambda d: 1.5 - 0.5 * d,
        "rise": lambda d: (0.1 + 0.5 * d, 0.2 + 0.6 * d),
        "gap": lambda d: 0.1 + 0.7 * d,
    },
    build=build_no_lips,
    limits=lambda r: Limits(drop=r.high("rise")),
)

FLUSH_A_FRAME = TerrainSpec(
    task_id=4,
    name="flush_a_frame",
    description="Walk up one side of a roof and down the other.",
    hardness=(0.35, 0.7),
    spans={
        "length": lambda d: 1.0 - 0.4 * d,
        "stretch": lambda d: (-0.2, 0.2),
        "shift": lambda d: (-0.1, 0.1),
        "width": lambda d: 1.5 - 0.5 * d,
        "rise": lambda d: (0.1 + 0.6 * d, 0.15 + 0.6 * d),
        "side": lambda d: (0.01 + 0.05 * d, 0.03 + 0.03 * d),
        "gap": lambda d: 0.1 + 0.7 * d,
    },
    build=build_a_frame,
    limits=lambda r: Limits(climb=r.high("side"), drop=r.high("side")),
)

SIDEWAYS_RAMP = TerrainSpec(
    task_id=10,
    name="sideways_ramp",
    description="Walk across slopes that rise to the left or right, with gaps of pit between them.",
    hardness=(0.0, 0.9),
    spans={
        "length": lambda d: 1.2 - 0.5 * d,
        "stretch": lambda d: (-0.1, 0.1),
        "shift": lambda d: (-0.1, 0.1),
        "width": lambda d: (1.0, 1.0 + 0.1 * d),
        "rise": lambda d: (0.05 + 0.25 * d, 0.05 + 0.5 * d),
        "gap": lambda d: 0.1 + 0.65 * d,
    },
    build=build_sideways,
    limits=lambda r: Limits(climb=r.high("rise"), drop=r.high("rise"), gap=r.high("gap")),
)
