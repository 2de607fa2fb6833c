"""The families of terrains, a kind a file; :data:`TERRAINS` lists them by name.

Every :class:`~isaacgymenvs_tasks.parkour.terrain.spec.TerrainSpec` that a module of this folder has at its top level is
a family. The figures are MTBench's (``set_terrain_benchmark.py``; after Eurekaverse, Liang et al. 2024), with its
difficulty ranges. Where its terrains could not be passed or the formulas turned over, we depart, and say so in the file.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from isaacgymenvs_tasks.parkour.terrain.spec import TerrainSpec


def _find() -> dict[str, TerrainSpec]:
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    specs = [value for module in modules for value in vars(module).values() if isinstance(value, TerrainSpec)]
    terrains: dict[str, TerrainSpec] = {}
    for spec in sorted(specs, key=lambda spec: spec.task_id):
        if spec.name in terrains or spec.task_id in [other.task_id for other in terrains.values()]:
            raise ValueError(f"two families have the name {spec.name!r} or the id {spec.task_id}")
        terrains[spec.name] = spec
    return terrains


#: name -> specification, ordered by id.
TERRAINS: dict[str, TerrainSpec] = _find()
