"""Task configurations by name, for those who do not come through ``train.py``, and which tasks of a set are meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mtbench.composing import composed
from mtbench.resources import CFG

#: Settings that are null where nobody says, and lists where somebody does.
_LISTS = "task_id", "task_counts", "task.env.taskCounts"


def plain(value: Any, one: bool = False) -> Any:
    """Settings as plain data: numbers and arrays of numpy and torch as Python's own, in lists and mappings too, and
    configurations with their interpolations resolved.

    Args:
        one: one value is meant, so an array of one element is that element.
    """
    if OmegaConf.is_config(value):
        return OmegaConf.to_container(value, resolve=True)
    if hasattr(value, "tolist"):
        value = value.tolist()
        while one and isinstance(value, list) and len(value) == 1:
            value = value[0]
        return value
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | range):
        return [plain(inner, one=True) for inner in value]
    return value


def configure(task: str, **settings: Any) -> DictConfig:
    """The node ``task`` of the composed configuration (``cfg/task/<task>.yaml``).

    Args:
        task: ``MT1``, ``MT10``, ``MT50``, ``metaworld``.
        settings: keys of ``cfg/config.yaml`` or, dotted, below it: ``task_id``, ``reward``, ``**{"task.env.fixed": True}``.

    Raises:
        ValueError: an unknown task set, setting or task.
    """
    sets = sorted(path.stem for path in (CFG / "task").glob("*.yaml"))
    if task not in sets:
        raise ValueError(f"there is no task={task}; choose one of: {', '.join(sets)}")
    config = composed(f"task={task}")
    missing = object()
    for key, value in settings.items():
        default = OmegaConf.select(config, key, default=missing)
        if default is missing:
            near = get_close_matches(key, [str(name) for name in config], 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"there is no setting {key!r}{hint}")
        OmegaConf.update(config, key, plain(value, one=not OmegaConf.is_config(default) and key not in _LISTS))
    choose_tasks(config)
    return config.task


def choose_tasks(config: DictConfig) -> None:
    """Settle in a composed configuration which tasks are meant (``task_id``, ``task_name``), by their full names, and with
    ``task_counts`` how many environments there are.

    Raises:
        ValueError: tasks that do not exist, or counts that do not fit.
    """
    from isaacgymenvs_tasks.selection import select_tasks

    task, counts = config.task, config.task_counts
    single = task.name in ("MT1", "MetaWorldMT1")
    if single and config.task_name is None:
        raise ValueError(f"task={task.name} needs to know which task: add task_name=pick-place, for example")
    if config.task_id is not None:
        task.env.tasks = config.task_id if OmegaConf.is_list(config.task_id) else [config.task_id]
    names = task.env.tasks = [spec.name for spec in select_tasks(list(task.env.tasks), _registry(task))]
    if single:
        task.name = f"{task.name}_{names[0]}"
    if counts is None:
        return
    if not _is_whole(counts) or len(counts) != len(names):
        raise ValueError(
            f"task_counts={counts} must be one whole number of at least 1 for each of the {len(names)} tasks: "
            f"{', '.join(names)}"
        )
    if config.num_envs not in (None, sum(counts)):
        raise ValueError(f"task_counts add up to {sum(counts)}, but num_envs={config.num_envs}; leave one of them out")
    config.num_envs = sum(counts)


def _registry(task: DictConfig) -> Mapping[str, Any]:
    """All tasks of the benchmark that a set belongs to, by name."""
    if task.benchmark == "parkour":
        from isaacgymenvs_tasks.parkour.terrain import TERRAINS

        return TERRAINS
    if task.benchmark == "sawyer":
        from isaacgymenvs_tasks.sawyer.tasks import TASKS as OFFICIAL

        return OFFICIAL
    from isaacgymenvs_tasks.metaworld.scenes import TASKS

    return TASKS


def _is_whole(counts: Any) -> bool:
    listed = isinstance(counts, Sequence) and not isinstance(counts, str)
    return listed and all(isinstance(count, int) and count > 0 for count in counts)
