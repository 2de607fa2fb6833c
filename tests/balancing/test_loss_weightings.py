"""FAMO, uncertainty weighting and DWA against hand computation and TorchJD's scalarizers."""

from typing import Any

import numpy as np
import pytest
import torch
import torchjd.scalarization as theirs
from hypothesis import given, settings
from hypothesis import strategies as st

from mtbench.learning.balancing import DWA, FAMO, LossWeighting, UncertaintyWeighting, make_weighting
from tests.balancing.problems import FROM_LOSSES

losses_of_tasks = st.lists(st.floats(0, 1e6), min_size=1, max_size=20).map(torch.tensor)


def weigh_epochs(weighting: LossWeighting, losses: torch.Tensor) -> torch.Tensor:
    """The weights after three epochs in which the losses change, each task's at its own rate."""
    rates = torch.linspace(0.5, 1.2, losses.numel())
    for _ in range(3):
        weights = weighting(losses)
        weighting.after_step(losses, losses * rates)
        losses = losses * rates
        weighting.after_epoch()
    return weights


@pytest.mark.parametrize("name", FROM_LOSSES)
@given(losses=losses_of_tasks)
@settings(max_examples=40, deadline=None)
def test_directions_lie_in_the_cone_of_the_task_gradients(name: str, losses: torch.Tensor) -> None:
    """TOPPO paper, Theorem C.1: weights of at least 0, without any loss as well."""
    weights = weigh_epochs(make_weighting(name, num_tasks=len(losses)), losses)
    assert weights.shape == losses.shape and weights.dtype == losses.dtype
    assert weights.isfinite().all() and (weights >= 0).all()


@pytest.mark.parametrize("name", FROM_LOSSES)
def test_reordering_tasks_reorders_weights(name: str) -> None:
    losses, order = 3 * torch.rand(7, generator=torch.Generator().manual_seed(0)), torch.tensor([3, 0, 6, 1, 5, 2, 4])
    rates = torch.linspace(0.5, 1.2, 7)
    weightings = [make_weighting(name, num_tasks=7) for _ in range(2)]
    for step in range(6):
        now = losses * rates**step
        weights, reordered = weightings[0](now), weightings[1](now[order])
        torch.testing.assert_close(reordered, weights[order])
        weightings[0].after_step(now, now * rates)
        weightings[1].after_step(now[order], (now * rates)[order])
        for weighting in weightings:
            weighting.after_epoch()
    assert weights.max() > 1.001 * weights.min()


@pytest.mark.parametrize("name", FROM_LOSSES)
def test_equal_losses_weigh_as_the_mean(name: str) -> None:
    torch.testing.assert_close(make_weighting(name, num_tasks=4)(torch.ones(4)), torch.full((4,), 0.25))


@pytest.mark.parametrize("name", FROM_LOSSES)
@pytest.mark.parametrize("done", [1, 5])
def test_a_saved_state_continues_exactly(name: str, done: int) -> None:
    series = torch.rand(9, 3, generator=torch.Generator().manual_seed(1)) + 0.1

    def run(weighting: LossWeighting, rows: torch.Tensor) -> list[torch.Tensor]:
        result = []
        for losses in rows:
            result.append(weighting(losses))
            weighting.after_step(losses, losses.roll(1))
            if len(result) % 2 == 0:
                weighting.after_epoch()
        return result

    whole, first, second = (make_weighting(name, num_tasks=3) for _ in range(3))
    run(whole, series[: 2 * done])
    run(first, series[: 2 * done])
    second.load_state_dict(first.state_dict())
    expected, result = run(whole, series[-3:]), run(second, series[-3:])
    assert all(torch.equal(a, b) for a, b in zip(expected, result, strict=True))


# --- FAMO -------------------------------------------------------------------------------------------------------------


def test_a_famo_step_by_hand() -> None:
    before, after, epsilon = np.float32([2.0, 0.5, 1.0]), np.float32([1.0, 0.4, 1.0]), 1e-2
    famo = FAMO(3, lr=0.1, gamma=0.0, epsilon=epsilon)
    expected = 1 / (before + epsilon)
    np.testing.assert_allclose(famo(torch.tensor(before)), expected / expected.sum(), rtol=1e-6)
    famo.after_step(torch.tensor(before), torch.tensor(after))
    progress = np.log(before + epsilon) - np.log(after + epsilon)
    gradient = (progress - progress.mean()) / 3  # of softmax at equal logits
    np.testing.assert_allclose(famo.logits.grad, gradient, rtol=1e-5)
    np.testing.assert_allclose(famo.logits, -0.1 * np.sign(gradient), rtol=1e-4)  # Adam's first step
    z = np.exp(-0.1 * np.sign(gradient)) / np.exp(-0.1 * np.sign(gradient)).sum()
    np.testing.assert_allclose(
        famo(torch.tensor(after)), z / (after + epsilon) / (z / (after + epsilon)).sum(), rtol=1e-4
    )


def test_famo_equals_torchjd_with_the_papers_settings() -> None:
    generator = torch.Generator().manual_seed(0)
    ours, reference = FAMO(5), theirs.FAMO(5)
    for _ in range(20):
        before = (torch.rand(5, generator=generator) + 0.1).requires_grad_()
        after = before.detach() * (0.5 + torch.rand(5, generator=generator))
        (expected,) = torch.autograd.grad(reference(before), before)
        torch.testing.assert_close(ours(before.detach()), expected)
        ours.after_step(before.detach(), after)
        reference.update(after)
    assert ours.logits.abs().max() > 0.05


def test_famo_takes_weight_from_the_task_that_falls_fastest() -> None:
    famo = FAMO(3, normalize=True)
    for _ in range(10):
        famo.after_step(torch.ones(3), torch.tensor([0.5, 0.9, 1.0]))
    weights = famo(torch.ones(3))
    assert weights[0] < weights[1] < weights[2]


def test_famos_normalized_gradient_has_norm_one_or_is_zero() -> None:
    famo = FAMO(3, gamma=0.0, normalize=True)
    famo.after_step(torch.tensor([2.0, 1.0, 1.0]), torch.ones(3))
    assert famo.logits.grad.norm().item() == pytest.approx(1.0)
    famo.after_step(torch.ones(3), torch.ones(3))
    assert not famo.logits.grad.any()


# --- uncertainty weighting --------------------------------------------------------------------------------------------


def test_uncertainty_weighting_equals_torchjd_up_to_scale() -> None:
    generator = torch.Generator().manual_seed(0)
    ours, reference = UncertaintyWeighting(4, lr=0.05), theirs.UW(4)
    optimizer = torch.optim.Adam(reference.parameters(), 0.05)
    for _ in range(20):
        losses = (3 * torch.rand(4, generator=generator)).requires_grad_()
        optimizer.zero_grad()
        total = 2 * reference(losses) / 4
        total.backward()
        torch.testing.assert_close(ours(losses.detach()), losses.grad)
        optimizer.step()
    torch.testing.assert_close(ours.log_variances, reference.log_var.detach())


def test_log_variances_go_to_the_logarithm_of_the_losses() -> None:
    weighting, losses = UncertaintyWeighting(3, lr=0.05), torch.tensor([0.1, 1.0, 20.0])
    for _ in range(500):
        weighting(losses)
    torch.testing.assert_close(weighting.log_variances, losses.log(), atol=1e-2, rtol=0)


# --- DWA --------------------------------------------------------------------------------------------------------------


def test_dwa_equals_torchjd_up_to_scale() -> None:
    generator = torch.Generator().manual_seed(0)
    ours, reference = DWA(4, temperature=0.5), theirs.DWA(0.5)
    for _ in range(5):
        for _ in range(3):
            losses = (torch.rand(4, generator=generator) + 0.1).requires_grad_()
            (expected,) = torch.autograd.grad(reference(losses), losses)
            torch.testing.assert_close(4 * ours(losses.detach()), expected)
        ours.after_epoch()
        reference.step()


@pytest.mark.parametrize(
    ("name", "params"), [("famo", {"lr": 0.0}), ("uncertainty", {"lr": -1.0}), ("dwa", {"temperature": 0.0})]
)
def test_senseless_parameters_are_refused(name: str, params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        make_weighting(name, num_tasks=2, **params)
