"""Masks of tasks that agree: which weights each task gives up and which it takes (HarmoDT; Hu et al., ICML 2024).

With the task gradients ``g_i = grad L_i(theta . M^i) . M^i``, their mean ``gbar``, and those without masks
``ghat_i = grad L_i(theta)``, a mask gives up the weights of its own with the least harmony
``H_i = A_i + lambda I_i``, ``A_i = gbar . g_i`` elementwise, and takes as many of those it had not with the largest
``ghat_i . ghat``. All are (K, P); none is changed.

The authors' released code departs from that: it averages in place into the first task's gradient, which then agrees with
the mean perfectly; it ranks what to take by masked gradients, which are all zero there, so that ties decide; and it counts
weights of embeddings and heads, whose masks do nothing. Here only masked layers count, and gradients are not clipped before
they are compared.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mtbench.learning.networks.masked import MaskedLinear

VARIANTS = ("R", "M", "F")


def harmony(gradients: Tensor, importance: Tensor, weight: float) -> Tensor:
    """``H`` (K, P) from masked gradients (K, P) and importances (K, P) or (P,); ``weight`` is lambda."""
    return gradients.mean(0) * gradients + weight * importance


def importance(variant: str, gradients: Tensor, parameters: Tensor) -> Tensor:
    """How much weights matter to each task, (K, P): ``F``, the diagonal of the empirical Fisher information ``g_i^2``; ``M``,
    ``|theta|``, on the scale of the agreement, so that lambda means the same."""
    if variant == "F":
        return gradients.square()
    magnitude = parameters.abs()
    agreement = (gradients.mean(0) * gradients).abs().mean()
    return (magnitude * (agreement / magnitude.mean().clamp_min(1e-30))).expand_as(gradients)


def update_masks(masks: Tensor, scores: Tensor, unmasked: Tensor, count: int) -> Tensor:
    """New masks (K, P) bool: of each task ``count`` weights less and as many others more, fewer where it has fewer.

    Args:
        masks: (K, P) bool.
        scores: ``H`` (K, P); weights with the least are given up.
        unmasked: ``ghat`` (K, P).
        count: weights of a task that change.
    """
    count = min(count, int(masks.sum(1).min()), int((~masks).sum(1).min()))
    if count < 1:
        return masks.clone()
    given = scores.masked_fill(~masks, torch.inf).topk(count, dim=1, largest=False).indices
    wanted = (unmasked * unmasked.mean(0)).masked_fill(masks, -torch.inf)
    taken = wanted.topk(count, dim=1).indices
    return masks.scatter(1, given, False).scatter(1, taken, True)


def swaps(progress: float, most: float) -> int:
    """Weights that a task exchanges in an update: none at the start and the end of training, ``most`` in its middle."""
    return round(0.5 * most * (1.0 - math.cos(2.0 * math.pi * progress)))


def erk_densities(layers: list[MaskedLinear], density: float) -> list[float]:
    """Density of each layer in proportion to ``(in + out) / (in out)``, at most 1, such that all together have ``density``
    (Erdos-Renyi-kernel; Evci et al., 2020)."""
    sizes = [layer.weight.numel() for layer in layers]
    raw = [sum(layer.weight.shape) / size for layer, size in zip(layers, sizes, strict=True)]
    full: set[int] = set()
    while True:
        rest = [k for k in range(len(layers)) if k not in full]
        if not rest:
            return [1.0] * len(layers)
        budget = density * sum(sizes) - sum(sizes[k] for k in full)
        scale = budget / sum(raw[k] * sizes[k] for k in rest)
        over = {k for k in rest if scale * raw[k] > 1.0}
        if not over:
            return [1.0 if k in full else scale * raw[k] for k in range(len(layers))]
        full |= over


def random_masks(layers: list[MaskedLinear], density: float, generator: torch.Generator) -> Tensor:
    """(K, P) bool, drawn for each task on its own, with exactly the densities of :func:`erk_densities`."""
    parts = []
    for layer, share in zip(layers, erk_densities(layers, density), strict=True):
        tasks, size = len(layer.masks), layer.weight.numel()
        rank = torch.rand(tasks, size, generator=generator).argsort(1).argsort(1)
        parts.append(rank < round(share * size))
    return torch.cat(parts, 1)


def merge_masks(masks: Tensor, threshold: float) -> Tensor:
    """A mask (P,) bool for a task that has none: weights that at least this share of the tasks (K, P) use."""
    return masks.double().mean(0) >= threshold
