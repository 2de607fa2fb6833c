"""Vectorized robot tasks written against Isaac Gym's Tensor API.

Importing this package makes ``import isaacgym`` mean :mod:`mtbench.sim`, unless the environment variable
``MTBENCH_PHYSICS_ENGINE`` is ``isaacgym`` (NVIDIA's own package, where it is installed).
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if os.environ.get("MTBENCH_PHYSICS_ENGINE") != "isaacgym":
    import mtbench.sim

    mtbench.sim.install()

from isaacgymenvs_tasks.configuration import choose_tasks, configure, plain
from isaacgymenvs_tasks.settings import check_task

if TYPE_CHECKING:
    from torch import Tensor

    from isaacgymenvs_tasks.metaworld.env import MetaWorld
    from isaacgymenvs_tasks.parkour.env import Parkour
    from isaacgymenvs_tasks.sawyer.env import OfficialMetaWorld


__all__ = ["benchmark", "choose_tasks", "configure", "film", "make"]


def make(
    task: str | Mapping[str, Any],
    num_envs: int,
    seed: int = 0,
    sim_device: str = "cpu",
    rl_device: str = "cpu",
    headless: bool = True,
    **settings: Any,
) -> MetaWorld | Parkour | OfficialMetaWorld:
    """Build a multi-task environment. It speaks torch: ``reset() -> {"obs"}``, ``step(actions) -> {"obs"}, reward, done,
    extras``, see :class:`~isaacgymenvs_tasks.vec_task.VecTask`.

    Args:
        task: the name of a file in ``cfg/task`` (``MT10``), or the node ``task`` of a composed configuration.
        num_envs: environments of all tasks together. Numbers may be numpy's or torch's, here and in ``settings``.
        seed: of everything random in the environments.
        sim_device, rl_device: where physics runs, and where actions, observations and rewards are.
        settings: with a name, what ``train.py`` takes on its command line, see
            :func:`~isaacgymenvs_tasks.configuration.configure`.

    Raises:
        ValueError: an unknown task, an impossible number of environments or a device that is not there, in one sentence.
    """
    num_envs, seed, headless = (plain(value, one=True) for value in (num_envs, seed, headless))
    node = plain(configure(task, num_envs=num_envs, seed=seed, **settings) if isinstance(task, str) else task)
    cfg = {
        "name": node["name"],
        "seed": seed,
        "env": {**node["env"], "numEnvs": num_envs},
        "sim": dict(node.get("sim", {})),
    }
    if isinstance(num_envs, bool) or not isinstance(num_envs, int) or num_envs < 1:
        raise ValueError(f"num_envs is {num_envs}; it must be a whole number of at least 1")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ValueError(f"seed is {seed}; it must be a whole number")
    check_task({**node, "env": cfg["env"]}, partial=True)
    where = (rl_device, sim_device, -1, headless)
    if node.get("benchmark") == "parkour":
        from isaacgymenvs_tasks.parkour.env import Parkour

        return Parkour(cfg, *where)
    if node.get("benchmark") == "sawyer":
        from isaacgymenvs_tasks.sawyer.env import OfficialMetaWorld

        return OfficialMetaWorld(cfg, *where)
    from isaacgymenvs_tasks.metaworld.env import MetaWorld

    return MetaWorld(cfg, *where)


def film(env: Any, policy: Callable[[Any], Tensor], path: Path, **options: Any) -> None:
    """Write one episode of every task, side by side, to an MP4 or GIF file, see :func:`isaacgymenvs_tasks.pictures.film`;
    ``width``: pixels of a picture."""
    drawing(env).film(env, policy, path, **options)


def drawing(env: Any) -> ModuleType:
    """The module ``render`` of the environment's benchmark: films, and what to show of an environment."""
    package = importlib.import_module(type(env).__module__).__package__
    return importlib.import_module(f"{package}.render")


def benchmark(env: Any) -> str:
    """What the environment's tasks belong to, as ``task.benchmark`` says it: ``metaworld``, ``sawyer`` or ``parkour``; the
    name of the class where it is of another package."""
    names = {"MetaWorld": "metaworld", "OfficialMetaWorld": "sawyer", "Parkour": "parkour"}
    return names.get(type(env).__name__, type(env).__name__)
