"""Stratified minibatches: every task in every minibatch, in equal slices."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


class StratifiedMinibatches:
    """Draw minibatches of ``num_tasks`` contiguous slices of equal size (TOPPO paper, section B.1).

    Equal slices are what lets one batched matrix product give all per-task gradients. Tasks whose environment count is
    one larger than the smallest leave a few samples out of each pass, a different few each time.

    Args:
        task: (n,) long, task of each sample of the batch.
        num_tasks: K; every task occurs.
        num_minibatches: minibatches a pass.
    """

    def __init__(self, task: Tensor, num_tasks: int, num_minibatches: int) -> None:
        counts = torch.bincount(task, minlength=num_tasks)
        widest = int(counts.max())
        self.slice_size = max(1, int(counts.min()) // num_minibatches)
        self.num_minibatches = min(num_minibatches, int(counts.min()))
        self.num_tasks = num_tasks
        #: (K, widest) sample indices of each task; past a task's count the entries are padding.
        order = torch.argsort(task, stable=True)
        starts = torch.cumsum(counts, 0) - counts
        columns = torch.arange(widest, device=task.device)
        self._padding = columns >= counts.unsqueeze(1)
        self._samples = order[(starts.unsqueeze(1) + columns).clamp_max(task.numel() - 1)]
        #: (K * slice_size,) task of each row of a minibatch.
        self.task = torch.arange(num_tasks, device=task.device).repeat_interleave(self.slice_size)

    def passes(self, generator: torch.Generator) -> Iterator[Tensor]:
        """Yield the index tensors (K * slice_size,) of one pass over the batch, slice after slice in task order."""
        keys = torch.rand(self._samples.shape, generator=generator, device=self._samples.device)
        shuffled = self._samples.gather(1, torch.argsort(keys.masked_fill_(self._padding, 2.0), dim=1))
        used = shuffled[:, : self.num_minibatches * self.slice_size]
        blocks = used.reshape(self.num_tasks, self.num_minibatches, self.slice_size)
        for index in range(self.num_minibatches):
            yield blocks[:, index].reshape(-1)
