"""What is read off Gram matrices, against the gradients themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mtbench.learning.balancing import diagnostics, gram, make_weighting


def gradients(num_tasks: int, size: int, seed: int, decades: float = 4.0) -> np.ndarray:
    """(K, size) of norms that differ by orders of magnitude."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(num_tasks, size)) * 10.0 ** rng.uniform(-decades / 2, decades / 2, (num_tasks, 1))


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 10**6))
def test_figures_are_those_of_the_gradients(num_tasks: int, size: int, seed: int) -> None:
    g = gradients(num_tasks, size, seed)
    w = np.random.default_rng(seed).uniform(0.1, 2.0, num_tasks)
    matrix, weights = gram(torch.from_numpy(g)), torch.from_numpy(w)
    lengths, d = np.linalg.norm(g, axis=1), w @ g
    np.testing.assert_allclose(diagnostics.norms(matrix), lengths, rtol=1e-9)
    assert diagnostics.norm_spread(matrix).item() == pytest.approx(lengths.max() / lengths.min())
    cosines = np.array([[a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in g] for a in g])
    np.testing.assert_allclose(diagnostics.cosines(matrix), cosines, atol=1e-9)
    pairs = [abs(cosines[i, j]) for i in range(num_tasks) for j in range(num_tasks) if i != j] or [0.0]
    assert diagnostics.mean_cosine(matrix, absolute=True).item() == pytest.approx(np.mean(pairs), abs=1e-9)
    tolerance = 1e-7 * (w * lengths).max()
    assert diagnostics.combined_norm(matrix, weights).item() == pytest.approx(np.linalg.norm(d), abs=tolerance)
    if np.linalg.norm(d) > 1e-2 * (w * lengths).max():  # shares of a direction that cancels are rounding
        expected = [w[i] * (g[i] @ d) / (d @ d) for i in range(num_tasks)]
        np.testing.assert_allclose(diagnostics.shares(matrix, weights), expected, atol=1e-8)


def test_leading_dimensions_are_kept() -> None:
    matrices = torch.stack([gram(torch.from_numpy(gradients(4, 7, seed))) for seed in range(6)]).view(2, 3, 4, 4)
    weights = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for name in ("norms", "norm_spread", "cosines", "mean_cosine", "condition_number", "effective_rank"):
        function = getattr(diagnostics, name)
        singly = torch.stack([function(m) for m in matrices.view(6, 4, 4)])
        torch.testing.assert_close(function(matrices).view(singly.shape), singly)
    for name in ("rescale", "combined_norm", "shares"):
        function = getattr(diagnostics, name)
        singly = torch.stack([function(m, w) for m, w in zip(matrices.view(6, 4, 4), weights.view(6, 4), strict=True)])
        torch.testing.assert_close(function(matrices, weights).view(singly.shape), singly)


def test_rescaling_is_that_of_the_gradients_and_keeps_the_cosines() -> None:
    g, factors = gradients(5, 8, 0), np.array([1e-3, 2.0, 50.0, 1.0, 7.0])
    matrix = gram(torch.from_numpy(g))
    rescaled = diagnostics.rescale(matrix, torch.from_numpy(factors))
    torch.testing.assert_close(rescaled, gram(torch.from_numpy(factors[:, None] * g)))
    torch.testing.assert_close(diagnostics.cosines(rescaled), diagnostics.cosines(matrix))


def test_fairgrad_shares_the_direction_equally_and_the_mean_does_not() -> None:
    """TOPPO paper, section 4.3: orthogonal gradients of norms 10 and 1, and Theorem 1."""
    matrix = torch.diag(torch.tensor([100.0, 1.0], dtype=torch.float64))
    fair, mean = make_weighting("fairgrad")(matrix), make_weighting("mean")(matrix)
    assert fair.tolist() == pytest.approx([0.1, 1.0])
    assert diagnostics.shares(matrix, fair).tolist() == pytest.approx([0.5, 0.5])
    assert diagnostics.shares(matrix, mean).tolist() == pytest.approx([100 / 101, 1 / 101])
    assert diagnostics.combined_norm(matrix, fair).item() == pytest.approx(np.sqrt(2))


def test_gradients_that_are_zero() -> None:
    matrix, weights = torch.zeros(3, 3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    assert diagnostics.shares(matrix, weights).tolist() == [0, 0, 0]
    assert diagnostics.combined_norm(matrix, weights) == 0
    matrix[1, 1] = 4.0
    assert diagnostics.shares(matrix, weights).tolist() == [0, 1, 0]
    assert diagnostics.cosines(matrix).tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


@given(st.integers(1, 6), st.integers(0, 10**6), st.integers(0, 2))
def test_condition_number_and_effective_rank_are_those_of_the_gradients_singular_values(
    num_tasks: int, seed: int, silent: int
) -> None:
    """Tasks without gradient change neither."""
    g = gradients(num_tasks, 20, seed, decades=2.0)
    squares = np.linalg.svd(g, compute_uv=False) ** 2
    shares = squares / squares.sum()
    matrix = gram(torch.from_numpy(np.concatenate((g, np.zeros((silent, 20))))))
    assert diagnostics.condition_number(matrix).item() == pytest.approx(squares.max() / squares.min(), rel=1e-6)
    assert diagnostics.effective_rank(matrix).item() == pytest.approx(np.prod(shares**-shares), rel=1e-9)
    cosines = diagnostics.cosines(matrix)
    unit = np.linalg.svd(g / np.linalg.norm(g, axis=1, keepdims=True), compute_uv=False) ** 2
    assert diagnostics.condition_number(cosines).item() == pytest.approx(unit.max() / unit.min(), rel=1e-6)


def test_conditioning_of_matrices_that_are_known() -> None:
    eye, ones = torch.eye(5, dtype=torch.float64), torch.ones(5, 5, dtype=torch.float64)
    assert diagnostics.condition_number(eye).item() == diagnostics.condition_number(0 * eye).item() == 1
    assert diagnostics.condition_number(ones).item() > 1e14, "one direction alone"
    assert diagnostics.effective_rank(eye).item() == pytest.approx(5)
    assert diagnostics.effective_rank(ones).item() == pytest.approx(1)
    assert diagnostics.effective_rank(0 * eye).item() == 1
    # Equal cosines c: one eigenvalue 1 + (K - 1) c, and K - 1 of 1 - c.
    mixed = 0.6 * ones + 0.4 * eye
    assert diagnostics.condition_number(mixed).item() == pytest.approx((1 + 4 * 0.6) / 0.4)
    scaled = diagnostics.rescale(mixed, torch.tensor([1.0, 10.0, 1e2, 1e3, 1e4], dtype=torch.float64))
    assert diagnostics.condition_number(scaled).item() > 1e7
    assert diagnostics.condition_number(diagnostics.cosines(scaled)).item() == pytest.approx((1 + 4 * 0.6) / 0.4)
