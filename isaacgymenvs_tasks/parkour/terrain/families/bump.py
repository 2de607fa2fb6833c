"""Round obstacles: sphere_bump_lips (2) and sphere_bump (5) on the ground; flat_circle_jump (8) and bump_jump (9) over a
pit.

A bump is H - (r / R)^p metres high at the distance r from its middle. In MTBench a later sphere_bump cuts a hole into the
one before; here the higher one shows.
"""

from __future__ import annotations

from math import hypot, sqrt

from isaacgymenvs_tasks.parkour.terrain.draw import Draw, Ranges
from isaacgymenvs_tasks.parkour.terrain.spec import Limits, TerrainSpec
from isaacgymenvs_tasks.parkour.terrain.tile import CELL, MIDDLE, OBSTACLES, PIT, SPAWN, Tile

RISE = 0.05  #: m, by which each bump with a lip is higher than the one before


def build_lips(tile: Tile, draw: Draw) -> None:
    """The bump is cut where the lip begins, so that it rises from the ground with a step."""
    tile.goal(SPAWN - 0.5)
    tile.advance(draw.high("radius"))
    for i in range(OBSTACLES):
        x, y = tile.x + draw("shift_x"), MIDDLE + draw("shift_y")
        radius, height = draw("radius"), draw("height") + RISE * i
        _bump(tile, x, y, radius - draw("lip"), radius, height, 3.0)
        tile.goal(x, y)
        tile.advance(2 * radius + draw("gap"))
    tile.goal(tile.x + 0.5)


def build_bump(tile: Tile, draw: Draw) -> None:
    tile.goal(SPAWN - 0.5)
    tile.advance(draw.high("radius"))
    for _ in range(OBSTACLES):
        x, y = tile.x + draw("shift_x"), MIDDLE + draw("shift_y")
        radius = draw("radius")
        _bump(tile, x, y, radius, radius, draw("height"), _power(draw))
        tile.goal(x, y)
        tile.advance(2 * radius + draw("gap"))
    tile.goal(tile.x + 0.5)


def build_circle_jump(tile: Tile, draw: Draw) -> None:
    tile.pit()
    tile.goal(SPAWN - 0.5)
    tile.advance(draw.high("gap"))
    for _ in range(OBSTACLES):
        x, y = tile.x + draw("shift"), MIDDLE + draw("shift")
        radius = draw("radius") - draw("lip")
        tile.disc(x, y, radius, draw("height"))
        tile.goal(x, y)
        tile.advance(draw("gap") + radius)
    _restore_spawn(tile)
    tile.run_out()


def build_bump_jump(tile: Tile, draw: Draw) -> None:
    tile.pit()
    tile.goal(SPAWN - 0.5)
    tile.advance(draw.low("gap"))
    for _ in range(OBSTACLES):
        x, y = tile.x, MIDDLE + draw("shift")
        radius, inner = draw("radius"), draw("lip")
        inner = radius - inner
        _bump(tile, x, y, inner, radius, draw("height"), 2.0)
        tile.goal(x, y)
        tile.advance(draw("gap") + inner)
    tile.heights[tile.heights < -_depth(draw.d)] = PIT
    _restore_spawn(tile)
    tile.run_out()


def _bump(tile: Tile, x: float, y: float, reach: float, radius: float, height: float, power: float) -> None:
    """Drawn as far as ``reach`` from its middle; ``radius`` is the R of the formula."""
    tile.disc(x, y, reach, lambda r: height - (r / radius) ** power)


def _power(r: Ranges) -> float:
    return 2.0 - 0.15 * r.d


def _depth(d: float) -> float:
    """How far below the ground a bump over the pit still counts (m)."""
    return 0.35 / (d + 2.0) ** 2


def _restore_spawn(tile: Tile) -> None:
    tile.heights[: round(SPAWN / CELL)] = 0.0


def _lips_limits(r: Ranges) -> Limits:
    rim = ((r.low("radius") - r.high("lip") - CELL) / r.low("radius")) ** 3  # its last cell is up to a cell inside
    step = r.high("height") + RISE * (OBSTACLES - 1) - rim
    return Limits(climb=step, drop=step)


def _bump_limits(r: Ranges) -> Limits:
    """The bump is steepest at its edge."""
    p = _power(r)
    step = CELL * p / r.low("radius") * r.high("height") ** ((p - 1.0) / p)
    return Limits(climb=step, drop=step)


def _circle_limits(r: Ranges) -> Limits:
    """The gap between two of the smallest discs, shifted apart, or from the last one, shifted back, to the ground."""
    smallest, spread = r.low("radius") - r.high("lip"), r.high("shift") - r.low("shift")
    between = hypot(r.high("gap") + smallest + spread, spread) - 2 * smallest
    gap = max(between, r.high("gap") - r.low("shift"))
    return Limits(climb=r.high("height"), drop=r.high("height"), gap=gap)


def _bump_jump_limits(r: Ranges) -> Limits:
    """The gap between two of the smallest humps, shifted apart, or from the last one to the ground."""
    visible = min(r.low("radius") - r.high("lip"), r.low("radius") * sqrt(r.low("height") + _depth(r.d)))
    step = r.high("gap") + r.high("radius") - r.low("lip")
    gap = max(hypot(step, r.high("shift") - r.low("shift")) - 2 * visible, step - visible)
    height = r.high("height") + _depth(r.d)
    return Limits(climb=height, drop=height, gap=gap)


SPHERE_BUMP_LIPS = TerrainSpec(
    task_id=2,
    name="sphere_bump_lips",
    description="Climb round humps that begin with a lip, each a little higher than the last.",
    hardness=(0.0, 0.9),
    spans={
        "radius": lambda d: (1.0 - 0.25 * d, 1.05 - 0.25 * d),
        "lip": lambda d: (0.5 - 0.1 * d, 0.55 - 0.1 * d),
        "height": lambda d: (0.10 + 0.4 * d, 0.15 + 0.45 * d),
        "shift_x": lambda d: (-0.4, 0.4),
        "shift_y": lambda d: (-0.9, 0.9),
        "gap": lambda d: 0.2 - 0.05 * d,
    },
    build=build_lips,
    limits=_lips_limits,
)

SPHERE_BUMP = TerrainSpec(
    task_id=5,
    name="sphere_bump",
    description="Climb round humps that rise smoothly from the ground.",
    hardness=(0.1, 0.8),
    spans={
        "radius": lambda d: (1.0 - 0.275 * d, 1.05 - 0.275 * d),
        "height": lambda d: (0.2 + 0.4 * d, 0.25 + 0.4 * d),
        "shift_x": lambda d: (-0.4, 0.4),
        "shift_y": lambda d: (-0.9, 0.9),
        "gap": lambda d: 0.2 - 0.05 * d,
    },
    build=build_bump,
    limits=_bump_limits,
)

FLAT_CIRCLE_JUMP = TerrainSpec(
    task_id=8,
    name="flat_circle_jump",
    description="Jump from disc to disc over a pit.",
    hardness=(-0.1, 0.8),
    spans={
        "radius": lambda d: (1.0 - 0.025 * d, 1.05 + 0.06 * d),
        "lip": lambda d: (0.5 + 0.02 * d, 0.505 + 0.03 * d),
        "height": lambda d: (0.10 + 0.08 * d, 0.20 + 0.10 * d),
        "shift": lambda d: (-0.2 + 0.15 * d, 0.2 + 0.15 * d),
        "gap": lambda d: (0.4 + 0.7 * d, 0.5 + 0.8 * d),
    },
    build=build_circle_jump,
    limits=_circle_limits,
)

BUMP_JUMP = TerrainSpec(
    task_id=9,
    name="bump_jump",
    description="Jump from hump to hump over a pit.",
    hardness=(-0.5, 0.5),
    spans={
        "radius": lambda d: (1.0 - 0.125 * d, 1.05 - 0.125 * d),
        "lip": lambda d: (0.15 + 0.075 * d, 0.175 + 0.1 * d),
        "height": lambda d: (0.10 + 0.05 * d, 0.15 + 0.07 * d),
        "shift": lambda d: (-0.2 + 0.15 * d, 0.2 + 0.15 * d),
        "gap": lambda d: (0.4 + 0.4 * d, 0.5 + 0.5 * d),
    },
    build=build_bump_jump,
    limits=_bump_jump_limits,
)
