"""Environments at the two recorded goals of each task, so that they are built in a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import isaacgymenvs_tasks
from isaacgymenvs_tasks.sawyer import env as env_module
from isaacgymenvs_tasks.sawyer.env import OfficialMetaWorld
from isaacgymenvs_tasks.sawyer.task import SawyerTask
from tests.sawyer.recording import GOALS, recording

Make = Callable[..., OfficialMetaWorld]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """``make(tasks, num_envs, ...)``: official environments with two goals a task."""

    def vectors(specs: Sequence[SawyerTask], seed: int) -> list[np.ndarray]:
        return [recording(spec.name).vector for spec in specs]

    monkeypatch.setattr(env_module, "goal_vectors", vectors)
    monkeypatch.setattr(env_module, "GOALS", len(GOALS))
    built = []

    def build(tasks: Sequence[str], num_envs: int, seed: int = 0, **settings: Any) -> OfficialMetaWorld:
        settings = {"task.sim.num_threads": 1, "task.env.randomInitialProgress": False, **settings}
        env = isaacgymenvs_tasks.make("MetaWorldMT50", num_envs, seed, task_id=list(tasks), **settings)
        built.append(env)
        return env

    yield build
    for env in built:
        env.close()
