"""Per-task gradients -> Gram matrix, and weights -> update direction. Both accumulate in float64."""

from __future__ import annotations

import torch
from torch import Tensor


def _chunk(device: torch.device) -> int:
    """Columns converted to float64 at a time: on a CPU few enough to stay in the cache, on a GPU enough to fill it."""
    return 1 << (11 if device.type == "cpu" else 16)


def gram(gradients: Tensor) -> Tensor:
    """``G_ij = <g_i, g_j>``: gradients ``(K, P)`` of any float dtype -> ``(K, K)`` float64, exactly symmetric.

    Products and sums are float64, so a gradient as small as float32 can hold still has a positive squared norm (TOPPO
    paper, section C.5).
    """
    if gradients.ndim != 2:
        raise ValueError(f"Gradients are (tasks, parameters); got {tuple(gradients.shape)}.")
    gradients = gradients.detach()
    num_tasks = gradients.shape[0]
    out = torch.zeros(num_tasks, num_tasks, dtype=torch.float64, device=gradients.device)
    buffer = torch.empty(num_tasks, _chunk(gradients.device), dtype=torch.float64, device=gradients.device)
    for chunk in gradients.split(buffer.shape[1], dim=1):
        wide = buffer[:, : chunk.shape[1]]
        wide.copy_(chunk)
        out.addmm_(wide, wide.T)
    # A matrix product need not round (i, j) and (j, i) alike.
    return 0.5 * (out + out.T)


def combine(weights: Tensor, gradients: Tensor) -> Tensor:
    """``d = sum_i w_i g_i``: weights ``(K,)``, gradients ``(K, P)`` -> ``(P,)`` in the gradients' dtype.

    Summed in float64: the weight of a task with a tiny gradient can overflow float32 although its share of ``d`` does
    not (TOPPO paper, section C.5).
    """
    gradients = gradients.detach()
    weights = weights.to(torch.float64)
    out = torch.empty(gradients.shape[1], dtype=gradients.dtype, device=gradients.device)
    size = 8 * _chunk(gradients.device)  # a matrix-vector product: fewer, larger ones
    for target, chunk in zip(out.split(size), gradients.split(size, dim=1), strict=True):
        target.copy_(weights @ chunk.to(torch.float64))
    return out
