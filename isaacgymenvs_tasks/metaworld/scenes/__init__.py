"""Meta-World's scenes on the Franka's table, one file a scene; :data:`TASKS` lists their tasks by name.

Every :class:`~isaacgymenvs_tasks.metaworld.task.TaskSpec` that a module of this folder has at its top level is a task.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from isaacgymenvs_tasks.metaworld.task import TaskSpec


def _find() -> dict[str, TaskSpec]:
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    specs = [value for module in modules for value in vars(module).values() if isinstance(value, TaskSpec)]
    tasks: dict[str, TaskSpec] = {}
    for spec in sorted(specs, key=lambda spec: spec.task_id):
        if spec.name in tasks or spec.task_id in [other.task_id for other in tasks.values()]:
            raise ValueError(f"two tasks have the name {spec.name!r} or the id {spec.task_id}")
        tasks[spec.name] = spec
    return tasks


#: name -> specification, ordered by id.
TASKS: dict[str, TaskSpec] = _find()
