"""CAGrad against CVXPY and TorchJD, and against its own certificate of optimality."""

import time
from typing import Any

import cvxpy
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchjd.aggregation import CAGradWeighting

from mtbench.learning.balancing import CAGrad, gram
from tests.balancing.problems import KINDS, gradient_matrices, gradients_of, gram_of


def certificate(gradients: np.ndarray, c: float = 0.4) -> tuple[float, float]:
    """How far a direction can be from the best, and how far it leaves the ball, both relative.

    Any ``d`` in the ball and any ``u`` on the simplex bound the optimum: ``min_i <g_i, d> <= <g_0, g_u> + c |g_0| |g_u|``.
    ``u`` is read off the weights. The gap is relative to the largest improvement the least gradient could have.
    """
    weights = CAGrad(c)(gram_of(gradients)).numpy()
    average = gradients.mean(0)
    radius = c * np.linalg.norm(average)
    moved = weights - 1.0 / len(weights)
    assert (moved >= 0).all()
    direction = weights @ gradients
    mixture = moved / moved.sum() @ gradients
    bound = mixture @ average + radius * np.linalg.norm(mixture)
    scale = np.linalg.norm(gradients, axis=1).min() * (np.linalg.norm(average) + radius)
    gap = (bound - (gradients @ direction).min()) / scale
    return gap, np.linalg.norm(direction - average) / radius - 1.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_tasks", [2, 3, 10, 50])
def test_is_optimal(kind: str, num_tasks: int) -> None:
    for seed in range(5):
        gap, outside = certificate(gradients_of(kind, num_tasks, seed))
        assert gap <= 1e-6
        assert outside <= 1e-8


@given(gradient_matrices(), st.sampled_from([0.05, 0.4, 0.95]))
@settings(max_examples=100, deadline=None)
def test_is_optimal_at_any_scale(gradients: np.ndarray, c: float) -> None:
    gap, outside = certificate(gradients, c)
    norms = np.linalg.norm(gradients, axis=1)
    assert gap <= 1e-6 + 1e-13 * norms.max() / norms.min()  # the rounding of the largest gradient's products
    assert outside <= 1e-7


@pytest.mark.parametrize("kind", ["random", "conflicting", "rank-deficient"])
@pytest.mark.parametrize("num_tasks", [3, 10, 20])
def test_equals_cvxpys_solution_of_the_primal(kind: str, num_tasks: int) -> None:
    gradients = gradients_of(kind, num_tasks, 1)
    coordinates = np.linalg.qr(gradients.T)[1].T  # the same Gram matrix in at most K dimensions
    average = coordinates.mean(0)
    d, level = cvxpy.Variable(len(average)), cvxpy.Variable()
    inside = cvxpy.norm(d - average) <= 0.4 * np.linalg.norm(average)
    cvxpy.Problem(cvxpy.Maximize(level), [coordinates @ d >= level, inside]).solve(cvxpy.CLARABEL)
    direction = CAGrad()(gram_of(gradients)).numpy() @ coordinates
    assert (coordinates @ direction).min() == pytest.approx(level.value, rel=1e-5)
    np.testing.assert_allclose(direction, d.value, atol=2e-4 * np.linalg.norm(average))


@pytest.mark.parametrize("num_tasks", [2, 10, 50])
@pytest.mark.parametrize("c", [0.0, 0.4])
def test_equals_torchjd(num_tasks: int, c: float) -> None:
    matrix = gram_of(gradients_of("random", num_tasks, 2))
    expected = CAGradWeighting(c)(matrix).numpy()
    np.testing.assert_allclose(CAGrad(c)(matrix).numpy(), expected, atol=1e-4 * expected.max())


def test_two_tasks_by_hand() -> None:
    # g1 = (1, 0), g2 = (0, 2): g0 = (1/2, 1). All of the ball goes to the weaker task: d = g0 + 0.4 |g0| (1, 0).
    weights = CAGrad()(torch.tensor([[1.0, 0.0], [0.0, 4.0]])).numpy()
    np.testing.assert_allclose(weights, [0.5 + 0.4 * np.sqrt(1.25), 0.5])


def test_scales() -> None:
    matrix = gram_of(gradients_of("conflicting", 5, 0))
    weights = CAGrad()(matrix)
    torch.testing.assert_close(CAGrad(rescale=True)(matrix), weights / 1.16)
    torch.testing.assert_close(CAGrad(reduction="sum")(matrix), 5 * weights)
    torch.testing.assert_close(CAGrad(c=0.0)(matrix), torch.full((5,), 0.2, dtype=torch.float64))


def test_a_zero_gradient_is_left_out_of_the_minimum() -> None:
    gradients = gradients_of("conflicting", 6, 0)
    gradients[2] = 0
    weights = CAGrad()(gram_of(gradients)).numpy()
    assert weights[2] == pytest.approx(1 / 6)
    others = np.delete(gradients, 2, axis=0)
    assert (others @ (weights @ gradients)).min() > (others @ gradients.mean(0)).min()


def test_cancelling_gradients_give_bounded_weights_and_hurt_no_task() -> None:
    gradients = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    weights = CAGrad()(gram_of(gradients)).numpy()
    assert (weights >= 0).all() and weights.max() < 1e7
    assert (gradients @ (weights @ gradients)).min() >= -1e-6


def test_float32_gradients_with_a_tiny_one() -> None:
    gradients = torch.randn(10, 1000, generator=torch.Generator().manual_seed(0))
    gradients[3] *= 1e-20
    weights = CAGrad()(gram(gradients))
    assert weights.isfinite().all() and weights[3] > 1e15  # all of the ball goes to the weakest


@pytest.mark.parametrize("kind", KINDS)
def test_takes_milliseconds_for_fifty_tasks(kind: str) -> None:
    matrix = gram_of(gradients_of(kind, 50, 0))
    seconds = []
    for _ in range(9):
        started = time.process_time()
        CAGrad()(matrix)
        seconds.append(time.process_time() - started)
    assert min(seconds) < 0.02


@pytest.mark.parametrize("params", [{"c": -0.1}, {"reduction": "max"}])
def test_senseless_parameters_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="CAGrad"):
        CAGrad(**params)
