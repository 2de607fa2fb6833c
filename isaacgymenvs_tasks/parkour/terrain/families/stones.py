"""Twelve stones in six pairs over a pit: stepping_stones_cylinder (11) and stepping_stones_randomly_arranged (12).

A goal lies between the stones of a pair. In MTBench about a third of the harder cylinders' goals hang over the pit, and
those of the other family lie on the edge of the second stone; here they move to where a foot can stand, as all goals do.
Departure: MTBench's easiest cylinders lie a little below the ground, because the range of their height turns negative;
here they lie level with it.
"""

from __future__ import annotations

from isaacgymenvs_tasks.parkour.terrain.draw import Draw
from isaacgymenvs_tasks.parkour.terrain.spec import Limits, TerrainSpec
from isaacgymenvs_tasks.parkour.terrain.tile import CELL, MIDDLE, OBSTACLES, SPAWN, Tile


def build_cylinders(tile: Tile, draw: Draw) -> None:
    """A pair stands side by side, the left one half a stone ahead."""
    tile.pit()
    tile.goal(SPAWN - 0.5)
    radius = draw("radius")
    tile.advance(radius / 2)
    for _ in range(OBSTACLES):
        tile.disc(tile.x + radius / 2, MIDDLE - draw("offset"), radius, draw("height"))
        gap = draw("gap")
        tile.advance(gap + radius / 3)
        tile.goal(tile.x, MIDDLE + radius / 2)
        tile.disc(tile.x + radius / 2, MIDDLE + radius + draw("offset"), radius, draw("height"))
        tile.advance(1.5 * draw("gap") + radius)
    tile.run_out()


def build_random(tile: Tile, draw: Draw) -> None:
    tile.pit()
    tile.goal(SPAWN - 0.5)
    length, width, beside = draw("length"), draw("width"), draw("beside")
    y = MIDDLE
    for _ in range(OBSTACLES):
        first = y - draw("offset")
        tile.box(tile.x, first, length, width, 0.0)
        gap = CELL * int(draw("gap") / CELL)
        tile.goal(tile.x + gap / 2, y + beside / 2)
        tile.advance(gap)
        tile.box(tile.x, y + beside + draw("offset"), length, width, 0.0)
        tile.advance(length + 0.2 * draw("gap"))
        y = MIDDLE + (draw("offset") if draw.coin() else -draw("offset"))
    tile.run_out()


STEPPING_STONES_CYLINDER = TerrainSpec(
    task_id=11,
    name="stepping_stones_cylinder",
    description="Step from one round stone to the next over a pit.",
    hardness=(-0.4, 0.9),
    spans={
        "radius": lambda d: 0.35 - 0.175 * d,
        "height": lambda d: (0.0, 0.07 * max(d, 0.0)),
        "offset": lambda d: (0.15 - 0.05 * d, 0.20 - 0.05 * d),
        "gap": lambda d: (0.05 + 0.05 * d, 0.10 + 0.07 * d),
    },
    build=build_cylinders,
    limits=lambda r: Limits(
        climb=r.high("height"), drop=r.high("height"), gap=max(0.0, 2.5 * r.high("gap") - r.low("radius") / 6)
    ),
)

STEPPING_STONES_RANDOMLY_ARRANGED = TerrainSpec(
    task_id=12,
    name="stepping_stones_randomly_arranged",
    description="Step from one square stone to the next over a pit; the path wanders to the left and right.",
    hardness=(0.1, 0.3),
    spans={
        "length": lambda d: 0.7 - 0.55 * d,
        "width": lambda d: 0.6 - 0.3 * d,
        "offset": lambda d: (0.03 + 0.04 * d, 0.05 + 0.08 * d),
        "beside": lambda d: 0.25 + 0.2 * d,
        "gap": lambda d: (0.05 + 0.1 * d, 0.10 + 0.2 * d),
    },
    build=build_random,
    limits=lambda r: Limits(gap=1.2 * r.high("gap")),
)
