"""The ways in which papers turn evaluations over time and seeds into one number (TOPPO paper, appendix D.7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mtbench.report.statistics import iqm, std_to_sem

Array = np.ndarray
LATE = 5  # evaluations: MTBench averages the last five epochs (appendix C.1); TOPPO's window is not stated in words


@dataclass(frozen=True)
class Convention:
    """One convention.

    Attributes:
        letter: as in Table D.9, and in ``baselines/conventions.csv``.
        name: short.
        meaning: in words.
        select: success (seeds N, evaluations T, tasks K) -> what it counts, (N, K).
    """

    letter: str
    name: str
    meaning: str
    select: Callable[[Array], Array]


def _best(success: Array) -> Array:
    return success[np.arange(len(success)), success.mean(2).argmax(1)]


def _peak(success: Array) -> Array:
    return success[:, success.mean((0, 2)).argmax()]


CONVENTIONS = (
    Convention("A", "final", "last evaluation", lambda success: success[:, -1]),
    Convention("B", "best", "each seed at its own best evaluation (biased upwards)", _best),
    Convention("C", "peak", "all seeds where the mean curve is highest (biased upwards)", _peak),
    Convention("D", "late", f"mean of the last {LATE} evaluations", lambda success: success[:, -LATE:].mean(1)),
    Convention("E", "maximum", "each seed and task at its own best (most biased)", lambda success: success.max(1)),
)


@dataclass(frozen=True)
class Summary:
    """A number with every spread papers print.

    Attributes:
        mean: over seeds, of the mean over tasks.
        std: over seeds, with N - 1; NaN for one seed.
        sem: ``std / sqrt(N)``.
        iqm: interquartile mean over seeds and tasks.
        seeds: N.
    """

    mean: float
    std: float
    sem: float
    iqm: float
    seeds: int


def summarize(scores: Array) -> Summary:
    """Summarize scores (seeds, tasks)."""
    each = scores.mean(1)
    std = float(each.std(ddof=1)) if len(each) > 1 else float("nan")
    return Summary(float(each.mean()), std, std_to_sem(std, len(each)), float(iqm(scores)), len(each))
