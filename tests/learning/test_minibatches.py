"""Stratification."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from mtbench.learning.agents.minibatches import StratifiedMinibatches


def test_every_task_in_contiguous_slices_that_weigh_its_own_samples() -> None:
    task = torch.tensor([0, 0, 0, 1, 1, 1, 2]).repeat(12)  # 36, 36 and 12 samples
    batches = StratifiedMinibatches(task, 3, 4)
    drawn = list(batches.passes(torch.Generator().manual_seed(0)))
    assert len(drawn) == 4
    for rows in drawn:
        assert torch.equal(task[rows], torch.arange(3).repeat_interleave(9))
        assert torch.equal(task[rows], batches.task)
    assert torch.allclose(batches.weight.sum(1), torch.ones(3))
    every = torch.cat([rows[batches.weight.flatten() > 0] for rows in drawn])
    assert torch.equal(every.sort().values, torch.arange(84)), "every sample counts exactly once a pass"


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=5), minibatches=st.integers(1, 6), seed=st.integers(0, 99)
)
def test_weighted_sums_are_means_of_distinct_samples(counts: list[int], minibatches: int, seed: int) -> None:
    task = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    task = task[torch.randperm(len(task), generator=torch.Generator().manual_seed(seed))]
    value = torch.rand(len(task), dtype=torch.float64)
    batches = StratifiedMinibatches(task, len(counts), minibatches)
    seen: list[int] = []
    for rows in batches.passes(torch.Generator().manual_seed(seed)):
        weighted = (batches.weight * value[rows].view_as(batches.weight)).sum(1)
        for k in range(len(counts)):
            own = rows.view_as(batches.weight)[k][batches.weight[k] > 0]
            assert bool((task[own] == k).all())
            assert torch.isclose(weighted[k], value[own].mean(), rtol=1e-5)
            seen += own.tolist()
    assert len(seen) == len(set(seen))
    used = min(minibatches, *counts)
    assert len(seen) == sum(count // used * used for count in counts)


def test_all_samples_are_used_when_tasks_are_even() -> None:
    batches = StratifiedMinibatches(torch.arange(5).repeat(20), 5, 4)
    used = torch.cat(list(batches.passes(torch.Generator().manual_seed(0))))
    assert torch.equal(used.sort().values, torch.arange(100))


def test_left_out_samples_differ_between_passes_and_seeds_repeat() -> None:
    task = torch.cat((torch.zeros(10, dtype=torch.long), torch.ones(9, dtype=torch.long)))
    batches = StratifiedMinibatches(task, 2, 3)
    generator = torch.Generator().manual_seed(0)
    passes = [torch.cat(list(batches.passes(generator))) for _ in range(20)]
    assert torch.cat(passes).unique().numel() == 19
    again = torch.cat(list(batches.passes(torch.Generator().manual_seed(0))))
    assert torch.equal(again, passes[0])


def test_more_minibatches_than_samples() -> None:
    batches = StratifiedMinibatches(torch.tensor([0, 0, 0, 1, 1]), 2, 8)
    assert [rows.numel() for rows in batches.passes(torch.Generator())] == [2, 2]
