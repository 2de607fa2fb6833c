"""Our statistics against rliable and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from mtbench.report import statistics
from mtbench.report.conventions import CONVENTIONS, LATE, summarize

library = pytest.importorskip("rliable.library")
metrics = pytest.importorskip("rliable.metrics")

SCORES = np.random.default_rng(5).binomial(20, np.linspace(0.05, 0.95, 12), (7, 12)) / 20
OTHERS = np.random.default_rng(6).binomial(20, np.linspace(0.15, 0.85, 12), (5, 12)) / 20
ORACLES = {"mean": metrics.aggregate_mean, "median": metrics.aggregate_median, "IQM": metrics.aggregate_iqm}


@pytest.mark.parametrize("name", ORACLES)
@given(runs=st.integers(1, 9), tasks=st.integers(1, 9), seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_aggregates_are_those_of_rliable(name: str, runs: int, tasks: int, seed: int) -> None:
    scores = np.random.default_rng(seed).random((runs, tasks))
    assert statistics.AGGREGATES[name](scores) == pytest.approx(ORACLES[name](scores), abs=1e-12)
    batch = np.stack((scores, 1 - scores))
    assert statistics.AGGREGATES[name](batch)[1] == pytest.approx(ORACLES[name](1 - scores), abs=1e-12)


@pytest.mark.parametrize("name", ORACLES)
def test_stratified_intervals_are_those_of_rliable(name: str) -> None:
    np.random.seed(0)
    _, theirs = library.get_interval_estimates(
        {"x": SCORES}, lambda scores: np.array([ORACLES[name](scores)]), reps=10_000
    )
    ours = statistics.interval(SCORES, statistics.AGGREGATES[name], repetitions=10_000)
    assert ours == pytest.approx(theirs["x"][:, 0], abs=0.005)


def test_intervals_of_whole_runs_are_scipys() -> None:
    each = SCORES.mean(1)
    theirs = scipy.stats.bootstrap(
        (each,), np.mean, method="percentile", n_resamples=10_000, rng=np.random.default_rng(0)
    ).confidence_interval
    ours = statistics.interval(SCORES, statistics.mean, "runs", repetitions=10_000)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.003)


def test_whole_runs_show_what_tasks_have_in_common() -> None:
    luck = np.linspace(0.2, 0.8, 10)[:, None] + np.zeros(20)  # a seed is good or bad at everything
    low, high = statistics.interval(luck, statistics.mean)
    wide_low, wide_high = statistics.interval(luck, statistics.mean, "runs")
    assert wide_high - wide_low > 3 * (high - low)


def test_the_curve_interval_is_that_of_each_point() -> None:
    low, high = statistics.mean_curve_interval(np.stack((SCORES, 0.5 * SCORES)))
    expected = statistics.interval(SCORES, statistics.mean)
    assert (low[0], high[0]) == pytest.approx(expected, abs=1e-12)
    assert (low[1], high[1]) == pytest.approx(np.array(expected) / 2, abs=1e-12)


def test_performance_profiles_are_those_of_rliable() -> None:
    thresholds = np.linspace(0, 1, 21)
    np.random.seed(0)
    theirs, ends = library.create_performance_profile({"x": SCORES}, thresholds, reps=4000)
    value, low, high = statistics.performance_profile(SCORES, thresholds, repetitions=4000)
    np.testing.assert_allclose(value, theirs["x"], atol=1e-12)
    np.testing.assert_allclose([low, high], ends["x"], atol=0.02)


def test_probability_of_improvement_is_that_of_rliable_and_scipy() -> None:
    value, low, high = statistics.probability_of_improvement(SCORES, OTHERS)
    assert value == pytest.approx(metrics.probability_of_improvement(SCORES, OTHERS), abs=1e-12)
    u = [scipy.stats.mannwhitneyu(SCORES[:, k], OTHERS[:, k]).statistic / 35 for k in range(12)]
    assert value == pytest.approx(np.mean(u), abs=1e-12)
    np.random.seed(0)

    def same(x: np.ndarray, y: np.ndarray) -> float:  # rliable's own takes 50 ms a draw
        return ((x[:, None] > y[None]) + 0.5 * (x[:, None] == y[None])).mean()

    _, theirs = library.get_interval_estimates({"x,y": (SCORES, OTHERS)}, same, reps=10_000)
    assert (low, high) == pytest.approx(theirs["x,y"][:, 0], abs=0.01)


@given(seed=st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_improvement_one_way_is_one_minus_the_other(seed: int) -> None:
    x, y = np.random.default_rng(seed).integers(0, 4, (2, 3, 5)) / 4
    there, back = (statistics.probability_of_improvement(*pair, repetitions=2)[0] for pair in ((x, y), (y, x)))
    assert there + back == pytest.approx(1)


def test_one_run_has_no_interval() -> None:
    assert np.isnan(statistics.interval(SCORES[:1], statistics.mean)).all()
    assert np.isnan(statistics.probability_of_improvement(SCORES[:1], OTHERS)[1])


def test_worst_tasks_are_each_runs_own() -> None:
    scores = np.array([[0.0, 1.0, 0.6], [1.0, 0.2, 0.4]])
    assert statistics.worst(1)(scores) == pytest.approx(0.1)
    assert statistics.worst(2)(scores) == pytest.approx((0.3 + 0.3) / 2)
    assert statistics.worst(3)(scores) == pytest.approx(statistics.mean(scores))


def test_standard_errors_become_standard_deviations() -> None:
    """CAGrad on MT10, 0.83 ± 0.045 over ten seeds (SEM, TOPPO paper, appendix D.7), is a standard deviation of 0.142."""
    assert statistics.sem_to_std(0.045, 10) == pytest.approx(0.1423, abs=5e-5)
    each = np.random.default_rng(0).random((10, 4))
    summary = summarize(each)
    assert summary.sem == pytest.approx(scipy.stats.sem(each.mean(1)))
    assert (
        statistics.sem_to_std(summary.sem, 10) == pytest.approx(summary.std) == pytest.approx(each.mean(1).std(ddof=1))
    )


def test_conventions_on_a_case_worked_by_hand() -> None:
    """Two seeds that peak at different times, one task that is lost again."""
    success = np.zeros((2, 7, 2))
    success[0, :, 0] = [0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5]
    success[1, :, 0] = [0, 0.2, 0.5, 0.9, 0.6, 0.5, 0.4]
    success[1, 0, 1] = 0.8
    chosen = {c.name: c.select(success) for c in CONVENTIONS}
    assert LATE == 5
    assert chosen["final"].tolist() == [[0.5, 0], [0.4, 0]]
    assert chosen["best"].tolist() == [[1.0, 0], [0.9, 0]]
    assert chosen["peak"].tolist() == [[0.5, 0], [0.9, 0]]  # at the fourth, where the two seeds add up to 1.4
    np.testing.assert_allclose(chosen["late"], [[0.5, 0], [0.58, 0]])
    assert chosen["maximum"].tolist() == [[1.0, 0], [0.9, 0.8]]


@given(seed=st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_optimistic_conventions_never_fall_below_the_sober_ones(seed: int) -> None:
    success = np.random.default_rng(seed).random((4, 9, 3))
    mean = {c.name: c.select(success).mean() for c in CONVENTIONS}
    assert mean["maximum"] >= mean["best"] >= mean["peak"] >= mean["final"]
