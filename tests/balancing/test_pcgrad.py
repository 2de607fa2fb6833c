import numpy as np
import pytest
import torch
from torchjd.aggregation import PCGradWeighting

from mtbench.learning.balancing import PCGrad, gram
from mtbench.learning.balancing.pcgrad import projected
from tests.balancing.problems import KINDS, gradients_of, gram_of


def conflicting(num_tasks: int, seed: int) -> torch.Tensor:
    """Gradients with few dimensions, so that many pairs conflict, and norms over two decades."""
    generator = torch.Generator().manual_seed(seed)
    gradients = torch.randn(num_tasks, max(2, num_tasks // 2), generator=generator, dtype=torch.float64)
    return gradients * 10 ** (2 * torch.rand(num_tasks, 1, generator=generator, dtype=torch.float64) - 1)


def surgery(gradients: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Algorithm 1 of the PCGrad paper on the gradients themselves."""
    result = gradients.copy()
    for i, row in enumerate(result):
        for j in order[i]:
            if i != j and row @ gradients[j] < 0:
                row -= row @ gradients[j] / (gradients[j] @ gradients[j]) * gradients[j]
    return result


@pytest.mark.parametrize("num_tasks", [2, 3, 10, 50])
@pytest.mark.parametrize("seed", range(3))
def test_equals_torchjd_under_the_same_order(num_tasks: int, seed: int) -> None:
    check_against_torchjd(gram(conflicting(num_tasks, seed)), seed)


@pytest.mark.parametrize("kind", KINDS)
def test_equals_torchjd_on_harder_problems(kind: str) -> None:
    for num_tasks in (2, 10, 50):
        check_against_torchjd(gram_of(gradients_of(kind, num_tasks, 0)), 1)


def check_against_torchjd(matrix: torch.Tensor, seed: int) -> None:
    num_tasks = len(matrix)
    torch.manual_seed(seed)
    order = np.stack([torch.randperm(num_tasks).numpy() for _ in range(num_tasks)])
    torch.manual_seed(seed)
    reference = PCGradWeighting()(matrix).numpy()
    np.testing.assert_allclose(projected(matrix.numpy(), order).sum(0), reference, rtol=1e-9)


def test_equals_surgery_on_the_gradients() -> None:
    gradients = conflicting(12, 0).numpy()
    order = np.stack([np.random.default_rng(i).permutation(12) for i in range(12)])
    result = projected(gradients @ gradients.T, order) @ gradients
    expected = surgery(gradients, order)
    assert np.abs(expected - gradients).max() > 0.1  # there was something to project
    np.testing.assert_allclose(result, expected, atol=1e-9)


def test_two_conflicting_tasks_by_hand() -> None:
    # g1 = (1, 0), g2 = (-1, 1): g1 -> (1/2, 1/2), g2 -> (0, 1)
    matrix = gram(torch.tensor([[1.0, 0.0], [-1.0, 1.0]]))
    torch.testing.assert_close(PCGrad()(matrix), torch.tensor([2.0, 1.5], dtype=torch.float64))
    torch.testing.assert_close(PCGrad(reduction="mean")(matrix), torch.tensor([1.0, 0.75], dtype=torch.float64))


def test_without_conflict_it_is_the_sum() -> None:
    matrix = gram(torch.rand(8, 4, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(PCGrad()(matrix), torch.ones(8, dtype=torch.float64))


def test_the_generator_decides_the_order() -> None:
    matrix = gram(conflicting(10, 1))
    first, again, other = (PCGrad(torch.Generator().manual_seed(seed))(matrix) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_orders_are_uniform_over_the_other_tasks() -> None:
    # Three mutually conflicting tasks: task 0's coefficients tell whether it met task 1 or task 2 first.
    matrix = torch.tensor([[1.0, -0.3, -0.3], [-0.3, 1.0, -0.3], [-0.3, -0.3, 1.0]], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([PCGrad(generator)(matrix) for _ in range(600)])
    torch.testing.assert_close(draws.mean(0), draws.mean().expand(3), rtol=0.01, atol=0)
    assert len(draws.unique(dim=0)) >= 4


def test_weights_stay_in_the_cone_and_zero_gradients_do_no_harm() -> None:
    gradients = conflicting(20, 2)
    gradients[4] = 0
    weights = PCGrad(torch.Generator().manual_seed(0))(gram(gradients))
    assert weights.isfinite().all() and (weights >= 1).all()


def test_an_unknown_reduction_is_refused() -> None:
    with pytest.raises(ValueError, match="'sum' or 'mean'"):
        PCGrad(reduction="max")  # type: ignore[arg-type]
