"""Trajectories of the toy environment, for learners that need some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtbench.data import Trajectories
from mtbench.data.collect import collect
from tests.learning.toy_env import PointMass

TASKS = ["near", "far", "left", "right"]


class Together(PointMass):
    """Episodes of the toy that all last to the end."""

    def __init__(self, num_envs: int, seed: int) -> None:
        env = {"tasks": TASKS, "episodeLength": 20, "randomInitialProgress": False}
        super().__init__({"env": env}, num_envs, seed, "cpu")
        self.terminates = torch.zeros_like(self.terminates)


def straight(env: Any) -> Tensor:
    """To the goal."""
    return (10.0 * (env.buffers["goal"] - env.buffers["position"])).clamp(-1.0, 1.0)


def record(path: Path, n: int = 12, quality: str = "replay", **options: Any) -> Trajectories:
    """A dataset of the toy's four tasks."""
    make = lambda per_task, seed: Together(per_task * len(TASKS), seed)  # noqa: E731
    return collect(make, lambda env: straight, path, n=n, quality=quality, per_round=5, **options)
