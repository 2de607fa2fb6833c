"""Vectorized robot tasks written against Isaac Gym's Tensor API.

Importing this package makes ``import isaacgym`` mean :mod:`mtbench.sim`, unless the environment variable
``MTBENCH_PHYSICS_ENGINE`` is ``isaacgym`` (NVIDIA's own package, where it is installed).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if os.environ.get("MTBENCH_PHYSICS_ENGINE") != "isaacgym":
    import mtbench.sim

    mtbench.sim.install()

if TYPE_CHECKING:
    from isaacgymenvs_tasks.vec_task import VecTask


def task_names(tasks: Sequence[str | int]) -> list[str]:
    """Full names of Meta-World tasks given by id or name (``5``, ``"pick-place"``).

    Raises:
        ValueError: there is no such task.
    """
    from isaacgymenvs_tasks.metaworld.env import task_name
    from isaacgymenvs_tasks.metaworld.scenes import TASKS

    return [task_name(task, TASKS) for task in tasks]


def make(
    task_cfg: Mapping[str, Any],
    num_envs: int,
    seed: int = 0,
    sim_device: str = "cpu",
    rl_device: str = "cpu",
    headless: bool = True,
) -> VecTask:
    """Build the multi-task environment that a task configuration describes (``cfg/task/*.yaml``).

    Raises:
        ValueError: an unknown task, an impossible number of environments or a device that is not there, in one sentence.
    """
    from isaacgymenvs_tasks.metaworld.env import MetaWorld

    plain = {
        "name": task_cfg["name"],
        "seed": seed,
        "env": dict(task_cfg["env"], numEnvs=num_envs),
        "sim": dict(task_cfg.get("sim", {})),
    }
    return MetaWorld(plain, rl_device, sim_device, graphics_device_id=-1, headless=headless)
