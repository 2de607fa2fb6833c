"""FairGrad against SciPy and TorchJD, and the properties the theory promises."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares
from torchjd.aggregation import FairGradWeighting

from mtbench.learning.balancing import FairGrad
from tests.balancing.problems import KINDS, gradient_matrices, gradients_of


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def benchmark() -> dict[str, Any]:
    """The names of the benchmark script, whose Gram matrices the tests share."""
    return runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "fairgrad_solver.py"))


def solve(gradients: np.ndarray, weighting: FairGrad | None = None) -> tuple[np.ndarray, np.ndarray, FairGrad]:
    """Weights, direction and the weighting."""
    weighting = weighting or FairGrad()
    weights = weighting(torch.from_numpy(gradients @ gradients.T)).numpy()
    return weights, weights @ gradients, weighting


def scipy_weights(gram: np.ndarray, alpha: float, start: np.ndarray) -> np.ndarray:
    """The KKT system ``G w = w^(-1/alpha)`` as a bounded least-squares problem, as tightly as SciPy can."""
    result = least_squares(
        lambda w: gram @ w - w ** (-1 / alpha), start, bounds=(0, np.inf), xtol=1e-15, ftol=1e-15, gtol=1e-15
    )
    return result.x


# --- against other solvers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("num_tasks", [3, 10])
def test_equals_scipys_solution_of_the_kkt_system(alpha: float, num_tasks: int) -> None:
    rng = np.random.default_rng(num_tasks)
    gradients = rng.standard_normal((num_tasks, 30)) * 10 ** rng.uniform(-0.5, 0.5, (num_tasks, 1))
    weights, _, weighting = solve(gradients, FairGrad(alpha))
    expected = scipy_weights(gradients @ gradients.T, alpha, np.full(num_tasks, 1 / num_tasks))
    assert sum(weighting.fallbacks.values()) == 0
    np.testing.assert_allclose(weights, expected, rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("kind", ["random", "conflicting", "ill-scaled"])
def test_equals_scipy_from_nearby_on_harder_problems(alpha: float, kind: str) -> None:
    """SciPy finds no solution of an ill-scaled problem on its own: it gets the problem in units in which ours is near 1, and
    a start 20 % away."""
    gradients = gradients_of(kind, 8, 0)
    weights, _, weighting = solve(gradients, FairGrad(alpha))
    assert sum(weighting.fallbacks.values()) == 0
    matrix = (gradients @ gradients.T) * weights * weights[:, None]
    scale = weights ** (1 - 1 / alpha)
    result = least_squares(
        lambda v: (matrix @ v - scale * v ** (-1 / alpha)) / scale,
        np.random.default_rng(0).uniform(0.8, 1.25, 8),
        bounds=(0, np.inf),
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
    )
    np.testing.assert_allclose(result.x, 1.0, rtol=1e-5)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_tasks", [2, 10, 50])
def test_any_alpha_on_any_problem_is_solved_or_falls_back_to_the_ridge(alpha: float, kind: str, num_tasks: int) -> None:
    for seed in range(3):
        gradients = gradients_of(kind, num_tasks, seed)
        weights, _, weighting = solve(gradients, FairGrad(alpha))
        assert np.isfinite(weights).all() and (weights > 0).all()
        assert weighting.fallbacks["diagonal"] == 0
        assert weighting.residual <= weighting.tolerance or weighting.fallbacks["ridge"]
        if kind != "rank-deficient":
            assert weighting.fallbacks["ridge"] == 0


@pytest.mark.parametrize("alpha", [1.0, 2.0])
def test_equals_torchjd(alpha: float) -> None:
    gradients = np.random.default_rng(0).standard_normal((10, 100))
    weights, _, _ = solve(gradients, FairGrad(alpha))
    expected = FairGradWeighting(alpha)(torch.from_numpy(gradients @ gradients.T)).numpy()
    np.testing.assert_allclose(weights, expected, rtol=1e-3)


def test_meets_the_tolerance_in_every_regime_and_never_does_worse_than_scipy(benchmark: dict[str, Any]) -> None:
    for name, regime in benchmark["REGIMES"].items():
        gram = benchmark["make_gram"](10, regime, np.random.default_rng(1))
        weighting = FairGrad()
        weights = weighting(torch.from_numpy(gram)).numpy()
        assert weighting.residual <= weighting.tolerance, name
        reference = least_squares(lambda w, g=gram: g @ w - 1 / w, np.full(10, 0.1), bounds=(0, np.inf)).x
        worst_scipy = np.abs(gram @ reference - 1 / reference).max()
        assert np.abs(gram @ weights - 1 / weights).max() <= max(worst_scipy, benchmark["KKT_TOLERANCE"]), name


# --- what the theory promises ----------------------------------------------------------------------------------------


@given(gradient_matrices())
@settings(max_examples=150, deadline=None)
def test_every_task_contributes_one_and_the_squared_norm_is_k(gradients: np.ndarray) -> None:
    weights, direction, weighting = solve(gradients)
    assert weighting.fallbacks == {"ridge": 0, "diagonal": 0}
    assert (weights > 0).all()
    np.testing.assert_allclose(weights * (gradients @ direction), 1, atol=1e-6)
    np.testing.assert_allclose(direction @ direction, len(gradients), rtol=1e-6)


@given(gradient_matrices(), st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_rescaling_tasks_rescales_weights_and_keeps_the_direction(gradients: np.ndarray, seed: int) -> None:
    scales = 10 ** np.random.default_rng(seed).uniform(-6, 6, len(gradients))
    weights, direction, _ = solve(gradients)
    rescaled_weights, rescaled_direction, _ = solve(scales[:, None] * gradients)
    np.testing.assert_allclose(rescaled_weights * scales, weights, rtol=1e-6)
    np.testing.assert_allclose(rescaled_direction, direction, atol=1e-6 * np.sqrt(len(gradients)))


@given(gradient_matrices(), st.randoms())
@settings(max_examples=50, deadline=None)
def test_the_order_of_tasks_does_not_matter(gradients: np.ndarray, random) -> None:
    order = list(range(len(gradients)))
    random.shuffle(order)
    np.testing.assert_allclose(solve(gradients[order])[0], solve(gradients)[0][order], rtol=1e-6)


@given(gradient_matrices(singular=True))
@settings(max_examples=150, deadline=None)
def test_singular_with_a_common_descent_direction_is_solved_all_the_same(gradients: np.ndarray) -> None:
    # All entries positive: (1, ..., 1) improves every task, so a solution exists though the Gram matrix is singular.
    gradients = np.abs(gradients)
    _, direction, weighting = solve(gradients)
    assert weighting.fallbacks == {"ridge": 0, "diagonal": 0}
    np.testing.assert_allclose(direction @ direction, len(gradients), rtol=1e-6)
    np.testing.assert_allclose(
        solve(7.0 ** np.arange(len(gradients))[:, None] * gradients)[1], direction, atol=1e-6 * np.sqrt(len(gradients))
    )


@given(gradient_matrices(singular=True))
@settings(max_examples=150, deadline=None)
def test_any_singular_matrix_gives_bounded_weights_and_either_a_solution_or_a_counted_fallback(
    gradients: np.ndarray,
) -> None:
    num_tasks = len(gradients)
    weights, _, weighting = solve(gradients)
    relative = weights * np.linalg.norm(gradients, axis=1)
    assert np.isfinite(weights).all() and (weights > 0).all()
    assert relative.max() <= np.sqrt(num_tasks) * np.exp(weighting.y_max) * (1 + 1e-6)
    # |d|^2 computed from unit gradients, whose rounding the weights amplify
    units = gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
    energy = np.square(relative @ units).sum()
    if weighting.fallbacks["ridge"]:
        assert energy <= num_tasks * (1 + 1e-6)
        assert weighting.residual > weighting.tolerance
    else:
        assert weighting.fallbacks["diagonal"] == 0
        np.testing.assert_allclose(energy, num_tasks, rtol=1e-5)


@pytest.mark.parametrize("alpha", [0.25, 0.5, 2.0, 4.0, 10.0])
@pytest.mark.parametrize("spread", [1.0, 500.0])
@pytest.mark.parametrize("num_tasks", [10, 50])
def test_other_alphas_solve_their_kkt_system(alpha: float, spread: float, num_tasks: int) -> None:
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((num_tasks, 1000)) * spread ** -rng.random((num_tasks, 1))
    weights, direction, weighting = solve(gradients, FairGrad(alpha))
    assert weighting.fallbacks == {"ridge": 0, "diagonal": 0}
    np.testing.assert_allclose(gradients @ direction, weights ** (-1 / alpha), rtol=1e-6)


def test_orthogonal_gradients_get_equal_weighted_norms() -> None:
    weights, _, _ = solve(np.diag([10.0, 1.0]))  # the example of the TOPPO paper, section 4.3
    np.testing.assert_allclose(weights, [0.1, 1.0])


# --- the edges -------------------------------------------------------------------------------------------------------


def test_cancelling_tasks_fall_back_to_the_ridge_and_leave_the_others_their_share() -> None:
    gradients = np.random.default_rng(0).standard_normal((9, 100))
    gradients = np.vstack([gradients, -2 * gradients[0]])
    weights, direction, weighting = solve(gradients)
    assert weighting.fallbacks == {"ridge": 1, "diagonal": 0}
    contributions = weights * (gradients @ direction)
    np.testing.assert_allclose(contributions[1:9], 1, atol=1e-3)
    np.testing.assert_allclose(contributions[[0, 9]], 0, atol=1e-2)
    rescaled = solve(np.geomspace(1e-4, 1e4, 10)[:, None] * gradients)[1]
    np.testing.assert_allclose(rescaled, direction, atol=1e-5)


def test_without_convergence_the_start_is_returned_and_counted() -> None:
    gradients = np.random.default_rng(0).standard_normal((10, 12))
    weights, _, weighting = solve(gradients, FairGrad(max_iterations=1))
    assert weighting.fallbacks == {"ridge": 0, "diagonal": 1}
    np.testing.assert_allclose(weights, 1 / np.linalg.norm(gradients, axis=1))
    assert weighting.residual > 1e-3


def test_zero_gradients_get_zero_weight_and_the_rest_is_solved() -> None:
    gradients = np.random.default_rng(0).standard_normal((6, 40))
    gradients[[1, 4]] = 0
    weights, direction, weighting = solve(gradients)
    assert weights[[1, 4]].tolist() == [0, 0]
    np.testing.assert_allclose(direction @ direction, 4)
    np.testing.assert_allclose(weights[[0, 2, 3, 5]], solve(gradients[[0, 2, 3, 5]])[0])
    assert sum(weighting.fallbacks.values()) == 0


def test_norms_at_the_ends_of_double_precision() -> None:
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((10, 100))
    _, direction, _ = solve(gradients)
    extreme = 10.0 ** np.linspace(-150, 140, 10)
    np.testing.assert_allclose(solve(extreme[:, None] * gradients)[1], direction, atol=1e-6)


def test_a_gradient_that_is_not_finite_is_named() -> None:
    gradients = torch.ones(4, 3)
    gradients[2, 0] = torch.nan
    with pytest.raises(ValueError, match=r"tasks \[2\]"):
        FairGrad()(gradients @ gradients.T)


def test_counters_add_up_over_calls() -> None:
    weighting = FairGrad()
    for gradients in (np.eye(3), np.vstack([np.eye(3), -np.eye(3)]), np.eye(3)):
        solve(gradients, weighting)
    assert weighting.calls == 3
    assert weighting.fallbacks == {"ridge": 1, "diagonal": 0}
    assert weighting.iterations == 0 and weighting.residual <= weighting.tolerance
    resumed = FairGrad()
    resumed.load_state_dict(weighting.state_dict())
    assert (resumed.calls, resumed.fallbacks) == (weighting.calls, weighting.fallbacks)


@pytest.mark.parametrize("params", [{"alpha": 0.0}, {"alpha": -1.0}, {"y_max": 0.0}, {"max_iterations": 0}])
def test_senseless_parameters_are_refused(params: dict) -> None:
    with pytest.raises(ValueError, match="FairGrad needs"):
        FairGrad(**params)
