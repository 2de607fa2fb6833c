"""FairGrad: alpha-fair task weights (Ban and Ji, 2024), by projected Newton in log-space (TOPPO paper, section C.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge, Le
from torch import Tensor

from mtbench.schema import Positive, Some

from .weighting import Weighting, register

_MAX_STEP = 3.0  # largest step of a log-weight in the direction in which the objective grows exponentially
_Y_MIN = -300.0  # exp() of it, and of it times 1 - 1/alpha for alpha >= 0.5, is still an ordinary double
_ARMIJO = 1e-4
_ROUNDING = 1e-13  # of (G w)_i, relative to its largest terms
_QUADRATIC = 1e-6  # squared Newton decrement below which full steps converge and the objective no longer resolves them


Iterations = Annotated[int, Ge(1), Le(100_000)]


@register("fairgrad")
class FairGrad(Weighting):
    """Weights ``w > 0`` with ``(G w)_i = w_i^(-1/alpha)``; ``alpha = 1`` is Nash bargaining, ``G w = 1/w``.

    For ``alpha = 1`` every task contributes ``w_i <g_i, d> = 1``, so ``|d|^2 = K``, and rescaling a task's gradient by
    ``c > 0`` divides its weight by ``c`` and leaves ``d`` as it is (TOPPO paper, Theorem 1).

    **Method.** ``w`` minimizes the convex ``w'Gw / 2 - sum_i u(w_i)``, ``u' = w^(-1/alpha)``. In ``y = log w`` the
    Newton system is ``(W G W + diag(w^(1-1/alpha)) / alpha) dy = w^(1-1/alpha) - w * (G w)``, positive definite for
    any Gram matrix, singular ones included. It starts from the solution for a diagonal Gram matrix,
    ``w_i = G_ii^(-alpha/(1+alpha))`` (Proposition C.1), in whose units everything is computed: for alpha = 1 a badly
    scaled Gram matrix is then solved exactly like its well scaled twin. Steps are damped by an Armijo test on the
    objective (the paper's is on the residual; the objective has no other stationary point to stall in).

    **When there is no solution.** It exists if and only if some direction improves every task. If none does (task
    gradients that cancel in a non-negative combination), some weights grow without bound, and close to that case they
    amplify nothing but the gradients' rounding. A solve that would leave ``log(w_i) <= y_max`` (see there) is
    therefore repeated with the ridge ``G_ii (1 + exp(-2 y_max))``, which always has a solution, scale invariant too:
    fallback ``"ridge"``. If Newton does not converge in ``max_iterations`` even so, the start itself is returned:
    fallback ``"diagonal"``. A task whose gradient is exactly zero gets weight zero; the others are solved without it.

    The paper bounds the log-weights and has two fallbacks too, but its bound, tolerance and iteration limit are not
    known to us, and its first fallback, SciPy, looks for the very solution that Newton has just found out of reach.

    Args:
        alpha: fairness, > 0. Small: closer to the plain sum. Large: closer to max-min. From about 10 on, gradient norms
            that differ a millionfold end in a fallback.
        y_max: bound on ``log(w_i |g_i|)``, counted from the largest one at the start. At 8, the rounding of float32
            gradients stays near 1e-3.
        tolerance: largest relative KKT residual ``|1 - w_i^(1/alpha) (G w)_i|`` that counts as solved.
        max_iterations: Newton iterations, before the ridge and again after it. Two to six are usual for alpha = 1.

    Attributes:
        calls: solves so far.
        fallbacks: name -> how many of them ended in that fallback.
        iterations: Newton iterations of the last solve.
        residual: relative KKT residual of the last weights, over all tasks whose gradient is not zero; or, for a task whose
            share is less than rounding can resolve, in units of that.

    The solve runs on the CPU in NumPy: for K <= 50 a Newton iteration takes some 50 microseconds there, and its
    convergence test would make a GPU wait for the host in every iteration. A Gram matrix on a GPU costs one copy of K*K
    doubles to the host and one of K doubles back.
    """

    def __init__(
        self, alpha: Positive = 1.0, y_max: Positive = 8.0, tolerance: Some = 1e-8, max_iterations: Iterations = 100
    ) -> None:
        if not alpha > 0:
            raise ValueError(f"FairGrad needs alpha > 0, got {alpha}; alpha = 0 is the weighting 'mean' up to scale.")
        if not (y_max > 0 and tolerance > 0 and max_iterations >= 1):
            raise ValueError("FairGrad needs y_max > 0, tolerance > 0 and max_iterations >= 1.")
        self.alpha = alpha
        self.y_max = y_max
        self.tolerance = tolerance
        self.max_iterations = max_iterations
        self.calls = 0
        self.fallbacks = {"ridge": 0, "diagonal": 0}
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

    def state_dict(self) -> dict[str, Any]:
        return {"calls": self.calls, "fallbacks": self.fallbacks}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.calls, self.fallbacks = state["calls"], dict(state["fallbacks"])

    def _solve(self, gram: np.ndarray) -> np.ndarray:
        """Weights for a Gram matrix with a positive diagonal."""
        start = gram.diagonal() ** (-self.alpha / (1.0 + self.alpha))
        # From here on weights are in units of the start: w = start * exp(y). One factor at a time, lest they overflow.
        scaled = gram * start[:, None] * start
        scale = scaled.diagonal().copy()  # also the start's share of the right-hand side, since G_ii s = s^(-1/alpha)
        self.iterations = 0
        y = self._newton(scaled, scale, self.y_max + 0.5 * np.log(scale.max() / scale))
        if y is None:
            ridged = scaled + np.diag(scale * np.exp(-2.0 * self.y_max))
            y = self._newton(ridged, scale, np.full(len(gram), np.inf))
            self.fallbacks["diagonal" if y is None else "ridge"] += 1
            if y is None:
                y = np.zeros(len(gram))
        w = np.exp(y)
        self.residual = self._residual(scaled, w, scale * w ** (1.0 - 1.0 / self.alpha), w * (scaled @ w))
        return start * w

    def _residual(self, gram: np.ndarray, w: np.ndarray, target: np.ndarray, share: np.ndarray) -> float:
        return float((np.abs(target - share) / (target + _ROUNDING / self.tolerance * w * (np.abs(gram) @ w))).max())

    def _newton(self, gram: np.ndarray, scale: np.ndarray, y_max: np.ndarray) -> np.ndarray | None:
        """``y <= y_max`` with ``(G w)_i = scale_i w_i^(-1/alpha)``, ``w = exp(y)``; None if it is not reached."""
        power = 1.0 - 1.0 / self.alpha
        diagonal = np.diag_indices(len(gram))

        def evaluate(y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
            w = np.exp(y)
            target = scale if power == 0 else scale * w**power
            share = w * (gram @ w)
            utility = scale @ y if power == 0 else target.sum() / power
            return w, target, share, 0.5 * share.sum() - utility

        y = np.zeros(len(gram))
        w, target, share, objective = evaluate(y)
        for _ in range(self.max_iterations):
            if self._residual(gram, w, target, share) <= self.tolerance:
                return y
            slope = target - share
            if ((y >= y_max) & (slope > 0)).any():
                return None
            system = gram * w[:, None] * w
            system[diagonal] += target / self.alpha
            try:
                step = np.linalg.solve(system, slope)
            except np.linalg.LinAlgError:
                return None
            decrement = slope @ step
            size = _MAX_STEP / max(step.max(), (power * step).max(), _MAX_STEP)
            while True:
                trial = np.clip(y + size * step, _Y_MIN, y_max)
                w, target, share, value = evaluate(trial)
                if decrement < _QUADRATIC or value <= objective - _ARMIJO * size * decrement:
                    break
                size *= 0.5
                if size < 1e-10:
                    return None
            y, objective = trial, value
            self.iterations += 1
        return None
