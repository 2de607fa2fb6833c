"""What a Gram matrix says about balance: how unequal the task gradients are and how much they conflict.

All functions take ``G`` ``(K, K)`` float64 and return tensors on its device.
"""

from __future__ import annotations

import torch
from torch import Tensor


def norms(gram: Tensor) -> Tensor:
    """Gradient norm of each task, ``(K,)``."""
    return gram.diagonal().clamp(min=0).sqrt()


def norm_spread(gram: Tensor) -> Tensor:
    """Largest over smallest gradient norm, scalar (TOPPO paper, section 3). Tasks with zero gradient are left out."""
    sizes = norms(gram)
    smallest = torch.where(sizes > 0, sizes, torch.inf).min()
    return torch.where(smallest.isfinite(), sizes.max() / smallest, 1.0)


def cosines(gram: Tensor) -> Tensor:
    """Cosine between every two task gradients, ``(K, K)``; zero where a gradient is zero."""
    sizes = norms(gram)
    inverse = torch.where(sizes > 0, 1 / sizes, 0.0)
    return gram * inverse[:, None] * inverse[None, :]


def mean_cosine(gram: Tensor, absolute: bool = False) -> Tensor:
    """Mean off-diagonal cosine, scalar; of its absolute value if ``absolute``. Zero for a single task."""
    num_tasks = gram.shape[0]
    values = cosines(gram)
    if absolute:
        values = values.abs()
    off_diagonal = values.sum() - values.diagonal().sum()
    return off_diagonal / max(num_tasks * (num_tasks - 1), 1)
