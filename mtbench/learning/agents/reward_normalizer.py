"""Rewards of every task on one scale: that of its discounted returns."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mtbench.learning import distributed


class RewardNormalizer(nn.Module):
    """Divide rewards by max(deviation of the discounted return, largest |discounted return| / ``max_return``), per task.

    The first keeps the scale of ordinary rewards near one; the second keeps returns within ``max_return``, the end of a
    critic's support, where rewards are rare or all alike (Lee et al., 2025; MTBench has it per task). The discounted
    return of an environment is the sum of its rewards so far, those of k steps ago times gamma^k, and starts anew with an
    episode. Every environment has its own sum. Statistics are over the full history, of all ranks.

    Args:
        task_index: (N,) task of each environment.
        num_tasks: K.
        gamma: discount of a step.
        max_return: bound on the size of a normalized discounted return.
    """

    returns: Tensor
    count: Tensor
    mean: Tensor
    m2: Tensor
    largest: Tensor

    def __init__(self, task_index: Tensor, num_tasks: int, gamma: float, max_return: float) -> None:
        super().__init__()
        self.gamma, self.max_return, self.task_index = gamma, max_return, task_index
        self.register_buffer("returns", torch.zeros(task_index.shape, device=task_index.device))
        for name in ("count", "mean", "m2", "largest"):
            self.register_buffer(name, torch.zeros(num_tasks, dtype=torch.float64, device=task_index.device))

    @torch.no_grad()
    def update(self, rewards: Tensor, dones: Tensor) -> None:
        """Take in one step of all environments: rewards (N,), and where an episode ended with it (N,) bool."""
        self.returns.mul_(self.gamma).add_(rewards)
        values, task = self.returns.double(), self.task_index
        count = distributed.total(torch.zeros_like(self.count).index_add_(0, task, torch.ones_like(values)))
        divisor = count.clamp_min(1.0)
        mean = distributed.total(torch.zeros_like(self.mean).index_add_(0, task, values)) / divisor
        m2 = distributed.total(torch.zeros_like(self.m2).index_add_(0, task, (values - mean[task]).square()))
        delta, all_of_them = mean - self.mean, (self.count + count).clamp_min(1.0)
        self.m2 += m2 + delta.square() * self.count * count / all_of_them
        self.mean += delta * count / all_of_them
        self.count += count
        largest = self.largest.scatter_reduce(0, task, values.abs(), "amax")
        self.largest.copy_(distributed.largest(largest))
        self.returns.masked_fill_(dones, 0.0)

    @property
    def scale(self) -> Tensor:
        """(K,) what rewards are divided by; 1 for a task whose rewards have all been zero."""
        deviation = (self.m2 / self.count.clamp_min(1.0)).sqrt()
        scale = torch.maximum(deviation, self.largest / self.max_return)
        return torch.where(scale > 0.0, scale, 1.0).float()

    def forward(self, rewards: Tensor, task: Tensor) -> Tensor:
        """Normalize rewards (n,), or discounted sums of them, of tasks (n,)."""
        return rewards / self.scale[task]
