"""GradNorm: gradient normalization for adaptive loss balancing (Chen et al., 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mtbench.schema import NotNegative, Positive

from . import diagnostics
from .weighting import Weighting, register


@register("gradnorm")
class GradNorm(Weighting):
    """Weights under which a task that learns slowly has a long weighted gradient, and one that learns fast a short one.

    The loss of task i is ``L_i(t) / L_i(0)`` of what it was at first, its inverse training rate; ``r_i`` is that over its
    mean. Weights w take an Adam step down ``sum_i | w_i |g_i| - mean_j(w_j |g_j|) r_i^alpha |``, the second term held
    constant, and are scaled to add up to K again (their Algorithm 1). They count from the next minibatch on.

    Norms are of all parameters that tasks share; the paper's are of the last shared layer, to save time. Weights are handed
    out divided by K, on the scale of the mean. In reinforcement learning a loss is no measure of how far a task has come:
    that of the critic grows with the returns.

    Args:
        alpha: how strongly training rates are to be balanced; 0 makes all weighted norms equal. Meta-World+'s 0.12.
        lr: Adam's, of the weights.
        device: of losses and Gram matrices.
    """

    wants_losses = True

    def __init__(self, alpha: NotNegative = 0.12, lr: Positive = 0.025, device: torch.device | str = "cpu") -> None:
        if not alpha >= 0 or not lr > 0:
            raise ValueError(f"GradNorm needs alpha >= 0 and lr > 0, got alpha={alpha} and lr={lr}.")
        self.alpha, self.lr, self.device = alpha, lr, device
        self.first: Tensor | None = None  #: L(0)
        self.losses: Tensor | None = None
        self.values = torch.empty(0)  #: w, made when the number of tasks is seen

    def see_losses(self, losses: Tensor) -> None:
        self.losses = losses.to(torch.float64)
        if self.first is None:
            self.first = self.losses.clone()

    def weights(self, gram: Tensor) -> Tensor:
        num_tasks = len(gram)
        if not len(self.values):
            self._start(torch.ones(num_tasks, dtype=torch.float64, device=gram.device))
        weights = self.values / num_tasks
        sizes = diagnostics.norms(gram)
        weighted = self.values * sizes
        target = weighted.mean() * self._relative_rates(weighted) ** self.alpha
        self.values.grad = (weighted - target).sign() * sizes
        self.optimizer.step()
        self.values.clamp_(min=1e-6)  # a weight has no sign, and comes back from here
        self.values.mul_(num_tasks / self.values.sum())
        return weights

    def _relative_rates(self, like: Tensor) -> Tensor:
        """r (K,); ones before any loss was seen."""
        if self.losses is None or self.first is None:
            return torch.ones_like(like)
        rates = torch.where(self.first > 0, self.losses.clamp(min=0) / self.first, 1.0)
        mean = rates.mean()
        return torch.where(mean > 0, rates / mean, 1.0)

    def _start(self, values: Tensor) -> None:
        self.values = values
        self.optimizer = torch.optim.Adam([self.values], self.lr)

    def state_dict(self) -> dict[str, Any]:
        if not len(self.values):
            return {}
        return {"values": self.values, "optimizer": self.optimizer.state_dict(), "first": self.first}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if state:
            self._start(state["values"].clone().to(self.device))
            self.optimizer.load_state_dict(state["optimizer"])
            self.first = None if state["first"] is None else state["first"].to(self.device)
