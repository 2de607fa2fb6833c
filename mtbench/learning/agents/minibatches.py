"""Stratified minibatches: every task in every minibatch, a slice each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mtbench.errors import UserError


def check_minibatches(config: Mapping[str, Any], counts: Sequence[int]) -> None:
    """Compare the minibatches of a pass with the samples that the task with the fewest environments has.

    Raises:
        UserError: there would be minibatches without one of its samples.
    """
    samples = min(counts) * config["horizon_length"]
    if config["num_minibatches"] > samples:
        raise UserError(
            f"num_minibatches={config['num_minibatches']} is more than the {samples} samples of a rollout that a task has "
            f"({min(counts)} environments, {config['horizon_length']} steps); every minibatch needs one of every task"
        )


class StratifiedMinibatches:
    """Draw minibatches of ``num_tasks`` contiguous slices of equal width (TOPPO paper, section B.1).

    Equal widths are what lets one batched matrix product give all per-task gradients. A task with fewer samples than
    the widest fills its slice up with copies of weight 0, so that every task's share of a minibatch is its own samples
    divided by the number of minibatches and every weighted sum over a slice is a mean.

    Attributes:
        slice_size: rows of a slice.
        task: (K * slice_size,) long, the task of each row of a minibatch.
        weight: (K, slice_size), 1 / (samples of the task in a minibatch) or 0; rows add up to 1.

    Args:
        task: (n,) long, task of each sample of the batch.
        num_tasks: K; every task occurs.
        num_minibatches: minibatches a pass; fewer where a task has fewer samples.
    """

    def __init__(self, task: Tensor, num_tasks: int, num_minibatches: int) -> None:
        counts = torch.bincount(task, minlength=num_tasks)
        self.num_minibatches = min(num_minibatches, int(counts.min()))
        used = counts // self.num_minibatches  # the few that remain are different ones in every pass
        self.slice_size = int(used.max())
        self.num_tasks = num_tasks
        #: (K, widest) sample indices of each task; past a task's count the entries are padding.
        order = torch.argsort(task, stable=True)
        starts = torch.cumsum(counts, 0) - counts
        columns = torch.arange(int(counts.max()), device=task.device)
        self._padding = columns >= counts.unsqueeze(1)
        self._samples = order[(starts.unsqueeze(1) + columns).clamp_max(task.numel() - 1)]
        columns = torch.arange(self.slice_size, device=task.device)
        filled = columns < used.unsqueeze(1)
        self.weight = filled / used.unsqueeze(1).float()
        #: (K, 1, slice_size) column of a task's first share that each row takes; copies take the first.
        self._columns = torch.where(filled, columns, 0).unsqueeze(1)
        self._steps = (used.unsqueeze(1) * torch.arange(self.num_minibatches, device=task.device)).unsqueeze(2)
        self.task = torch.arange(num_tasks, device=task.device).repeat_interleave(self.slice_size)

    def passes(self, generator: torch.Generator) -> Iterator[Tensor]:
        """Yield the index tensors (K * slice_size,) of one pass over the batch, slice after slice in task order."""
        keys = torch.rand(self._samples.shape, generator=generator, device=self._samples.device)
        shuffled = self._samples.gather(1, torch.argsort(keys.masked_fill_(self._padding, 2.0), dim=1))
        blocks = shuffled.gather(1, (self._columns + self._steps).flatten(1))
        blocks = blocks.view(self.num_tasks, self.num_minibatches, self.slice_size)
        for index in range(self.num_minibatches):
            yield blocks[:, index].reshape(-1)
