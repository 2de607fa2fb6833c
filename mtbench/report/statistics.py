"""Statistics of scores over seeds and tasks, all (runs N, tasks K), as in Agarwal et al. (2021), *Deep RL at the Edge of
the Statistical Precipice*, with bootstraps that are batched and seeded. The tests hold them against rliable and SciPy.

Two ways to resample, because a multi-task policy is one run for all tasks: ``stratified`` draws runs anew for every task
(rliable's, which takes the tasks of a run for independent), ``runs`` draws whole runs and keeps what the tasks of a run have
in common. With one run there is no interval (NaN).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

Array = np.ndarray
CONFIDENCE = 0.95
REPETITIONS = 2000


def mean(scores: Array) -> Array:
    """Mean over the last two axes (..., N, K)."""
    return scores.mean((-2, -1))


def median(scores: Array) -> Array:
    """Median over tasks of the mean over runs (..., N, K)."""
    return np.median(scores.mean(-2), axis=-1)


def iqm(scores: Array) -> Array:
    """Interquartile mean over runs and tasks together (..., N, K): the middle half, ``floor(N K / 4)`` cut at each end."""
    flat = np.sort(scores.reshape(*scores.shape[:-2], -1), axis=-1)
    cut = flat.shape[-1] // 4
    return flat[..., cut : flat.shape[-1] - cut].mean(-1)


def worst(k: int) -> Callable[[Array], Array]:
    """Mean over runs of a run's mean over its own ``k`` worst tasks (TOPPO paper, Table 2)."""

    def statistic(scores: Array) -> Array:
        return np.sort(scores, axis=-1)[..., :k].mean((-2, -1))

    return statistic


def interval(
    scores: Array, statistic: Callable[[Array], Array], resample: str = "stratified", repetitions: int = REPETITIONS
) -> tuple[float, float]:
    """Percentile bootstrap interval of ``statistic``.

    Args:
        scores: (N, K).
        statistic: (B, N, K) -> (B).
        resample: ``stratified`` or ``runs``.
        repetitions: B.
    """
    runs, tasks = scores.shape
    if runs < 2:
        return float("nan"), float("nan")
    chosen = _draw(repetitions, runs, tasks, resample)
    return _percentiles(statistic(scores[chosen, np.arange(tasks)]))


def mean_curve_interval(scores: Array, repetitions: int = REPETITIONS) -> tuple[Array, Array]:
    """Stratified interval of the mean over runs and tasks at each of T points.

    Args:
        scores: (T, N, K).

    Returns:
        Lower and upper ends, (T).
    """
    points, runs, tasks = scores.shape
    if runs < 2:
        return np.full(points, np.nan), np.full(points, np.nan)
    means = _counts(repetitions, runs, tasks) @ scores.reshape(points, -1).T / (runs * tasks)
    low, high = np.quantile(means, _ENDS, axis=0)
    return low, high


def performance_profile(scores: Array, thresholds: Array, repetitions: int = REPETITIONS) -> tuple[Array, Array, Array]:
    """Fraction of runs and tasks above each threshold, and its stratified interval; each (len(thresholds))."""
    above = (scores[None] > thresholds[:, None, None]).astype(float)
    return above.mean((1, 2)), *mean_curve_interval(above, repetitions)


def probability_of_improvement(x: Array, y: Array, repetitions: int = REPETITIONS) -> tuple[float, float, float]:
    """P(a run of X beats a run of Y), mean over tasks, ties for half, with its stratified interval.

    Args:
        x: (N, K).
        y: (M, K), the same tasks.
    """
    beats = (x[:, None] > y[None]) + 0.5 * (x[:, None] == y[None])  # (N, M, K)
    value = float(beats.mean())
    if min(len(x), len(y)) < 2:
        return value, float("nan"), float("nan")
    tasks = x.shape[1]
    first = _counts(repetitions, len(x), tasks, seed=1).reshape(repetitions, len(x), tasks)
    second = _counts(repetitions, len(y), tasks, seed=2).reshape(repetitions, len(y), tasks)
    drawn = (np.einsum("bnk,nmk->bmk", first, beats) * second).sum((1, 2)) / beats.size
    return value, *_percentiles(drawn)


def sem_to_std(sem: float, seeds: int) -> float:
    """Standard deviation over seeds from the standard error of the mean."""
    return sem * float(np.sqrt(seeds))


def std_to_sem(std: float, seeds: int) -> float:
    """Standard error of the mean from the standard deviation over seeds."""
    return std / float(np.sqrt(seeds))


AGGREGATES: Mapping[str, Callable[[Array], Array]] = {"mean": mean, "median": median, "IQM": iqm}
_ENDS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)


def _draw(repetitions: int, runs: int, tasks: int, resample: str, seed: int = 0) -> Array:
    width = {"stratified": tasks, "runs": 1}[resample]
    return np.random.default_rng(seed).integers(runs, size=(repetitions, runs, width))


def _counts(repetitions: int, runs: int, tasks: int, seed: int = 0) -> Array:
    """(B, N K): how often the stratified bootstrap drew each score."""
    drawn = _draw(repetitions, runs, tasks, "stratified", seed)
    flat = (np.arange(repetitions)[:, None, None] * runs + drawn) * tasks + np.arange(tasks)
    counts = np.bincount(flat.ravel(), minlength=repetitions * runs * tasks)
    return counts.reshape(repetitions, runs * tasks).astype(float)


def _percentiles(values: Array) -> tuple[float, float]:
    low, high = np.quantile(values, _ENDS)
    return float(low), float(high)
