import numpy as np
import pytest
import torch

from mtbench.learning.balancing import combine, diagnostics, gram


@pytest.fixture
def gradients() -> torch.Tensor:
    # more columns than one chunk, and not a multiple of it
    return torch.randn(6, 70_001, generator=torch.Generator().manual_seed(0))


def test_gram_is_float64_exact_and_symmetric(gradients: torch.Tensor) -> None:
    reference = gradients.double().numpy() @ gradients.double().numpy().T
    result = gram(gradients)
    assert result.dtype == torch.float64
    assert torch.equal(result, result.T)
    np.testing.assert_allclose(result.numpy(), reference, rtol=0, atol=1e-13 * reference.max())


def test_gram_of_gradients_whose_squares_underflow_float32(gradients: torch.Tensor) -> None:
    tiny = gradients * 1e-30
    assert (tiny.square() == 0).all()
    np.testing.assert_allclose(gram(tiny) * 1e60, gram(gradients), rtol=1e-5, atol=1e-2)


def test_combine_is_the_weighted_sum(gradients: torch.Tensor) -> None:
    weights = torch.tensor([0.0, 1.0, 2.0, -3.0, 0.5, 4.0], dtype=torch.float64)
    direction = combine(weights, gradients)
    assert direction.dtype == gradients.dtype
    torch.testing.assert_close(direction, (weights @ gradients.double()).float(), rtol=0, atol=0)


def test_combine_with_a_weight_beyond_float32() -> None:
    gradients = torch.tensor([[1e-40, 0.0], [0.0, 1.0]])
    weights = torch.tensor([1e40, 1.0], dtype=torch.float64)
    torch.testing.assert_close(combine(weights, gradients), torch.ones(2), rtol=1e-4, atol=0)


def test_gram_wants_a_matrix() -> None:
    with pytest.raises(ValueError, match="tasks, parameters"):
        gram(torch.ones(3))


def test_diagnostics_of_three_known_gradients() -> None:
    matrix = gram(torch.tensor([[3.0, 0.0], [0.0, 0.5], [-1.0, 0.0]]))
    torch.testing.assert_close(diagnostics.norms(matrix), torch.tensor([3.0, 0.5, 1.0], dtype=torch.float64))
    assert diagnostics.norm_spread(matrix) == pytest.approx(6.0)
    assert diagnostics.mean_cosine(matrix) == pytest.approx(-1 / 3)
    assert diagnostics.mean_cosine(matrix, absolute=True) == pytest.approx(1 / 3)


def test_diagnostics_leave_out_tasks_without_gradient() -> None:
    matrix = gram(torch.tensor([[2.0, 0.0], [0.0, 0.0], [1.0, 0.0]]))
    assert diagnostics.norm_spread(matrix) == pytest.approx(2.0)
    assert diagnostics.mean_cosine(matrix) == pytest.approx(1 / 3)
    assert diagnostics.norm_spread(torch.zeros(2, 2, dtype=torch.float64)) == 1
    assert diagnostics.mean_cosine(torch.ones(1, 1, dtype=torch.float64)) == 0
