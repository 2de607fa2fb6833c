"""Running input normalization, one mean and variance per task (MTBench, section on training)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mtbench.learning import distributed


class PerTaskInputNormalizer(nn.Module):
    """Standardize the true observation of each task with that task's own running statistics; the one-hot passes
    untouched.

    Statistics are over the full history, merged batch by batch (Chan, Golub and LeVeque) in float64. A dimension that
    has hardly moved has almost no variance, so the result is clipped.

    Args:
        num_tasks: K.
        num_features: the leading dimensions that are normalized (39 for Meta-World).
        clip: bound on the normalized value.
    """

    mean: Tensor
    m2: Tensor
    count: Tensor

    def __init__(self, num_tasks: int, num_features: int, clip: float = 10.0, eps: float = 1e-5) -> None:
        super().__init__()
        self.num_features, self.clip, self.eps = num_features, clip, eps
        self.register_buffer("mean", torch.zeros(num_tasks, num_features, dtype=torch.float64))
        self.register_buffer("m2", torch.zeros(num_tasks, num_features, dtype=torch.float64))
        self.register_buffer("count", torch.zeros(num_tasks, dtype=torch.float64))

    def forward(self, obs: Tensor, task: Tensor) -> Tensor:
        """Normalize observations (n, num_features + K) of tasks (n,); the identity before the first update."""
        seen = (self.count > 0).unsqueeze(1)
        variance = torch.where(seen, self.m2 / self.count.clamp_min(1.0).unsqueeze(1), torch.ones_like(self.m2))
        scale = (variance + self.eps).rsqrt().to(obs.dtype)
        mean = self.mean.to(obs.dtype)
        features = (obs[:, : self.num_features] - mean[task]) * scale[task]
        return torch.cat((features.clamp(-self.clip, self.clip), obs[:, self.num_features :]), dim=1)

    @torch.no_grad()
    def update(self, obs: Tensor, task: Tensor) -> None:
        """Merge a batch (n, num_features + K) of tasks (n,), and those of the other ranks, into the statistics."""
        features = obs[:, : self.num_features].to(torch.float64)
        count = distributed.total(torch.zeros_like(self.count).index_add_(0, task, torch.ones_like(features[:, 0])))
        rows = count.clamp_min(1.0).unsqueeze(1)
        mean = distributed.total(torch.zeros_like(self.mean).index_add_(0, task, features)) / rows
        m2 = distributed.total(torch.zeros_like(self.m2).index_add_(0, task, (features - mean[task]).square_()))
        delta = mean - self.mean
        total = (self.count + count).clamp_min(1.0).unsqueeze(1)
        self.m2 += m2 + delta.square() * self.count.unsqueeze(1) * count.unsqueeze(1) / total
        self.mean += delta * count.unsqueeze(1) / total
        self.count += count
