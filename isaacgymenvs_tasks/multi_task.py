"""What environments of several manipulation tasks have in common, whichever robot does them: which tasks, how episodes are
counted, and what is saved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isaacgymenvs_tasks.selection import Spec, select_tasks, share
from isaacgymenvs_tasks.vec_task import VecTask


class MultiTask(VecTask):
    """Environments sorted by task. A subclass calls :meth:`choose` before its constructor goes on, and :meth:`score` in every
    step; ``SAVED`` names its buffers that a saved state needs.

    Attributes:
        task_names: K names; ``task_index``: (num_envs,) long, sorted; ``task_slices``: K slices of the batch.
        success_buf: (num_envs,) bool, success in the last step; ``episode_success``: in any step of the episode.
        actions: (num_envs, 4) of the last step.
        started: whether the first reset has been.
    """

    SAVED: tuple[str, ...] = (
        "actions",
        "success_buf",
        "episode_success",
        "episode_return",
        "episode_length",
        "progress_buf",
    )

    def choose(self, env: Mapping[str, Any], registry: Mapping[str, Spec]) -> list[Spec]:
        """The specifications of the tasks that ``cfg["env"]`` names, after reading from it what is common to all.

        Raises:
            ValueError: tasks that do not exist, or counts that do not fit.
        """
        specs = select_tasks(env["tasks"], registry)
        self.task_names = [spec.name for spec in specs]
        self.num_tasks = len(specs)
        self._counts = share(int(env["numEnvs"]), self.task_names, env.get("taskCounts"))
        edges = np.cumsum([0, *self._counts]).tolist()
        self.task_slices = [slice(a, b) for a, b in pairwise(edges)]
        self.fixed = bool(env.get("fixed", False))
        self.terminate_on_success = bool(env.get("terminateOnSuccess", False))
        self.random_initial_progress = bool(env.get("randomInitialProgress", True))
        self.reward_scale = float(env.get("rewardScale", 1.0))
        self.reward = str(env.get("reward", "v2"))
        return specs

    def check_reward(self, rewards: Sequence[str]) -> None:
        """Raise a ValueError unless ``cfg["env"]["reward"]`` is one of these."""
        if self.reward not in rewards:
            raise ValueError(f"reward={self.reward} does not exist; choose one of: {', '.join(rewards)}")

    def allocate_buffers(self) -> None:
        super().allocate_buffers()
        n, device = self.num_envs, self.device
        counts = torch.tensor(self._counts, device=device)
        self.task_index = torch.arange(self.num_tasks, device=device).repeat_interleave(counts)
        self._one_hot = torch.nn.functional.one_hot(self.task_index, self.num_tasks).float()
        self.actions = torch.zeros(n, 4, device=device)
        self.success_buf = torch.zeros(n, dtype=torch.bool, device=device)
        self.episode_success = torch.zeros(n, dtype=torch.bool, device=device)
        self.started = False

    def score(self, reward: Tensor, success: Tensor) -> None:
        """Take over rewards (num_envs,) and successes (num_envs,) bool of the step."""
        self.rew_buf = self.reward_scale * reward
        self.success_buf = success.clone()
        self.reset_buf = self.success_buf if self.terminate_on_success else torch.zeros_like(self.success_buf)
        self.episode_success = self.episode_success | self.success_buf

    def step(self, actions: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor, dict[str, Any]]:
        """See :class:`VecTask`; adds ``task_indices`` (num_envs,) and ``ordered_task_names`` to ``extras``."""
        result = super().step(actions)
        result[3]["task_indices"] = self.task_index
        result[3]["ordered_task_names"] = self.task_names
        return result

    def episode_info(self) -> dict[str, Tensor]:
        """Success at any step of the episode."""
        return {"success": self.episode_success}

    def initial_progress(self) -> Tensor | None:
        """Random at the first reset, so that episodes do not end all at once."""
        begun, self.started = self.started, True
        if begun or not self.random_initial_progress:
            return None
        return torch.randint(self.max_episode_length, (self.num_envs,), generator=self.generator, device=self.device)

    def check_source(self, source: Tensor) -> None:
        """Raise a ValueError where ``source`` (num_envs,) names an environment of another task."""
        if not torch.equal(self.task_index[source], self.task_index):
            raise ValueError("an environment cannot begin where one of another task does")

    def save_buffers(self) -> dict[str, Any]:
        """All that is to be saved but the physics."""
        return {
            "buffers": {name: getattr(self, name).clone() for name in self.SAVED},
            "started": self.started,
            "generator": self.generator.get_state(),
        }

    def load_buffers(self, state: Mapping[str, Any]) -> None:
        """The inverse of :meth:`save_buffers`."""
        for name in self.SAVED:
            setattr(self, name, state["buffers"][name].clone().to(self.device))
        self.started = state["started"]
        self.generator.set_state(state["generator"])
