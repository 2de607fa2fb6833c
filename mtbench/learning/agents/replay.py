"""A replay buffer over many environments, sampled evenly by task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mtbench.learning.errors import UserError


@dataclass
class Batch:
    """Transitions of ``n`` steps or fewer, n rows in K equal slices in task order.

    Attributes:
        obs, next_obs: (n, features + K) raw observations at the start and the end of the window, one-hot last.
        actions: (n, actions), the first of the window.
        rewards: (n,) discounted sum over the window.
        discount: (n,) what the value of ``next_obs`` counts: gamma to the length of the window, 0 after a termination.
        task: (n,) long.
    """

    obs: Tensor
    actions: Tensor
    rewards: Tensor
    discount: Tensor
    next_obs: Tensor
    task: Tensor


class ReplayBuffer:
    """The last steps of N environments in a ring, allocated at once on one device.

    It is time-major, so that the window of an n-step return is consecutive rows of one environment. What an environment's
    task is does not change, so no one-hot is stored. An episode that reached its time limit ends a window as a terminated
    one does, but its last observation is bootstrapped from.

    Args:
        capacity: transitions over all environments, rounded down to whole steps.
        task_index: (N,) task of each environment; every task up to the largest occurs.
        num_features: entries of an observation without the one-hot.
        num_actions: size of an action.
        device: where it lies; what is sampled is on the device of the generator.
        n_step: the longest window.
        gamma: discount of one step.

    Raises:
        UserError: the capacity is less than a window.
    """

    def __init__(
        self,
        capacity: int,
        task_index: Tensor,
        num_features: int,
        num_actions: int,
        device: torch.device | str,
        n_step: int,
        gamma: float,
    ) -> None:
        self.device = torch.device(device)
        self.num_envs, self.num_features, self.n_step = task_index.numel(), num_features, n_step
        self.steps = capacity // self.num_envs
        if self.steps <= n_step:
            raise UserError(
                f"replay_buffer_size={capacity} is {self.steps} steps of {self.num_envs} environments; nstep={n_step} "
                f"needs at least {(n_step + 1) * self.num_envs}"
            )
        counts = torch.bincount(task_index.to(self.device))
        self.num_tasks = counts.numel()
        self._counts, self._starts = counts, torch.cumsum(counts, 0) - counts
        self._order = torch.argsort(task_index.to(self.device), stable=True)  # environments, task after task
        self._powers = gamma ** torch.arange(n_step + 1, device=self.device, dtype=torch.float32)
        rows = self.steps * self.num_envs
        self._data = {
            "obs": torch.zeros(rows, num_features, device=self.device),
            "actions": torch.zeros(rows, num_actions, device=self.device),
            "rewards": torch.zeros(rows, device=self.device),
            "next_obs": torch.zeros(rows, num_features, device=self.device),
            "terminated": torch.zeros(rows, dtype=torch.bool, device=self.device),
            "ended": torch.zeros(rows, dtype=torch.bool, device=self.device),
        }
        self._next = 0  #: step of the ring that is written next
        self._stored = 0  #: steps

    @staticmethod
    def size_in_bytes(capacity: int, num_envs: int, num_features: int, num_actions: int) -> int:
        """What a buffer takes, without making it."""
        return capacity // num_envs * num_envs * (4 * (2 * num_features + num_actions + 1) + 2)

    @property
    def bytes(self) -> int:
        """Size of what is stored when it is full."""
        return sum(values.numel() * values.element_size() for values in self._data.values())

    def __len__(self) -> int:
        """Transitions stored."""
        return self._stored * self.num_envs

    @property
    def ready(self) -> bool:
        """Whether there is more than one window to sample from."""
        return self._stored > self.n_step

    def add(
        self, obs: Tensor, actions: Tensor, rewards: Tensor, next_obs: Tensor, terminated: Tensor, truncated: Tensor
    ) -> None:
        """Store one step of all environments in the place of the oldest.

        Args:
            obs: (N, features or features + K).
            actions: (N, actions).
            rewards: (N,).
            next_obs: like ``obs``; the last observation of the episode where one ended, not the first of the next.
            terminated, truncated: (N,) bool, ended for good and cut off at the time limit.
        """
        values = {
            "obs": obs[:, : self.num_features],
            "actions": actions,
            "rewards": rewards,
            "next_obs": next_obs[:, : self.num_features],
            "terminated": terminated,
            "ended": terminated | truncated,
        }
        begin = self._next * self.num_envs
        for name, value in values.items():
            self._data[name][begin : begin + self.num_envs].copy_(value)
        self._next = (self._next + 1) % self.steps
        self._stored = min(self._stored + 1, self.steps)

    def sample(self, batch_size: int, generator: torch.Generator) -> Batch:
        """Draw ``batch_size // K`` windows of every task, at least one: an environment of the task and a step of it, both
        uniformly. Return them on the device of the generator.
        """
        per_task = max(1, batch_size // self.num_tasks)
        size = self.num_tasks * per_task
        # float64: a float32 has 2^24 values between 0 and 1, too few to number the steps of a large buffer evenly
        draws = torch.rand(2, size, generator=generator, device=generator.device, dtype=torch.float64).to(self.device)
        task = torch.arange(self.num_tasks, device=self.device).repeat_interleave(per_task)
        counts = self._counts[task]
        env = self._order[self._starts[task] + torch.minimum((draws[0] * counts).long(), counts - 1)]
        # The newest steps have no whole window yet; the oldest one is at `_next` when the ring is full.
        choices = self._stored - self.n_step + 1
        oldest = self._next - self._stored
        first = oldest + (draws[1] * choices).long().clamp_max_(choices - 1)
        window = torch.arange(self.n_step, device=self.device)
        rows = (first.unsqueeze(1) + window) % self.steps * self.num_envs + env.unsqueeze(1)  # (n, n_step)
        ended = self._data["ended"][rows]
        # a step counts while no episode has ended before it
        counted = (torch.cumsum(ended, 1) - ended.long()) == 0
        rewards = (self._data["rewards"][rows] * counted * self._powers[:-1]).sum(1)
        length = counted.sum(1)
        last = rows.gather(1, length.unsqueeze(1) - 1).squeeze(1)
        discount = self._powers[length].masked_fill(self._data["terminated"][last], 0.0)
        one_hot = F.one_hot(task, self.num_tasks).float()
        drawn = {
            "obs": torch.cat((self._data["obs"][rows[:, 0]], one_hot), 1),
            "actions": self._data["actions"][rows[:, 0]],
            "rewards": rewards,
            "discount": discount,
            "next_obs": torch.cat((self._data["next_obs"][last], one_hot), 1),
            "task": task,
        }
        return Batch(**{name: value.to(generator.device) for name, value in drawn.items()})

    def mean_absolute_reward(self) -> Tensor:
        """Mean of |reward| over the stored transitions of each task, (K,); zeros while there are none."""
        totals = torch.zeros(self.num_envs, dtype=torch.float64, device=self.device)
        for rewards in self._data["rewards"].view(self.steps, self.num_envs)[: self._stored].split(1024):
            totals += rewards.abs().sum(0, dtype=torch.float64)  # in pieces, to copy little
        task = torch.empty_like(self._order)
        task[self._order] = torch.arange(self.num_tasks, device=self.device).repeat_interleave(self._counts)
        sums = torch.zeros(self.num_tasks, dtype=torch.float64, device=self.device).index_add_(0, task, totals)
        return (sums / (self._counts * max(self._stored, 1))).float()

    def state_dict(self) -> dict[str, Any]:
        """All that is stored, not copied, and how far it is."""
        return {"data": self._data, "next": self._next, "stored": self._stored}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict` of a buffer of the same size.

        Raises:
            UserError: it has another size.
        """
        for name, values in self._data.items():
            saved = state["data"][name]
            if saved.shape != values.shape:
                raise UserError(
                    f"the saved replay buffer holds {len(saved):,} transitions, not {len(values):,}; continue with the same "
                    "replay_buffer_size"
                )
            values.copy_(saved)
        self._next, self._stored = state["next"], state["stored"]
