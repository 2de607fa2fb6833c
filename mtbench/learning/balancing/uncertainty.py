"""Uncertainty weighting (Kendall, Gal and Cipolla, 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mtbench.schema import Positive

from .weighting import LossWeighting, register


@register("uncertainty")
class UncertaintyWeighting(LossWeighting):
    """Weights ``exp(-s_i) / K`` with log-variances ``s_i`` that are learned along with the networks.

    Both minimize ``1/K sum_i (exp(-s_i) l_i + s_i)``, twice the average of the paper's objective for regression, so that
    with ``s = 0`` it starts as the mean; ``s_i`` follows the logarithm of the task's loss. The log-variances have an Adam
    of their own: the agent's gradient clip and learning-rate schedule do not touch them.

    Args:
        num_tasks, device: of the losses.
        lr: Adam's, of the log-variances; the default is the agent's.
    """

    def __init__(self, num_tasks: int, device: torch.device | str = "cpu", lr: Positive = 3e-4) -> None:
        if not lr > 0:
            raise ValueError(f"Uncertainty weighting needs lr > 0, got {lr}.")
        self.log_variances = torch.zeros(num_tasks, device=device)
        self.optimizer = torch.optim.Adam([self.log_variances], lr)

    def __call__(self, losses: Tensor) -> Tensor:
        precision = (-self.log_variances).exp()
        self.log_variances.grad = (1.0 - precision * losses) / len(losses)
        self.optimizer.step()
        return precision / len(losses)

    def state_dict(self) -> dict[str, Any]:
        return {"log_variances": self.log_variances, "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.log_variances.copy_(state["log_variances"])
        self.optimizer.load_state_dict(state["optimizer"])
