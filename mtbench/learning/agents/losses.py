"""PPO's losses, one number a task. Rows of a minibatch are K equal slices, so ``(n,)`` is ``(K, n / K)``; means over a slice
are weighted by :attr:`.minibatches.StratifiedMinibatches.weight`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mtbench.learning import distributed
from mtbench.learning.networks.model import gaussian_log_prob

_SOFT_BOUND = 1.1  # the mean may leave the action range [-1, 1] a little before the bounds loss pulls, as in rl-games


def actor_losses(
    mean: Tensor,
    log_std: Tensor,
    actions: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    weight: Tensor,
    clip: float,
    entropy_coef: float,
    bounds_coef: float,
    normalize: bool,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each task's clipped surrogate, entropy bonus and bounds loss (K,), and detached scalars to log.

    The losses are counted from the least that the surrogate can become on these samples, ``-clip * mean|advantage| -
    mean advantage``, and the entropy bonus from its present value. Those are constants to the gradient, and make every loss
    at least 0, as weightings of losses need.

    Args:
        mean, actions: (n, actions).
        log_std: (K, actions), one row a task.
        old_log_probs, advantages: (n,).
        weight: (K, n / K), rows add up to 1.
        clip: PPO's range of the probability ratio.
        entropy_coef, bounds_coef: coefficients.
        normalize: standardize advantages within each task's slice, taken over all ranks.
    """
    num_tasks = log_std.shape[0]
    rows = (num_tasks, -1, mean.shape[1])
    log_probs = gaussian_log_prob(actions.view(rows), mean.view(rows), log_std.unsqueeze(1))
    advantages = advantages.view(num_tasks, -1)
    if normalize:
        advantages = advantages - distributed.average((weight * advantages).sum(1, keepdim=True))
        spread = distributed.average((weight * advantages.square()).sum(1, keepdim=True)).sqrt()
        advantages = advantages / (spread + 1e-8)
    log_ratio = log_probs - old_log_probs.view(num_tasks, -1)
    ratio = log_ratio.exp()
    gain = torch.minimum(advantages * ratio, advantages * ratio.clamp(1.0 - clip, 1.0 + clip))
    surrogate = -(weight * gain).sum(1)
    least = -(weight * (advantages + clip * advantages.abs())).sum(1)
    entropy, bounds = entropy_and_bounds(mean, log_std, weight)
    with torch.no_grad():
        scalars = {
            "losses/a_loss": surrogate.mean(),
            "losses/entropy": entropy.mean(),
            "losses/bounds_loss": bounds.mean(),
            "info/kl": (weight * (ratio - 1.0 - log_ratio)).sum(1).mean(),
            "info/clip_fraction": (weight * ((ratio - 1.0).abs() > clip)).sum(1).mean(),
        }
    return surrogate - least - entropy_coef * (entropy - entropy.detach()) + bounds_coef * bounds, scalars


def entropy_and_bounds(mean: Tensor, log_std: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return each task's entropy of the policy and mean excess of its means ``mean`` (n, actions) over the action range, (K,)
    each; other arguments as of :func:`actor_losses`."""
    entropy = (log_std + 0.5 * math.log(2.0 * math.pi * math.e)).sum(1)
    bounds = (mean.abs() - _SOFT_BOUND).clamp_min(0.0).square().sum(1).view_as(weight)
    return entropy, (weight * bounds).sum(1)


def critic_losses(
    values: Tensor, old_values: Tensor, returns: Tensor, weight: Tensor, clip: float | None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each task's value loss (K,), half the squared error in normalized units, and scalars to log.

    With ``clip``, the larger of the error and the error of the prediction held within ``clip`` of the old one: a sample
    whose prediction moved beyond it towards the target has no gradient (TOPPO paper, Remark 2).
    """
    loss = (values - returns).square()
    hits = torch.zeros_like(loss)
    if clip is not None:
        clipped = (old_values + (values - old_values).clamp(-clip, clip) - returns).square()
        hits = (clipped > loss).float()
        loss = torch.maximum(loss, clipped)
    per_task = 0.5 * (weight * loss.view_as(weight)).sum(1)
    clipped_share = (weight * hits.detach().view_as(weight)).sum(1).mean()
    return per_task, {"losses/c_loss": per_task.detach().mean(), "info/value_clip_fraction": clipped_share}
