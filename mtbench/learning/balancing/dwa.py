"""DWA: dynamic weight average (Liu, Johns and Davison, 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mtbench.schema import Positive

from .weighting import LossWeighting, register

_TINY = 1e-8  # lest a task without any loss divides by zero


@register("dwa")
class DWA(LossWeighting):
    """Weights ``softmax(r / temperature)``, ``r_i = L_i(t-1) / L_i(t-2)``: a task whose loss fell less counts more.

    ``L_i(t)`` is the task's loss averaged over epoch t, here a rollout and all its updates; the first two epochs use the
    mean. The paper's weights are these times ``K`` on a sum of losses (its equation 7).

    Args:
        num_tasks, device: of the losses.
        temperature: > 0; large is closer to the mean. The paper's 2.
    """

    def __init__(self, num_tasks: int, device: torch.device | str = "cpu", temperature: Positive = 2.0) -> None:
        if not temperature > 0:
            raise ValueError(f"DWA needs temperature > 0, got {temperature}.")
        self.temperature = temperature
        self.epochs, self.updates = 0, 0
        self.averages = torch.ones(2, num_tasks, device=device)  # of the epoch before the last, and of the last
        self.total = torch.zeros(num_tasks, device=device)

    def __call__(self, losses: Tensor) -> Tensor:
        self.total += losses
        self.updates += 1
        if self.epochs < 2:
            return torch.full_like(losses, 1.0 / len(losses))
        older, last = self.averages + _TINY
        return (last / older / self.temperature).softmax(0)

    def after_epoch(self) -> None:
        if self.updates:
            self.averages = torch.stack((self.averages[1], self.total / self.updates))
            self.total.zero_()
            self.epochs, self.updates = self.epochs + 1, 0

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("epochs", "updates", "averages", "total")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.epochs, self.updates = state["epochs"], state["updates"]
        self.averages.copy_(state["averages"])
        self.total.copy_(state["total"])
