"""FAMO: fast adaptive multitask optimization (Liu et al., 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mtbench.schema import NotNegative, Positive

from .weighting import LossWeighting, register


@register("famo")
class FAMO(LossWeighting):
    """Let every task's log-loss fall at the same rate, with weights learned from how fast each one fell.

    Steps along the gradient of ``c sum_i z_i log(l_i + epsilon)`` with ``z = softmax(logits)`` and ``c`` such that the
    weights ``w_i = c z_i / (l_i + epsilon)`` add up to 1 (their equation 8). After the optimizer step the logits take an
    Adam step along ``J' (log l_i^after - log l_i^before)``, ``J`` the Jacobian of the softmax: a task that fell faster
    than the others loses weight (their Algorithm 1, line 5).

    **Same minibatch, before and after.** The comparison is of one minibatch's losses under the parameters before and
    after its own step, as in the paper. MTBench compares the losses of two successive minibatches, which differ mostly by
    sampling, and takes 0 for the losses before the first one. Ours costs one more forward pass, without gradients, of the
    side it is used on: a sixth to a fifth of an MT-PPO update (benchmarks/training_update.py).

    **On the actor.** A logarithm needs positive losses, and PPO's surrogate is 0 on average at the start of an epoch and
    changes sign. :func:`~mtbench.learning.agents.losses.actor_losses` counts it from the least value that clipping
    allows, a constant with no gradient: FAMO then equalizes the rates at which tasks use up what the clip range lets them
    gain.

    Args:
        num_tasks, device: of the losses.
        lr: Adam's, of the logits. The paper's 0.025; MTBench 1e-3.
        gamma: weight decay of the logits. 1e-3 in both.
        epsilon: added to the losses. MTBench 1e-2.
        normalize: scale the logits' gradient to norm 1, as MTBench does.
    """

    wants_step = True

    def __init__(
        self,
        num_tasks: int,
        device: torch.device | str = "cpu",
        lr: Positive = 0.025,
        gamma: NotNegative = 1e-3,
        epsilon: Positive = 1e-8,
        normalize: bool = False,
    ) -> None:
        if not (lr > 0 and gamma >= 0 and epsilon > 0):
            raise ValueError("FAMO needs lr > 0, gamma >= 0 and epsilon > 0.")
        self.epsilon = epsilon
        self.normalize = normalize
        self.logits = torch.zeros(num_tasks, device=device)
        self.optimizer = torch.optim.Adam([self.logits], lr, weight_decay=gamma)

    def __call__(self, losses: Tensor) -> Tensor:
        weights = self.logits.softmax(0) / (losses + self.epsilon)
        return weights / weights.sum()

    def after_step(self, before: Tensor, after: Tensor) -> None:
        progress = (before + self.epsilon).log() - (after + self.epsilon).log()
        z = self.logits.softmax(0)
        gradient = z * (progress - z @ progress)
        if self.normalize:
            gradient = torch.nn.functional.normalize(gradient, dim=0)
        self.logits.grad = gradient
        self.optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        return {"logits": self.logits, "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.logits.copy_(state["logits"])
        self.optimizer.load_state_dict(state["optimizer"])
