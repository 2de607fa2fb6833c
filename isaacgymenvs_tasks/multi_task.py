"""What environments of several manipulation tasks have in common, whichever robot does them: which tasks, what is observed of
what was read, how episodes are counted, and what is saved.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from isaacgymenvs_tasks.selection import Spec, divide
from isaacgymenvs_tasks.vec_task import VecTask

FRAME = 18  #: numbers of one observed frame: tcp or hand 3, openness 1, position 3 and orientation 4 of two objects


class MultiTask(VecTask, Generic[Spec]):
    """Environments sorted by task. ``cfg["env"]["tasks"]`` names the tasks, ``taskCounts`` the environments of each (evenly
    when null), ``reward`` one of ``REWARDS``.

    A subclass names its tasks (:meth:`registry`), fills ``goal`` (num_envs, 3), observes by :meth:`observe` and calls
    :meth:`score` in every step; ``SAVED`` names its buffers that a saved state needs.

    Attributes:
        specs: K task specifications.
        task_names: K names; ``task_index``: (num_envs,) long, sorted; ``task_slices``: K slices of the batch.
        success_buf: (num_envs,) bool, success in the last step; ``episode_success``: in any step of the episode.
        actions: (num_envs, 4) of the last step.
        started: whether the first reset has been.
    """

    REWARDS: tuple[str, ...] = ()
    SAVED: tuple[str, ...] = (
        "actions",
        "success_buf",
        "episode_success",
        "episode_return",
        "episode_length",
        "progress_buf",
    )

    goal: Tensor

    def __init__(
        self,
        cfg: Mapping[str, Any],
        rl_device: str = "cpu",
        sim_device: str = "cpu",
        graphics_device_id: int = -1,
        headless: bool = True,
        registry: Mapping[str, Spec] | None = None,
    ) -> None:
        """``registry`` replaces the tasks that there are.

        Raises:
            ValueError: tasks or a reward that do not exist, or counts that do not fit, in one sentence.
        """
        env = cfg["env"]
        self.specs = self.choose(env, self.registry() if registry is None else registry)
        numbers = {"numObservations": 2 * FRAME + 3 + self.num_tasks, "numActions": 4}
        super().__init__({**cfg, "env": {**env, **numbers}}, rl_device, sim_device, graphics_device_id, headless)

    @classmethod
    @abstractmethod
    def registry(cls) -> Mapping[str, Spec]:
        """All tasks, by name."""

    def choose(self, env: Mapping[str, Any], registry: Mapping[str, Spec]) -> list[Spec]:
        """The specifications of the tasks that ``env``, which is ``cfg["env"]``, names. All else that the simulation is built
        from is read here too; a subclass that asks for more adds to this."""
        specs, self._counts, self.task_slices = divide(env, registry)
        self.task_names = [spec.name for spec in specs]
        self.num_tasks = len(specs)
        self.fixed = bool(env.get("fixed", False))
        self.terminate_on_success = bool(env.get("terminateOnSuccess", False))
        self.random_initial_progress = bool(env.get("randomInitialProgress", True))
        self.reward_scale = float(env.get("rewardScale", 1.0))
        self.reward = str(env.get("reward", "v2"))
        if self.reward not in self.REWARDS:
            raise ValueError(f"reward={self.reward} does not exist; choose one of: {', '.join(self.REWARDS)}")
        return specs

    def bound(self, low: Sequence[float], high: Sequence[float], goal: float) -> None:
        """Give the observation space the bounds of a frame (18,) and of a goal's coordinates, -goal to goal."""
        one_hot = np.ones(self.num_tasks)
        least = np.concatenate([low, low, [-goal] * 3, 0.0 * one_hot]).astype(np.float32)
        most = np.concatenate([high, high, [goal] * 3, one_hot]).astype(np.float32)
        self.observation_space = spaces.Box(least, most)

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

    def observe(self, frame: Tensor, previous: Tensor) -> None:
        """Write ``obs_buf`` from frames (num_envs, 18) of this step and the one before."""
        self.obs_buf = torch.cat((frame, previous, self.goal, self._one_hot), 1)

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
