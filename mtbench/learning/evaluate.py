"""Deterministic evaluation: no exploration, every task, the same goals every time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtbench.learning.files import write_atomically
from mtbench.learning.networks.model import PolicyModel

#: name -> episodes a task, and whether their goals are drawn anew in every evaluation. Meta-World+ and TOPPO (section
#: B.1): 50, one for each goal. MTBench (section 3.1): 10 with random goals; its tables average the last five (D late).
PROTOCOLS = {"metaworld": (50, False), "mtbench": (10, True)}

#: (num_envs) -> an environment with random initial progress off and a fixed seed
EnvFactory = Callable[[int], Any]


@dataclass(frozen=True)
class Evaluation:
    """Per-task results in task order.

    Attributes:
        tasks: names.
        success: fraction of episodes that succeeded at any step (TOPPO paper, section B.1).
        returns: mean undiscounted return.
        episodes: episodes a task.
    """

    tasks: list[str]
    success: list[float]
    returns: list[float]
    episodes: int

    @property
    def mean_success(self) -> float:
        """Mean over tasks."""
        return sum(self.success) / len(self.success)

    def worst(self, k: int) -> float:
        """Mean success of the ``k`` worst tasks."""
        chosen = sorted(self.success)[:k]
        return sum(chosen) / len(chosen)

    def table(self) -> str:
        """A table to print, one line a task."""
        width = max(len("task"), *(len(name) for name in self.tasks))
        lines = [f"{'task':<{width}}  success  return"]
        for name, success, total in zip(self.tasks, self.success, self.returns, strict=True):
            lines.append(f"{name:<{width}}  {100 * success:6.1f}%  {total:8.1f}")
        lines.append(
            f"{'mean':<{width}}  {100 * self.mean_success:6.1f}%  {sum(self.returns) / len(self.returns):8.1f}"
        )
        return "\n".join(lines)

    def write(self, path: Path) -> None:
        """Write a CSV file, one row a task."""
        rows = zip(self.tasks, self.success, self.returns, strict=True)
        lines = [f"{name},{self.episodes},{success:.4f},{total:.4f}" for name, success, total in rows]
        text = "\n".join(["task,episodes,success,return", *lines]) + "\n"
        write_atomically(path, lambda file: file.write(text.encode()))


class Evaluator:
    """Runs one episode in each of ``num_tasks * num_goals`` environments of its own.

    The environments are made at the first call. Their state after the first reset is kept and restored at every call,
    so that all evaluations face the same goals and take no random numbers from training.

    With ``fresh_goals`` they start anew every time instead, from the evaluator's own random numbers.

    Args:
        make_env: see :data:`EnvFactory`.
        num_tasks: K.
        num_goals: episodes a task.
        max_steps: length of an episode.
        fresh_goals: see above.
    """

    def __init__(
        self, make_env: EnvFactory, num_tasks: int, num_goals: int, max_steps: int, fresh_goals: bool = False
    ) -> None:
        self.fresh_goals = fresh_goals
        self.make_env, self.num_tasks, self.num_goals, self.max_steps = make_env, num_tasks, num_goals, max_steps
        self._env: Any = None
        self._start: dict[str, Any] = {}
        self._first_obs: Tensor

    @torch.no_grad()
    def __call__(self, model: PolicyModel, on_step: Callable[[], None] = lambda: None) -> Evaluation:
        """Evaluate the mean policy of ``model``; ``on_step`` is called at every step and may raise to stop."""
        if self._env is None:
            self._env = self.make_env(self.num_tasks * self.num_goals)
            self._first_obs = self._env.reset()["obs"].clone()
            self._start = self._env.get_env_state()
        env = self._env
        began = env.reset() if self.fresh_goals else env.set_env_state(self._start)
        obs, task = (self._first_obs if began is None else began["obs"]), env.task_index.to(self._first_obs.device)
        finished = torch.zeros(env.num_envs, dtype=torch.bool, device=obs.device)
        rewards, begun = torch.zeros_like(finished, dtype=torch.float32), torch.ones_like(finished)
        success, returns = torch.zeros(2, env.num_envs, dtype=torch.float64, device=obs.device)
        for _ in range(self.max_steps):
            on_step()
            model.observe(rewards, begun)
            following, rewards, begun, extras = env.step(model.act(obs, task))
            obs = following["obs"]
            episode = extras["finished"]
            first = episode["mask"] & ~finished
            success = torch.where(first, episode["success"].to(success.dtype), success)
            returns = torch.where(first, episode["return"].to(returns.dtype), returns)
            finished = finished | first
        count = torch.bincount(task, minlength=self.num_tasks)

        def per_task(x: Tensor) -> list[float]:
            return (torch.zeros(self.num_tasks, dtype=x.dtype, device=x.device).index_add_(0, task, x) / count).tolist()

        return Evaluation(list(env.task_names), per_task(success), per_task(returns), self.num_goals)
