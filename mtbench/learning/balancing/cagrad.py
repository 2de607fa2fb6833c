"""CAGrad: conflict-averse gradient descent (Liu et al., 2021), solved on the Gram matrix."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from mtbench.schema import NotNegative

from .weighting import Weighting, register

_RIDGE = 1e-12  # of each squared norm: cancelling gradients then have weights up to a million times those of the mean


@register("cagrad")
class CAGrad(Weighting):
    """The direction within ``c |g_0|`` of the average gradient ``g_0`` that improves the worst-off task most.

    ``max_d min_i <g_i, d>`` subject to ``|d - g_0| <= c |g_0|`` (their equation 2; MTBench's too). The solution is
    ``d = g_0 + sum_i l_i g_i`` with ``l >= 0``; their dual writes ``l`` as ``c |g_0| / |g_w| w`` with ``w`` on the simplex.

    **Scale.** ``reduction``: ``g_0`` is the **mean** of the gradients, as in the paper (the default); ``"sum"`` multiplies
    the direction by ``K``, as MTBench does. ``rescale`` divides it by ``1 + c^2``, as the authors' release and MTBench do.

    **Method.** For a level ``t``, the closest ``d`` to ``g_0`` with ``<g_i, d> >= t`` for all tasks is a small quadratic
    program whose multipliers ``l`` are piecewise linear in ``t``. The path starts at ``t = min_i <g_i, g_0>`` with ``l =
    0`` and is followed from one task that starts or ceases to bind to the next, a pivot of a K x K tableau each, until
    ``|d - g_0|`` reaches its bound. That is exact, takes about as many pivots as tasks bind in the end, and needs no
    tolerance, start or iteration limit that depends on the problem's scale.

    A task whose gradient is exactly zero cannot be improved and is left out of the minimum, though not of ``g_0``. If no
    direction improves every task, the solution is not unique; a relative ridge of 1e-12 on the squared norms selects one.

    Args:
        c: size of the ball around the average, >= 0; 0 is the mean. The papers use 0.4.
        rescale: see above.
        reduction: see above.

    Runs on the CPU in NumPy like :class:`FairGrad` and for the same reason.
    """

    def __init__(self, c: NotNegative = 0.4, rescale: bool = False, reduction: Literal["sum", "mean"] = "mean") -> None:
        if not c >= 0:
            raise ValueError(f"CAGrad needs c >= 0, got {c}.")
        if reduction not in ("sum", "mean"):
            raise ValueError(f"CAGrad's reduction is 'sum' or 'mean', not '{reduction}'.")
        self.c = c
        self.rescale = rescale
        self.reduction = reduction

    def weights(self, gram: Tensor) -> Tensor:
        full = gram.cpu().numpy()
        num_tasks = len(full)
        weights = np.full(num_tasks, 1.0 / num_tasks)
        live = np.flatnonzero(full.diagonal() > 0)
        average = full[live].mean(axis=1)  # <g_i, g_0>
        radius = self.c * np.sqrt(max(full.mean(), 0.0))
        if radius > 0:
            weights[live] += correction(full[np.ix_(live, live)], average, radius)
        if self.rescale:
            weights /= 1.0 + self.c**2
        if self.reduction == "sum":
            weights *= num_tasks
        return torch.from_numpy(weights).to(gram.device)


def correction(gram: np.ndarray, average: np.ndarray, radius: float) -> np.ndarray:
    """Multipliers ``l >= 0`` ``(K,)`` with ``|sum_i l_i g_i| = radius`` that raise ``min_i <g_i, g_0 + sum_j l_j g_j>``
    most.

    Args:
        gram: ``(K, K)``, positive diagonal.
        average: ``(K,)``, ``<g_i, g_0>``.
        radius: > 0.
    """
    num_tasks = len(gram)
    inverse = gram.diagonal() ** -0.5
    # In units of each gradient's norm: [cosines | right-hand side per unit of the level t | right-hand side at t = 0].
    # Pivoting on the binding tasks A turns the last two columns, in their rows, into G_AA^-1 times themselves, so that
    # l_A = t p - q; and in the other rows into their slacks, q - t p >= 0.
    tableau = np.empty((num_tasks, num_tasks + 2))
    tableau[:, :num_tasks] = gram * inverse[:, None] * inverse
    tableau[np.diag_indices(num_tasks)] = 1.0 + _RIDGE
    tableau[:, -2] = inverse / inverse.max()
    tableau[:, -1] = average * inverse
    right, start = tableau[:, -2].copy(), tableau[:, -1].copy()
    sign = np.ones(num_tasks)  # -1 for tasks that bind
    level = -np.inf
    for _ in range(20 * num_tasks):
        p, q = tableau[:, -2], tableau[:, -1]
        changes = np.divide(q, p, out=np.full(num_tasks, np.inf), where=sign * p > 0)
        task = int(changes.argmin())
        upper = max(level, changes[task])
        bound = sign < 0
        if bound.any():
            # |sum l g|^2 = l'(t right - start) over the binding tasks, a quadratic in t
            a, b, c = right[bound] @ p[bound], right[bound] @ q[bound], start[bound] @ q[bound]
            end = float((b + np.sqrt(np.maximum(b * b - a * (c - radius * radius), 0.0))) / a)
            if end <= upper:
                level = max(level, end)
                break
        level = upper
        pivot(tableau, task)
        sign[task] = -sign[task]
    multipliers = np.where(sign < 0, level * tableau[:, -2] - tableau[:, -1], 0.0)
    return np.maximum(multipliers, 0.0) * inverse


def pivot(tableau: np.ndarray, task: int) -> None:
    """Exchange row ``task`` of the tableau with its column, in place; doing so twice restores it."""
    factor = 1.0 / tableau[task, task]
    row = tableau[task] * factor
    column = tableau[:, task].copy()
    tableau -= column[:, None] * row
    tableau[:, task] = -column * factor
    tableau[task] = row
    tableau[task, task] = factor
