"""FairGrad: alpha-fair task weights (Ban and Ji, 2024), by projected Newton in log-space (TOPPO paper, section C.5)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .weighting import Weighting, register

_MAX_STEP = 3.0  # largest change of any log-weight in one iteration: keeps exp() from overshooting
_ARMIJO = 1e-4
_QUADRATIC = (
    1e-6  # squared Newton decrement below which full steps converge and the objective's change drowns in rounding
)


@register("fairgrad")
class FairGrad(Weighting):
    """Weights ``w > 0`` with ``(G w)_i = w_i^(-1/alpha)``; ``alpha = 1`` is Nash bargaining, ``G w = 1/w``.

    For ``alpha = 1`` every task contributes ``w_i <g_i, d> = 1``, so ``|d|^2 = K``, and rescaling a task's gradient by
    ``c > 0`` divides its weight by ``c`` and leaves ``d`` as it is (TOPPO paper, Theorem 1).

    **Method.** ``w`` is the minimizer of the convex ``w'Gw / 2 - sum_i u(w_i)``, ``u' = w^(-1/alpha)``. In ``y = log w``
    the Newton system is ``(W G W + diag(w^(1-1/alpha)) / alpha) dy = w^(1-1/alpha) - w * (G w)``, positive definite
    for any Gram matrix, singular ones included. It starts from the solution for a diagonal Gram matrix,
    ``w_i = G_ii^(-alpha/(1+alpha))`` (Proposition C.1), in whose units everything is computed: a badly scaled Gram
    matrix is then solved exactly like its well scaled twin. Steps are damped by an Armijo test on the objective.

    **When there is no solution.** It exists if and only if some direction improves every task. If none does (task
    gradients that cancel in a non-negative combination), some weights would grow without bound. They stop at ``y_max``,
    log-units above the start, and the others are solved with those held: fallback ``"capped"``. If Newton has not
    converged after ``max_iterations``, the start itself is returned: fallback ``"diagonal"``. A task whose gradient is
    exactly zero gets weight zero and the others are solved without it.

    The values of the paper's cap, tolerance and iteration limit are not known to us. At the default ``y_max`` of 12, a
    float32 gradient's rounding stays under about one per cent of ``d``.

    Args:
        alpha: fairness, > 0. Small: closer to the plain sum. Large: closer to max-min.
        y_max: bound on ``log(w_i)`` relative to the start.
        tolerance: largest relative KKT residual ``|1 - w_i^(1/alpha) (G w)_i|`` that counts as solved.
        max_iterations: Newton iterations; two to six are usual, a cap takes about ``y_max`` more.

    Attributes:
        calls: solves so far.
        fallbacks: name -> how many of them ended in that fallback.
        iterations: Newton iterations of the last solve.
        residual: relative KKT residual of the last solve, over the tasks that are not capped and not zero.

    The solve runs on the CPU in NumPy: for K <= 50 a Newton iteration takes some 50 microseconds there, and its
    convergence test would make a GPU wait for the host in every iteration. A Gram matrix on a GPU costs one copy of K*K
    doubles to the host and one of K doubles back.
    """

    def __init__(
        self, alpha: float = 1.0, y_max: float = 12.0, tolerance: float = 1e-8, max_iterations: int = 50
    ) -> None:
        if alpha <= 0:
            raise ValueError(f"FairGrad needs alpha > 0, got {alpha}; alpha = 0 is the weighting 'mean' up to scale.")
        if y_max <= 0 or tolerance <= 0 or max_iterations < 0:
            raise ValueError("FairGrad needs y_max > 0, tolerance > 0 and max_iterations >= 0.")
        self.alpha = alpha
        self.y_max = y_max
        self.tolerance = tolerance
        self.max_iterations = max_iterations
        self.calls = 0
        self.fallbacks = {"capped": 0, "diagonal": 0}
        self.iterations = 0
        self.residual = 0.0

    def weights(self, gram: Tensor) -> Tensor:
        """Raises ``ValueError`` if the Gram matrix is not finite, naming the tasks."""
        full = gram.cpu().numpy()
        if not np.isfinite(full).all():
            bad = np.flatnonzero(~np.isfinite(full.diagonal())).tolist()
            raise ValueError(f"The Gram matrix is not finite: the gradients of tasks {bad} overflowed or hold NaN.")
        self.calls += 1
        live = full.diagonal() > 0
        weights = np.zeros(len(full))
        if live.all():
            weights = self._solve(full)
        elif live.any():
            weights[live] = self._solve(full[np.ix_(live, live)])
        return torch.from_numpy(weights).to(gram.device)

    def _solve(self, gram: np.ndarray) -> np.ndarray:
        alpha, power = self.alpha, 1.0 - 1.0 / self.alpha
        start = gram.diagonal() ** (-alpha / (1.0 + alpha))
        # From here on weights are in units of the start: w = start * exp(y). One factor at a time, lest they overflow.
        gram = gram * start[:, None] * start
        scale = gram.diagonal().copy()
        diagonal = np.diag_indices(len(gram))

        def evaluate(y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
            w = np.exp(y)
            target = scale if power == 0 else scale * w**power
            share = w * (gram @ w)
            utility = scale @ y if power == 0 else target.sum() / power
            return w, target, share, 0.5 * share.sum() - utility

        y = np.zeros(len(gram))
        w, target, share, objective = evaluate(y)
        for iteration in range(self.max_iterations + 1):
            self.iterations = iteration
            slope = target - share
            capped = (y >= self.y_max) & (slope > 0)
            slope[capped] = 0.0
            self.residual = float(np.abs(slope / target).max())
            if self.residual <= self.tolerance:
                self.fallbacks["capped"] += bool(capped.any())
                return start * w
            if iteration == self.max_iterations:
                break
            free = np.where(capped, 0.0, w)
            system = gram * free[:, None] * free
            system[diagonal] += target / alpha
            try:
                step = np.linalg.solve(system, slope)
            except np.linalg.LinAlgError:
                break
            decrement = slope @ step
            size = min(1.0, _MAX_STEP / np.abs(step).max())
            while True:
                trial = np.minimum(y + size * step, self.y_max)
                w, target, share, value = evaluate(trial)
                if decrement < _QUADRATIC or value <= objective - _ARMIJO * size * decrement or size < 1e-10:
                    break
                size *= 0.5
            y, objective = trial, value
        self.fallbacks["diagonal"] += 1
        return start
