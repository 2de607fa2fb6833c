"""Stairs: staircase_walking_full_width (13), staircase_walking (14), staircase_climbing (15) and staircase_spiral (16).

MTBench lists -0.2 ... 0.8 for the spiral and never applies it: its hardness is the difficulty.
"""

from __future__ import annotations

from math import cos, pi, sin

from isaacgymenvs_tasks.parkour.terrain.draw import Draw
from isaacgymenvs_tasks.parkour.terrain.spec import Limits, TerrainSpec
from isaacgymenvs_tasks.parkour.terrain.tile import CELL, MIDDLE, NUM_GOALS, OBSTACLES, SPAWN, Tile

FLIGHTS, STEPS = 5, 6
LANDING = 5  #: treads
STEEPER = 0.05  #: m, added to the rise of a step with every second flight
WEDGES = 14  #: steps of the spiral, once round
SPIRAL_X = 6.0  #: m, its middle


def build_full_width(tile: Tile, draw: Draw) -> None:
    """Up, down, up, down, up, with landings; the goals are spread evenly over all of it."""
    tread, height = CELL * round(draw("tread") / CELL), 0.0
    for flight in range(FLIGHTS):
        for _ in range(STEPS):
            rise = draw("rise") + STEEPER * (flight // 2)
            height += rise if flight % 2 == 0 else -rise
            tile.level(height)
            tile.advance(tread)
        tile.advance(LANDING * tread)
    for k in range(NUM_GOALS):
        tile.goal(SPAWN + (tile.x - SPAWN) * k / (NUM_GOALS - 1))


def build_up(tile: Tile, draw: Draw) -> None:
    """Six steps over a pit, to a plateau."""
    tile.pit()
    tile.goal(SPAWN - 0.5)
    tread, width, height = CELL * round(draw("tread") / CELL), draw("width"), 0.0
    for _ in range(OBSTACLES):
        height += draw("rise")
        tile.box(tile.x, MIDDLE, tread, width, height)
        tile.goal(tile.x + tread / 2)
        tile.advance(tread)
    tile.run_out(height)


def build_spiral(tile: Tile, draw: Draw) -> None:
    """Wedges about a middle, the lowest in front of the robot; then to the right, round the back, and to the left."""
    scale, height = draw("radius") / 2, 0.0
    angle = 2 * pi / WEDGES
    tile.goal(SPIRAL_X - SPAWN - scale / 2, MIDDLE - 0.3)
    for k in range(WEDGES):
        tile.sector(SPIRAL_X, MIDDLE, 2 * scale, -pi + k * angle, -pi + (k + 1) * angle, height)
        height += draw("rise")
        if k % 2:
            middle, r = -pi + (k + 0.5) * angle, 0.9375 * scale
            tile.goal(SPIRAL_X + r * cos(middle), MIDDLE + r * sin(middle))


STAIRCASE_WALKING_FULL_WIDTH = TerrainSpec(
    task_id=13,
    name="staircase_walking_full_width",
    description="Flights of stairs as wide as the tile, up and down.",
    hardness=(-0.1, 0.7),
    spans={
        "tread": lambda d: 0.25 - 0.1 * d,
        "rise": lambda d: (0.05 + 0.1 * d, 0.07 + 0.15 * d),
    },
    build=build_full_width,
    limits=lambda r: Limits(climb=r.high("rise") + 2 * STEEPER, drop=r.high("rise") + STEEPER),
)

STAIRCASE_WALKING = TerrainSpec(
    task_id=14,
    name="staircase_walking",
    description="Narrow stairs up, over a pit.",
    hardness=(-0.2, 1.0),
    spans={
        "tread": lambda d: 0.5 - 0.05 * d,
        "width": lambda d: 1.0 - 0.45 * d,
        "rise": lambda d: (0.05 + 0.1 * d, 0.07 + 0.15 * d),
    },
    build=build_up,
    limits=lambda r: Limits(climb=r.high("rise")),
)

STAIRCASE_CLIMBING = TerrainSpec(
    task_id=15,
    name="staircase_climbing",
    description="Steps up that are too high to walk, over a pit.",
    hardness=(-0.2, 0.4),
    spans={
        "tread": lambda d: 1.5 - 0.1 * d,
        "width": lambda d: 1.5 - 0.4 * d,
        "rise": lambda d: (0.3 + 0.3 * d, 0.4 + 0.3 * d),
    },
    build=build_up,
    limits=lambda r: Limits(climb=r.high("rise")),
)

STAIRCASE_SPIRAL = TerrainSpec(
    task_id=16,
    name="staircase_spiral",
    description="A spiral staircase, once round.",
    hardness=(0.0, 1.0),
    spans={
        "radius": lambda d: 2.0 * (1.0 - 0.35 * d),
        "rise": lambda d: (0.05 + 0.15 * d, 0.05 + 0.20 * d),
    },
    build=build_spiral,
    limits=lambda r: Limits(climb=r.high("rise"), drop=r.high("rise")),
)
