"""Terrains to run over: families of height maps of 18 x 4 m with eight goals each, easy to hard, seeded.

A new family is one :class:`TerrainSpec` in a file of :mod:`.families`: ranges of its parameters, a function that shapes a
:class:`Tile` from them, and the hardest moves they lead to.

    heights, goals = TERRAINS["squeeze"].generate(0.5, np.random.default_rng(0))
    grid = build(list(TERRAINS.values()), difficulties=np.linspace(0, 1, 10), seed=0, rows=10, cols=21)
    vertices, triangles = triangle_mesh(grid.heights, grid.horizontal_scale, grid.vertical_scale, slope_threshold=1.5)
"""

from isaacgymenvs_tasks.parkour.terrain.draw import Draw, Ranges
from isaacgymenvs_tasks.parkour.terrain.families import TERRAINS
from isaacgymenvs_tasks.parkour.terrain.grid import TerrainGrid, build
from isaacgymenvs_tasks.parkour.terrain.mesh import triangle_mesh
from isaacgymenvs_tasks.parkour.terrain.spec import Limits, TerrainSpec
from isaacgymenvs_tasks.parkour.terrain.tile import Tile

__all__ = ["TERRAINS", "Draw", "Limits", "Ranges", "TerrainGrid", "TerrainSpec", "Tile", "build", "triangle_mesh"]
