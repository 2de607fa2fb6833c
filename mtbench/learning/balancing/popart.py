"""PopArt: per-task normalization of value targets that preserves the outputs (van Hasselt et al., 2016)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mtbench.learning import distributed
from mtbench.schema import Positive, Share


class PopArt(nn.Module):
    """Per-task return statistics and the per-task affine head they act on (TOPPO paper, sections 4.1 and B.5).

    The critic's shared output ``z`` becomes the normalized value ``gamma_i z + beta_i`` of task i (:meth:`forward`), and
    ``sigma_i (gamma_i z + beta_i) + mu_i`` is the value in units of return (:meth:`denormalize`). When :meth:`update`
    moves ``mu`` and ``sigma``, it moves ``gamma`` and ``beta`` the other way, so that no value changes.

    ``weight`` and ``bias`` ``(K,)`` are gamma and beta: 2K parameters, each owned by one task. ``mean``, ``variance``
    and ``count`` ``(K,)`` are buffers that stay float64 whatever the module is cast to; a ``state_dict`` holds all.

    Args:
        num_tasks: K.
        beta: least rate at which a batch replaces the statistics. 0, the default and the paper's choice, weighs all
            returns ever seen alike (Welford's method, merged by batches as in Chan et al., 1983). With ``beta`` > 0 the
            rate falls from 1 as in Welford's method and stays at ``beta``: an exponential moving average (van Hasselt
            et al., 2016) without a bias at the start.
        min_scale: lower bound on sigma (1e-4 in Hessel et al., 2019), for tasks whose returns are all the same.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, num_tasks: int, beta: Share = 0.0, min_scale: Positive = 1e-4) -> None:
        super().__init__()
        if num_tasks < 1 or not 0 <= beta <= 1 or not min_scale > 0:
            raise ValueError("PopArt needs num_tasks >= 1, beta in [0, 1] and min_scale > 0.")
        self.beta = beta
        self.min_scale = min_scale
        self.weight = nn.Parameter(torch.ones(num_tasks))
        self.bias = nn.Parameter(torch.zeros(num_tasks))
        self.register_buffer("mean", torch.zeros(num_tasks, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(num_tasks, dtype=torch.float64))
        self.register_buffer("count", torch.zeros(num_tasks, dtype=torch.float64))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> PopArt:
        """What ``to``, ``float`` and ``half`` go through: buffers follow to the device but keep their precision."""
        statistics = dict(self.named_buffers())
        super()._apply(fn, recurse)
        for name, value in statistics.items():
            setattr(self, name, value.to(getattr(self, name).device))
        return self

    @property
    def scale(self) -> Tensor:
        """sigma, ``(K,)`` float64."""
        return self.variance.sqrt().clamp(min=self.min_scale)

    def forward(self, z: Tensor, task: Tensor) -> Tensor:
        """Shared output ``z`` and task index, both ``(n,)`` -> normalized value ``(n,)``."""
        return self.weight[task] * z + self.bias[task]

    def normalize(self, values: Tensor, task: Tensor) -> Tensor:
        """Values in units of return ``(n,)`` -> normalized, in the dtype given."""
        return ((values - self.mean[task]) / self.scale[task]).to(values.dtype)

    def denormalize(self, values: Tensor, task: Tensor) -> Tensor:
        """Normalized values ``(n,)`` -> units of return, in the dtype given."""
        return (values * self.scale[task] + self.mean[task]).to(values.dtype)

    @torch.no_grad()
    def update(self, returns: Tensor, task: Tensor) -> None:
        """Merge a batch of returns ``(n,)`` of tasks ``(n,)`` (long), and those of the other ranks, and rescale the head.
        Tasks not in it stay.
        """
        returns = returns.to(torch.float64)
        number = distributed.total(torch.bincount(task, minlength=len(self.count)).to(torch.float64))
        divisor = number.clamp(min=1)
        mean = distributed.total(torch.zeros_like(self.mean).index_add_(0, task, returns)) / divisor
        squares = torch.zeros_like(self.mean).index_add_(0, task, (returns - mean[task]).square())
        variance = distributed.total(squares) / divisor

        old_mean, old_scale = self.mean.clone(), self.scale
        self.count += number
        rate = (number / self.count.clamp(min=1)).clamp(min=self.beta) * (number > 0)
        delta = mean - self.mean
        self.mean += rate * delta
        self.variance += rate * (variance - self.variance) + rate * (1 - rate) * delta.square()

        scale = self.scale
        self.weight.copy_(self.weight * old_scale / scale)
        self.bias.copy_((self.bias * old_scale + old_mean - self.mean) / scale)
