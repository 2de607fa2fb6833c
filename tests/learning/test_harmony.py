"""Which weights masks give up and take: by hand, by what must not change, and against two faults of the released code."""

from __future__ import annotations

import pytest
import torch

from mtbench.learning.networks.masked import MaskedLinear
from mtbench.learning.offline.harmony import (
    erk_densities,
    harmony,
    importance,
    merge_masks,
    random_masks,
    swaps,
    update_masks,
)

MASKED = torch.tensor([[1.0, 2.0, 0.0, -1.0, 0.5, 0.0], [3.0, -2.0, 1.0, 0.0, 0.5, 0.0]])
MASKS = torch.tensor([[1, 1, 0, 1, 1, 0], [1, 1, 1, 0, 1, 0]]).bool()
UNMASKED = torch.tensor([[1.0, 2.0, 4.0, -1.0, 0.5, 1.0], [3.0, -2.0, 1.0, 2.0, 0.5, 3.0]])


def test_six_weights_by_hand() -> None:
    """gbar = (2, 0, .5, -.5, .5, 0); A = (2, 0, 0, .5, .25, 0) and (6, 0, .5, 0, .25, 0); with lambda = .1 and F, H of task 1
    is (2.1, .4, -, .6, .275, -) and of task 2 (6.9, .4, .6, -, .275, -). ghat = (2, 0, 2.5, .5, .5, 2)."""
    scores = harmony(MASKED, importance("F", MASKED, torch.zeros(6)), 0.1)
    expected = [[2.1, 0.4, 0.0, 0.6, 0.275, 0.0], [6.9, 0.4, 0.6, 0.0, 0.275, 0.0]]
    assert torch.allclose(scores, torch.tensor(expected))
    new = update_masks(MASKS, scores, UNMASKED, 1)
    # both give up weight 4; task 1 takes weight 2 (4 x 2.5 against 1 x 2), task 2 weight 5 (3 x 2 against 2 x .5)
    assert new.int().tolist() == [[1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 1]]


def test_nothing_is_changed_in_place() -> None:
    """The released code averaged into the first task's gradient, which then agreed with the mean perfectly."""
    gradients, masks, before = MASKED.clone(), MASKS.clone(), UNMASKED.clone()
    scores = harmony(gradients, importance("F", gradients, torch.zeros(6)), 0.1)
    update_masks(masks, scores, before, 2)
    assert torch.equal(gradients, MASKED) and torch.equal(masks, MASKS) and torch.equal(before, UNMASKED)
    agreement = harmony(MASKED, torch.zeros(2, 6), 0.0)
    assert not torch.allclose(agreement[0], MASKED.mean(0).square())


def test_taking_is_by_gradients_without_masks() -> None:
    """The released code ranked what to take by masked gradients, all zero there, so that the index decided."""
    generator = torch.Generator().manual_seed(0)
    masks = torch.rand(3, 500, generator=generator) < 0.5
    unmasked = torch.randn(3, 500, generator=generator)
    scores = torch.randn(3, 500, generator=generator)
    new = update_masks(masks, scores, unmasked, 20)
    worth = unmasked * unmasked.mean(0)
    for k in range(3):
        taken = (new & ~masks)[k]
        left = ~masks[k] & ~taken
        assert worth[k][taken].min() > worth[k][left].max()
        first = (~masks[k]).nonzero()[:20].squeeze(1)
        assert not torch.equal(taken.nonzero().squeeze(1), first)


@pytest.mark.parametrize("count", [0, 1, 37, 10_000])
def test_density_stays_and_the_exchanged_do_not_overlap(count: int) -> None:
    generator = torch.Generator().manual_seed(1)
    masks = torch.rand(4, 300, generator=generator) < 0.8
    scores, unmasked = torch.randn(2, 4, 300, generator=generator)
    new = update_masks(masks, scores, unmasked, count)
    assert torch.equal(new.sum(1), masks.sum(1))
    given, taken = masks & ~new, new & ~masks
    expected = min(count, int((~masks).sum(1).min()))
    assert (given.sum(1) == expected).all() and (taken.sum(1) == expected).all()
    for k in range(4):
        if expected:
            assert scores[k][given[k]].max() <= scores[k][masks[k] & new[k]].min()


def test_magnitude_is_on_the_scale_of_the_agreement() -> None:
    parameters = torch.tensor([1.0, -2.0, 3.0, 0.0, 0.5, 5.5])
    matter = importance("M", MASKED, parameters)
    assert torch.allclose(matter[0] / matter[0].sum(), parameters.abs() / 12.0)
    assert torch.allclose(matter.mean(), harmony(MASKED, torch.zeros(2, 6), 0.0).abs().mean())


def test_exchanges_follow_a_cosine() -> None:
    assert [swaps(p, 100) for p in (0.0, 0.25, 0.5, 1.0)] == [0, 50, 100, 0]
    assert abs(sum(swaps(i / 1000, 1e6) for i in range(1000)) / 1000 - 5e5) < 10


def test_masks_begin_with_the_density_that_was_asked_for() -> None:
    layers = [MaskedLinear(5, i, o) for i, o in ((64, 192), (64, 64), (64, 256), (256, 64), (8, 8))]
    shares = erk_densities(layers, 0.8)
    sizes = [layer.weight.numel() for layer in layers]
    assert abs(sum(s * n for s, n in zip(shares, sizes, strict=True)) / sum(sizes) - 0.8) < 1e-9
    assert shares[4] == 1.0 and max(shares) == 1.0
    below = [k for k, share in enumerate(shares) if share < 1.0]
    ratio = [shares[k] * sizes[k] / sum(layers[k].weight.shape) for k in below]
    assert len(below) > 1 and max(ratio) - min(ratio) < 1e-9
    masks = random_masks(layers, 0.8, torch.Generator().manual_seed(0))
    assert (masks.sum(1) == sum(round(s * n) for s, n in zip(shares, sizes, strict=True))).all()
    together = (masks[0] & masks[1]).double().mean()
    assert 0.6 < together < 0.7  # 0.8 squared: drawn apart


def test_a_task_without_a_mask_gets_what_most_have() -> None:
    masks = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 1], [1, 1, 0, 0], [1, 0, 0, 0]]).bool()
    assert merge_masks(masks, 0.5).int().tolist() == [1, 1, 0, 0]
    assert merge_masks(masks, 0.75).int().tolist() == [1, 0, 0, 0]
