"""GradNorm against its algorithm written down with autograd, and what its weights settle at."""

from typing import Any

import pytest
import torch
from torch import Tensor

from mtbench.learning.balancing import GradNorm, combine, gram, make_weighting
from tests.balancing.problems import gradients_of, gram_of


def least_squares(num_tasks: int) -> tuple[Tensor, list[Tensor]]:
    """Parameters (20,) and a target (20,) of each task, at distances over two decades."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(20, generator=generator, dtype=torch.float64)
    return start, [
        10 ** (i / num_tasks * 2) * torch.randn(20, generator=generator, dtype=torch.float64) for i in range(num_tasks)
    ]


@pytest.mark.parametrize("alpha", [0.0, 0.12, 1.5])
def test_equals_the_papers_algorithm_written_as_a_loop(alpha: float) -> None:
    """Training five least-squares tasks: every weight and every step of the parameters, from L_grad by autograd."""
    start, targets = least_squares(5)
    ours, theirs = start.clone(), start.clone().requires_grad_()
    weighting = GradNorm(alpha, lr=0.02)
    w = torch.ones(5, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([w], lr=0.02)
    initial: list[float] = []
    for _ in range(30):
        losses = [(theirs - target).square().mean() for target in targets]
        initial = initial or [loss.item() for loss in losses]
        norms, rates = [], []
        for i, loss in enumerate(losses):
            (gradient,) = torch.autograd.grad(loss, theirs, retain_graph=True)
            norms.append((w[i] * gradient).norm())
            rates.append(loss.item() / initial[i])
        average = sum(norm.item() for norm in norms) / 5
        to_match = [average * (rate / (sum(rates) / 5)) ** alpha for rate in rates]
        (step,) = torch.autograd.grad(sum(w[i].item() * losses[i] for i in range(5)), theirs)
        used = w.detach().clone()
        adam.zero_grad()
        sum((norm - goal).abs() for norm, goal in zip(norms, to_match, strict=True)).backward()
        adam.step()
        with torch.no_grad():
            w *= 5 / w.sum()
            theirs -= 0.3 * step / 5

        gradients = torch.stack([2 * (ours - target) / 20 for target in targets])
        weighting.see_losses(torch.stack([(ours - target).square().mean() for target in targets]))
        weights = weighting(gram(gradients))
        torch.testing.assert_close(5 * weights, used, rtol=1e-9, atol=1e-12)
        ours -= 0.3 * combine(weights, gradients)
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-9, atol=1e-9)
    assert used.max() > 1.5 * used.min() > 0, "where a weight would turn negative, ours stops at zero"


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_weighted_norms_settle_in_the_ratio_of_the_training_rates(alpha: float) -> None:
    matrix = gram_of(gradients_of("random", 4, 0) * [[0.5], [1.0], [2.0], [4.0]])
    first, losses = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([0.4, 2.0, 2.4, 2.0])
    weighting = GradNorm(alpha, lr=1e-3)
    weighting.see_losses(first)
    weighting(matrix)
    for _ in range(6000):
        weighting.see_losses(losses)
        weights = weighting(matrix)
    sizes = weights * matrix.diagonal().sqrt()
    rates = (losses / first).double()
    expected = (rates / rates.mean()) ** alpha
    torch.testing.assert_close(sizes / sizes.sum(), expected / expected.sum(), rtol=0.03, atol=0)


def test_weights_stay_positive_and_add_up_to_one_whatever_the_losses() -> None:
    generator = torch.Generator().manual_seed(0)
    weighting = GradNorm(alpha=2.0, lr=0.5)
    for seed in range(50):
        losses = torch.rand(6, generator=generator) * 10.0 ** torch.randint(-6, 6, (6,), generator=generator)
        losses[seed % 6] = 0.0
        weighting.see_losses(losses)
        weights = weighting(gram_of(gradients_of(["random", "ill-scaled", "rank-deficient"][seed % 3], 6, seed)))
        assert weights.isfinite().all() and (weights > 0).all()
        assert weights.sum().item() == pytest.approx(1.0)


def test_without_losses_or_with_equal_rates_it_starts_as_the_mean() -> None:
    matrix = gram_of(gradients_of("random", 4, 0))
    torch.testing.assert_close(GradNorm()(matrix), torch.full((4,), 0.25, dtype=torch.float64))


def test_a_saved_state_continues_exactly() -> None:
    matrices = [gram_of(gradients_of("conflicting", 5, seed)) for seed in range(8)]
    losses = torch.rand(8, 5, generator=torch.Generator().manual_seed(1)) + 0.1

    def run(weighting: GradNorm, steps: range) -> list[Tensor]:
        result = []
        for i in steps:
            weighting.see_losses(losses[i])
            result.append(weighting(matrices[i]))
        return result

    whole, first, second = GradNorm(), GradNorm(), GradNorm()
    expected = run(whole, range(8))
    run(first, range(4))
    second.load_state_dict(first.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(expected[4:], run(second, range(4, 8)), strict=True))
    assert GradNorm().state_dict() == {}


@pytest.mark.parametrize("params", [{"alpha": -1.0}, {"lr": 0.0}, {"alpha": float("nan")}])
def test_senseless_parameters_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"gradnorm.* must be"):
        make_weighting("gradnorm", **params)
