"""PCGrad: gradient surgery by pairwise projection (Yu et al., 2020, Algorithm 1)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from .weighting import Weighting, register


@register("pcgrad")
class PCGrad(Weighting):
    """Each task's gradient is projected off every other task's gradient it conflicts with, in random order.

    ``reduction``: Algorithm 1 of the paper, and so TOPPO and TorchJD, **sums** the projected gradients (the default);
    MTBench averages them (``"mean"``, the sum over ``K``). ``generator`` gives the task orders (a CPU generator; the
    global one by default).

    No gradient is rewritten: every projected gradient is a non-negative combination of the originals, and its
    coefficients follow from the Gram matrix. The work is K vectorized steps on K x K matrices, run on the CPU in NumPy,
    where such small steps cost least; a Gram matrix on a GPU is copied over and the weights are copied back.
    """

    def __init__(self, generator: torch.Generator | None = None, reduction: Literal["sum", "mean"] = "sum") -> None:
        if reduction not in ("sum", "mean"):
            raise ValueError(f"PCGrad's reduction is 'sum' or 'mean', not '{reduction}'.")
        self.generator = generator
        self.reduction = reduction

    def weights(self, gram: Tensor) -> Tensor:
        num_tasks = gram.shape[0]
        # Sorting independent uniforms gives every row its own uniformly random permutation.
        order = torch.rand(num_tasks, num_tasks, generator=self.generator, dtype=torch.float64).argsort(dim=1)
        weights = projected(gram.cpu().numpy(), order.numpy()).sum(axis=0)
        if self.reduction == "mean":
            weights /= num_tasks
        return torch.from_numpy(weights).to(gram.device)


def projected(gram: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Coefficients ``(K, K)`` of the projected gradients: row i holds ``g_i^PC`` in terms of ``g_1 .. g_K``.

    ``order`` ``(K, K)``: row i is the permutation of tasks that task i is projected against; its own entry is skipped.
    All tasks take their n-th projection at once: they depend on the original gradients only, never on each other.
    """
    num_tasks = len(gram)
    rows = np.arange(num_tasks)
    coefficients = np.eye(num_tasks)
    inner = gram.copy()  # inner[i, j] = <g_i^PC, g_j>, kept up to date
    norms = gram.diagonal()
    inverse = np.divide(1.0, norms, out=np.zeros(num_tasks), where=norms > 0)  # a zero gradient projects nothing
    for others in order.T:
        amount = np.minimum(inner[rows, others], 0.0) * inverse[others]
        amount[others == rows] = 0.0
        coefficients[rows, others] -= amount
        inner -= amount[:, None] * gram[others]
    return coefficients
