"""The environments as rsl_rl sees them (``pip install rsl-rl-lib``, release 5 or later)."""

from __future__ import annotations

from typing import Any

import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict
from torch import Tensor

import isaacgymenvs_tasks


class RslRlVecEnv(VecEnv):
    """Many tasks for ``rsl_rl.runners.OnPolicyRunner``; it takes what :func:`isaacgymenvs_tasks.make` takes.

    There is one group of observations, ``policy`` (num_envs, numbers), the last K the task's one-hot. Actions are clipped to
    [-1, 1]. ``extras["log"]`` has the share of environments whose last finished episode succeeded, of all tasks and of each.
    """

    def __init__(self, task: str, num_envs: int, seed: int = 0, **settings: Any) -> None:
        self.env = isaacgymenvs_tasks.make(task, num_envs, seed, **settings)
        self.cfg = dict(self.env.cfg)
        self.num_envs, self.num_actions = self.env.num_envs, self.env.num_actions
        self.max_episode_length = self.env.max_episode_length
        self.device = self.env.rl_device
        self._obs = self.env.reset()["obs"]
        self._success = torch.full((self.num_envs,), torch.nan, device=self.device)

    @property
    def episode_length_buf(self) -> Tensor:  # type: ignore[override]
        """(num_envs,) long, steps since each episode began, which the runner may set."""
        return self.env.progress_buf

    @episode_length_buf.setter
    def episode_length_buf(self, steps: Tensor) -> None:
        self.env.progress_buf.copy_(steps)

    def get_observations(self) -> TensorDict:
        """What the last step or reset showed."""
        return TensorDict({"policy": self._obs}, batch_size=[self.num_envs])

    def step(self, actions: Tensor) -> tuple[TensorDict, Tensor, Tensor, dict[str, Any]]:
        """Actions (num_envs, num_actions) -> observations, rewards, done (num_envs,) long, extras."""
        with (
            torch.inference_mode(False),
            torch.no_grad(),
        ):  # the runner's mode would leave buffers that nobody else can write
            following, rewards, done, extras = self.env.step(actions)
            finished = extras["finished"]
            self._success = torch.where(finished["mask"], finished["success"].float(), self._success)
        self._obs = following["obs"]
        return self.get_observations(), rewards, done.long(), {"time_outs": extras["time_outs"], "log": self._log()}

    def _log(self) -> dict[str, Tensor]:
        log = {"Episode/success": self._success.nanmean()}
        for name, rows in zip(self.env.task_names, self.env.task_slices, strict=True):
            log[f"Episode/success/{name}"] = self._success[rows].nanmean()
        return log
