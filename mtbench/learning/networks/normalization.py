"""Running input normalization: statistics per task (MTBench's), shared by all tasks, or none."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mtbench.learning import distributed
from mtbench.learning.errors import unknown

INPUT_NORMS = ("none", "shared", "per_task")


def input_norm_name(setting: bool | str) -> str:
    """Return the name in :data:`INPUT_NORMS` for ``normalize_input``; rl-games' true and false mean per_task and none.

    Raises:
        UserError: any other value.
    """
    name = ("per_task" if setting else "none") if isinstance(setting, bool) else setting
    if name not in INPUT_NORMS:
        raise unknown("normalize_input", setting, [*INPUT_NORMS, "true", "false"])
    return name


def make_input_norm(setting: bool | str, num_tasks: int, num_features: int) -> InputNormalizer | None:
    """Build the normalizer for ``normalize_input``; None for none."""
    name = input_norm_name(setting)
    return None if name == "none" else InputNormalizer(num_tasks, num_features, shared=name == "shared")


class InputNormalizer(nn.Module):
    """Standardize the true observation with running statistics; the one-hot passes untouched.

    Statistics are over the full history, merged batch by batch (Chan, Golub and LeVeque) in float64. A dimension that
    has hardly moved has almost no variance, so the result is clipped.

    Args:
        num_tasks: K.
        num_features: the leading dimensions that are normalized (39 for Meta-World).
        shared: one mean and variance for all tasks, as in rl-games, instead of one a task, as in MTBench.
        clip: bound on the normalized value.
    """

    mean: Tensor
    m2: Tensor
    count: Tensor

    def __init__(
        self, num_tasks: int, num_features: int, shared: bool = False, clip: float = 10.0, eps: float = 1e-5
    ) -> None:
        super().__init__()
        self.num_features, self.shared, self.clip, self.eps = num_features, shared, clip, eps
        rows = 1 if shared else num_tasks
        self.register_buffer("mean", torch.zeros(rows, num_features, dtype=torch.float64))
        self.register_buffer("m2", torch.zeros(rows, num_features, dtype=torch.float64))
        self.register_buffer("count", torch.zeros(rows, dtype=torch.float64))

    def _row(self, task: Tensor) -> Tensor:
        """Row of the statistics for each sample."""
        return torch.zeros_like(task) if self.shared else task

    def forward(self, obs: Tensor, task: Tensor) -> Tensor:
        """Normalize observations (n, num_features + K) of tasks (n,); the identity before the first update."""
        row = self._row(task)
        seen = (self.count > 0).unsqueeze(1)
        variance = torch.where(seen, self.m2 / self.count.clamp_min(1.0).unsqueeze(1), torch.ones_like(self.m2))
        scale = (variance + self.eps).rsqrt().to(obs.dtype)
        mean = self.mean.to(obs.dtype)
        features = (obs[:, : self.num_features] - mean[row]) * scale[row]
        return torch.cat((features.clamp(-self.clip, self.clip), obs[:, self.num_features :]), dim=1)

    @torch.no_grad()
    def update(self, obs: Tensor, task: Tensor) -> None:
        """Merge a batch (n, num_features + K) of tasks (n,), and those of the other ranks, into the statistics."""
        row = self._row(task)
        features = obs[:, : self.num_features].to(torch.float64)
        count = distributed.total(torch.zeros_like(self.count).index_add_(0, row, torch.ones_like(features[:, 0])))
        divisor = count.clamp_min(1.0).unsqueeze(1)
        mean = distributed.total(torch.zeros_like(self.mean).index_add_(0, row, features)) / divisor
        m2 = distributed.total(torch.zeros_like(self.m2).index_add_(0, row, (features - mean[row]).square_()))
        delta = mean - self.mean
        total = (self.count + count).clamp_min(1.0).unsqueeze(1)
        self.m2 += m2 + delta.square() * self.count.unsqueeze(1) * count.unsqueeze(1) / total
        self.mean += delta * count.unsqueeze(1) / total
        self.count += count
