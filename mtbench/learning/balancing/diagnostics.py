"""What a Gram matrix says about balance: how unequal the task gradients are, how much they conflict, and what weights
make of them.

All functions take Gram matrices ``G`` ``(..., K, K)`` and, where asked, weights ``w`` ``(..., K)``, and keep leading
dimensions: a matrix, or one a snapshot. They return tensors of the same dtype on the same device.
"""

from __future__ import annotations

import torch
from torch import Tensor


def norms(gram: Tensor) -> Tensor:
    """Gradient norm of each task, ``(..., K)``."""
    return gram.diagonal(dim1=-2, dim2=-1).clamp(min=0).sqrt()


def norm_spread(gram: Tensor) -> Tensor:
    """Largest over smallest gradient norm, ``(...)`` (TOPPO paper, section 3). Tasks with zero gradient are left out."""
    sizes = norms(gram)
    smallest = torch.where(sizes > 0, sizes, torch.inf).amin(-1)
    return torch.where(smallest.isfinite(), sizes.amax(-1) / smallest, 1.0)


def cosines(gram: Tensor) -> Tensor:
    """Cosine between every two task gradients, ``(..., K, K)``; zero where a gradient is zero."""
    sizes = norms(gram)
    inverse = torch.where(sizes > 0, 1 / sizes, 0.0)
    return rescale(gram, inverse)


def mean_cosine(gram: Tensor, absolute: bool = False) -> Tensor:
    """Mean off-diagonal cosine, ``(...)``; of its absolute value if ``absolute``, the paper's number. Zero for a single
    task."""
    num_tasks = gram.shape[-1]
    values = cosines(gram)
    if absolute:
        values = values.abs()
    off_diagonal = values.sum((-2, -1)) - values.diagonal(dim1=-2, dim2=-1).sum(-1)
    return off_diagonal / max(num_tasks * (num_tasks - 1), 1)


def condition_number(gram: Tensor) -> Tensor:
    """Largest over smallest eigenvalue, ``(...)``: the square of that of the gradients as a matrix. Of :func:`cosines` it
    is what is left when all gradients have the same length.

    Tasks with zero gradient are left out. Eigenvalues under the rounding of the largest count as that: a singular matrix
    has a condition number of about ``4e15 / K``.
    """
    num_tasks = gram.shape[-1]
    squares = gram.diagonal(dim1=-2, dim2=-1)
    silent = squares <= 0
    # The mean of the others' eigenvalues, which lies between them, in the place of theirs.
    fill = squares.sum(-1, keepdim=True) / (~silent).sum(-1, keepdim=True).clamp(min=1)
    values = torch.linalg.eigvalsh(gram + torch.diag_embed(silent * fill))
    largest = values[..., -1]
    smallest = torch.maximum(values[..., 0], largest * num_tasks * torch.finfo(gram.dtype).eps)
    return torch.where(largest > 0, largest / smallest, 1.0)


def effective_rank(gram: Tensor) -> Tensor:
    """Exponential of the entropy of the eigenvalues over their sum, ``(...)`` (Roy and Vetterli, 2007): K where all are
    equal, 1 where a single direction is left, and where there is no gradient at all. Of the Gram matrix it says in how many
    directions the squared length lies, of :func:`cosines` in how many the tasks point."""
    values = torch.linalg.eigvalsh(gram).clamp(min=0)
    total = values.sum(-1, keepdim=True)
    return torch.special.entr(torch.where(total > 0, values / total, 0.0)).sum(-1).exp()


def rescale(gram: Tensor, factors: Tensor) -> Tensor:
    """Gram matrix of the gradients ``c_i g_i``, for factors ``c`` ``(..., K)``.

    With a deviation sigma_i of the value targets, ``c_i = sigma_i^2`` turns the critic's gradients on normalized targets
    into those of the squared error of raw returns, at the same predictions (TOPPO paper, Eq. 2 and section D.2).
    """
    return gram * factors.unsqueeze(-1) * factors.unsqueeze(-2)


def combined_norm(gram: Tensor, weights: Tensor) -> Tensor:
    """``|d|`` of the direction ``d = sum_i w_i g_i``, ``(...)``: ``sqrt(w'Gw)``."""
    return (weights * _contributions(gram, weights)).sum(-1).clamp(min=0).sqrt()


def shares(gram: Tensor, weights: Tensor) -> Tensor:
    """What each task gives to the combined direction, ``w_i <g_i, d> / |d|^2``, ``(..., K)``: adds up to 1, and is
    ``1 / K`` for every task with FairGrad of alpha 1 (TOPPO paper, Theorem 1). Zero where the direction is zero."""
    parts = weights * _contributions(gram, weights)
    total = parts.sum(-1, keepdim=True)
    return torch.where(total > 0, parts / total, 0.0)


def _contributions(gram: Tensor, weights: Tensor) -> Tensor:
    """``<g_i, d>`` of each task, ``(..., K)`` (TOPPO paper, Eq. C.1)."""
    return (gram @ weights.unsqueeze(-1)).squeeze(-1)
