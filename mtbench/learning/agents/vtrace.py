"""V-trace: value targets and advantages from steps of an older policy (Espeholt et al., 2018, IMPALA, section 4.1)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

LARGEST_LOG_RATIO = 20.0  #: beyond it a ratio says nothing but that the action was all but impossible


class VTrace(NamedTuple):
    """What V-trace makes of a rollout, (T, N) each.

    Attributes:
        targets: v_s, what the critic is to predict.
        advantages: r_s + gamma v_{s+1} - V(x_s).
        weights: min(pg_rho_bar, pi / mu), by which the policy gradient of a step counts.
    """

    targets: Tensor
    advantages: Tensor
    weights: Tensor


@torch.no_grad()
def vtrace(
    log_ratios: Tensor,
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    dones: Tensor,
    gamma: float,
    lam: float = 1.0,
    rho_bar: float = 1.0,
    c_bar: float = 1.0,
    pg_rho_bar: float = 1.0,
) -> VTrace:
    """Return targets and advantages of the policy pi for steps that the policy mu took.

    ``v_s = V(x_s) + sum_{t >= s} gamma^{t-s} (prod_{s <= i < t} c_i) rho_t (r_t + gamma V(x_{t+1}) - V(x_t))`` within the
    episode, with ``rho = min(rho_bar, pi / mu)`` and ``c = lam min(c_bar, pi / mu)``. The fixed point is the value of a
    policy between mu and pi, ``min(rho_bar mu, pi)`` normalized, and pi's own without the bound; ``c_bar`` decides how fast
    it is reached and how noisily. With all ratios one, ``targets - values`` are the advantages of :func:`.gae.gae`.

    Episodes end as they do for :func:`.gae.gae`: the final observation of one that was cut off at its time limit is worth
    what the critic says, that of one that terminated nothing, and nothing is carried across (IMPALA's code takes both for
    terminations).

    Args:
        log_ratios: (T, N), log pi(a|x) - log mu(a|x).
        rewards, values, next_values, dones, gamma, lam: as of :func:`.gae.gae`; values are pi's critic's.
        rho_bar, c_bar, pg_rho_bar: bounds of the ratios; ``math.inf``: none.
    """
    ratios = log_ratios.clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO).exp()
    deltas = ratios.clamp_max(rho_bar) * (rewards + gamma * next_values - values)
    carry = gamma * lam * ratios.clamp_max(c_bar) * (~dones).to(deltas.dtype)
    corrections = torch.empty_like(deltas)
    running = torch.zeros_like(deltas[0])
    for t in range(deltas.shape[0] - 1, -1, -1):
        running = deltas[t] + carry[t] * running
        corrections[t] = running
    targets = values + corrections
    # Of the state that follows: its own target, but where the episode or the rollout ends, what the critic says of it.
    following = torch.cat((targets[1:], next_values[-1:]))
    following = torch.where(dones, next_values, following)
    return VTrace(targets, rewards + gamma * following - values, ratios.clamp_max(pg_rho_bar))


def effective_sample_size(log_weights: Tensor) -> Tensor:
    """``(sum w)^2 / (n sum w^2)`` of importance weights, from their logarithms (n,): the share of samples that is left, 1
    where all weigh the same."""
    n = log_weights.numel()
    return (2.0 * torch.logsumexp(log_weights, 0) - torch.logsumexp(2.0 * log_weights, 0) - math.log(n)).exp()
