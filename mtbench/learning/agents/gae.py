"""Generalized advantage estimation with truncation told from termination."""

from __future__ import annotations

import torch
from torch import Tensor


def gae(rewards: Tensor, values: Tensor, next_values: Tensor, dones: Tensor, gamma: float, lam: float) -> Tensor:
    """Return advantages (T, N) (Schulman et al., 2016).

    Args:
        rewards, values: (T, N); ``values[t]`` is V(s_t).
        next_values: (T, N), the value that follows step t **within the same episode**: V(s_{t+1}), V(final observation)
            where the episode was cut off at its time limit, 0 where it terminated.
        dones: (T, N) bool, terminated or truncated: nothing is propagated across.
        gamma: discount.
        lam: the estimator's lambda.
    """
    deltas = rewards + gamma * next_values - values
    carry = gamma * lam * (~dones).to(deltas.dtype)
    advantages = torch.empty_like(deltas)
    running = torch.zeros_like(deltas[0])
    for t in range(deltas.shape[0] - 1, -1, -1):
        running = deltas[t] + carry[t] * running
        advantages[t] = running
    return advantages
