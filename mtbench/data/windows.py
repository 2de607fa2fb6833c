"""What learners draw from a dataset: windows of steps, with equal slices of all tasks, and prompts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mtbench.data.trajectories import Trajectories


class Windows(NamedTuple):
    """B sequences of C steps. Where ``valid`` is false, before the episode began, everything is 0."""

    returns: Tensor  #: (B, C) return to go: of this step and those that follow, undiscounted
    features: Tensor  #: (B, C, features) observations without the one-hot
    actions: Tensor  #: (B, C, actions)
    steps: Tensor  #: (B, C) long, steps since the episode began
    valid: Tensor  #: (B, C) bool


class WindowSampler:
    """Draws windows that end at any step of a task with the same probability, as an episode is seen when it is acted in: what
    would lie before its beginning is padding, on the left.

    (The released code of HarmoDT draws where a window begins instead, and pads at the episode's end, so that the last steps
    are rarely predicted with a whole context.)

    Args:
        data: trajectories, sorted by task.
        device: where windows are to be; the arrays stay mapped from the disk.

    Attributes:
        returns: (steps,) float32, return to go of every step.
        starts, lengths: (K, n) long, first step and number of steps of every episode; ``counts`` (K,) of them are a task's
            own.
    """

    def __init__(self, data: Trajectories, device: torch.device | str = "cpu") -> None:
        self.data, self.device = data, torch.device(device)
        self.num_tasks = len(data.tasks)
        self.features = torch.from_numpy(data.observations)
        self.actions = torch.from_numpy(data.actions)
        self.returns = torch.from_numpy(returns_to_go(data))
        task = data.episodes["task"]
        self.counts = torch.from_numpy(np.bincount(task, minlength=self.num_tasks))
        shape = self.num_tasks, int(self.counts.max())
        self.starts, self.lengths = (torch.zeros(shape, dtype=torch.long) for _ in range(2))
        totals = np.zeros(shape)
        for k in range(self.num_tasks):
            rows = data.episodes[task == k]
            self.starts[k, : len(rows)] = torch.from_numpy(rows["start"].astype(np.int64))
            self.lengths[k, : len(rows)] = torch.from_numpy(rows["length"].astype(np.int64))
            totals[k, : len(rows)] = rows["return"]
        self.totals = torch.from_numpy(totals)
        self._ends = self.lengths.cumsum(1)

    def draw(self, per_task: int, context: int, generator: torch.Generator) -> tuple[Windows, Tensor]:
        """K slices of ``per_task`` windows, B = K per_task, and the episode of each, (B,), counted within its task."""
        steps = self._ends[:, -1:]
        shape = self.num_tasks, per_task
        drawn = torch.rand(shape, generator=generator, dtype=torch.float64, device=generator.device)
        position = (drawn.cpu() * steps).long().clamp_max(steps - 1)
        episode = torch.searchsorted(self._ends, position, right=True)
        last = position - (self._ends - self.lengths).gather(1, episode)
        task = torch.arange(self.num_tasks).repeat_interleave(per_task)
        return self.at(task, episode.flatten(), last.flatten(), context), episode.flatten()

    def at(self, task: Tensor, episode: Tensor, last: Tensor, context: int) -> Windows:
        """The windows that end with step ``last`` (B,) of a task's (B,) episode (B,)."""
        steps = last[:, None] + torch.arange(1 - context, 1)
        valid = steps >= 0
        steps = steps.clamp_min(0)
        rows = self.starts[task, episode][:, None] + steps
        real = valid.unsqueeze(-1)
        windows = (
            torch.where(valid, self.returns[rows], 0.0),
            torch.where(real, self.features[rows], 0.0),
            torch.where(real, self.actions[rows], 0.0),
            torch.where(valid, steps, 0),
            valid,
        )
        return Windows(*(part.to(self.device) for part in windows))

    def best(self, share: float) -> Tensor:
        """(K, m) episodes of each task with the highest returns, the best first: this share of the task with the fewest, and
        at least two where there are two."""
        few = int(self.counts.min())
        ranked = self.totals.masked_fill(torch.arange(self.totals.shape[1]) >= self.counts[:, None], -torch.inf)
        return ranked.argsort(1, descending=True)[:, : max(min(2, few), round(share * few))]

    def statistics(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of each task's features, float64: steps (K,), mean (K, features) and summed squared deviations (K, features)."""
        count, mean, m2 = [], [], []
        for k in range(self.num_tasks):
            rows = [self.data.observations[s : s + n] for s, n in self._spans(k)]
            values = np.concatenate(rows).astype(np.float64)
            count.append(float(len(values)))
            mean.append(torch.from_numpy(values.mean(0)))
            m2.append(torch.from_numpy(np.square(values - values.mean(0)).sum(0)))
        return torch.tensor(count, dtype=torch.float64), torch.stack(mean), torch.stack(m2)

    def _spans(self, task: int) -> list[tuple[int, int]]:
        n = int(self.counts[task])
        return list(zip(self.starts[task, :n].tolist(), self.lengths[task, :n].tolist(), strict=True))


def returns_to_go(data: Trajectories) -> np.ndarray:
    """``R_t = r_t + ... + r_end`` of every step of every episode, (steps,) float32; 0 for steps of no episode here."""
    total = np.concatenate(([0.0], np.cumsum(data.rewards, dtype=np.float64)))
    out = np.zeros(len(data.rewards), np.float32)
    for start, length in zip(data.episodes["start"].tolist(), data.episodes["length"].tolist(), strict=True):
        out[start : start + length] = total[start + length] - total[start : start + length]
    return out
