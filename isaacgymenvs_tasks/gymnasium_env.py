"""The environments as a ``gymnasium.vector.VectorEnv``: numpy in, numpy out, without rl-games."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

import isaacgymenvs_tasks


class GymnasiumVectorEnv(VectorEnv):
    """Many tasks in one vector environment, on the CPU; it takes what :func:`isaacgymenvs_tasks.make` takes.

    Environments are reset in the step that ends their episode (``AutoresetMode.SAME_STEP``): the observation is the first
    of the next episode and ``infos["final_obs"]`` (num_envs, numbers) has the last one where ``infos["_final_obs"]`` is
    set, with ``infos["final_success"]``: whether the episode succeeded at any step. ``infos["success"]`` (num_envs,) is of
    the step, ``infos["task"]`` (num_envs,) names the task; success is a bool and in Parkour the share of goals reached.
    Physics that diverged ends an episode as a termination with reward 0.

    The first ``reset`` may seed. Seeding again means building again, because the tasks draw from one generator.
    """

    def __init__(self, task: str, num_envs: int, seed: int = 0, **settings: Any) -> None:
        settings.setdefault("task.env.randomInitialProgress", False)
        self._arguments = {"task": task, "num_envs": num_envs, **settings}
        self.env = isaacgymenvs_tasks.make(seed=seed, **self._arguments)
        self.num_envs = num_envs = self.env.num_envs
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.single_observation_space = self.env.observation_space
        self.single_action_space = self.env.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._names = np.array(self.env.task_names)[self.env.task_index.cpu().numpy()]

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start new episodes everywhere."""
        if isinstance(seed, list | tuple):
            raise ValueError("one seed serves all environments; give a number")
        if options and not np.all(options.get("reset_mask", True)):
            raise ValueError("environments reset themselves; reset() is for all of them")
        if seed is not None:
            self.env.close()
            self.env = isaacgymenvs_tasks.make(seed=seed, **self._arguments)
        return _array(self.env.reset()["obs"]), {"task": self._names}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Actions (num_envs, numbers) in [-1, 1] -> observations, rewards, terminations, truncations, infos."""
        obs, reward, done, extras = self.env.step(torch.as_tensor(actions, dtype=torch.float32))
        truncated = extras["time_outs"]
        infos = {"task": self._names, "success": _array(self.env.success_buf).copy()}
        if bool(done.any()):
            infos |= {"final_obs": _array(extras["final_obs"]), "_final_obs": _array(done)}
            infos["final_success"] = _array(extras["finished"]["success"])
        return _array(obs["obs"]), _array(reward), _array(done & ~truncated), _array(truncated), infos

    def close_extras(self, **kwargs: Any) -> None:
        """Free the simulation."""
        self.env.close()


def _array(x: torch.Tensor) -> np.ndarray:
    return x.cpu().numpy()
