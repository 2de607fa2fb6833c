"""Which tasks are meant, and how many environments each gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import accumulate, pairwise
from typing import Any, Protocol, TypeVar

#: A task that MTBench calls otherwise: Meta-World's name and MTBench's. Either is taken for either.
OTHER_NAMES = {"sweep_into": "sweep_into_goal"}


class Named(Protocol):
    """What every kind of task specification has."""

    @property
    def task_id(self) -> int: ...
    @property
    def name(self) -> str: ...


Spec = TypeVar("Spec", bound=Named)


def task_name(task: str | int, registry: Mapping[str, Named]) -> str:
    """The registry's name for a task given by id, ``"5"``, or name, ``pick-place`` and ``PICK_PLACE`` included.

    Raises:
        ValueError: there is none; the nearest is suggested.
    """
    text = str(task).strip().lower().removesuffix("-v2").removesuffix("-v3").replace("-", "_").replace(" ", "_")
    for one, other in OTHER_NAMES.items():
        if text in (one, other):
            text = one if one in registry else other
    if text.isdecimal():
        for spec in registry.values():
            if spec.task_id == int(text):
                return spec.name
        ids = sorted(spec.task_id for spec in registry.values())
        raise ValueError(f"there is no task with the id {task}; ids are {ids[0]} to {ids[-1]}")
    if text not in registry:
        near = get_close_matches(text, registry, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"unknown task {task!r}; {hint}Tasks are: {', '.join(registry)}")
    return text


def select_tasks(tasks: Sequence[str | int] | str | int, registry: Mapping[str, Spec]) -> list[Spec]:
    """The specifications of ``tasks``, names or ids.

    Raises:
        ValueError: no task, a task twice or a task that does not exist.
    """
    names = [task_name(task, registry) for task in ([tasks] if isinstance(tasks, str | int) else tasks)]
    if not names:
        raise ValueError("env.tasks is empty; name at least one task")
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"task {name!r} is named twice")
    return [registry[name] for name in names]


def divide(env: Mapping[str, Any], registry: Mapping[str, Spec]) -> tuple[list[Spec], list[int], list[slice]]:
    """The specifications of the tasks that ``env``, which is ``cfg["env"]``, names; how many environments each has, and its
    slice of the batch.

    Raises:
        ValueError: tasks that do not exist, or counts that do not fit.
    """
    specs = select_tasks(env["tasks"], registry)
    counts = share(int(env["numEnvs"]), [spec.name for spec in specs], env.get("taskCounts"))
    edges = [0, *accumulate(counts)]
    return specs, counts, [slice(a, b) for a, b in pairwise(edges)]


def share(num_envs: int, names: Sequence[str], counts: Sequence[int] | None) -> list[int]:
    """Environments of each task: ``counts``, or ``num_envs`` divided evenly, the first tasks taking what remains.

    Raises:
        ValueError: they do not fit the tasks or ``num_envs``.
    """
    if counts is None:
        if num_envs < len(names):
            raise ValueError(f"num_envs is {num_envs}, but {len(names)} tasks need at least one environment each")
        each, left = divmod(num_envs, len(names))
        return [each + (k < left) for k in range(len(names))]
    counts = [int(count) for count in counts]
    if len(counts) != len(names):
        raise ValueError(f"{len(counts)} task counts for {len(names)} tasks ({', '.join(names)}); give one each")
    if min(counts) < 1:
        raise ValueError(f"task counts are {counts}; every task needs at least one environment")
    if sum(counts) != num_envs:
        raise ValueError(f"task counts {counts} add up to {sum(counts)}, but num_envs is {num_envs}")
    return counts
