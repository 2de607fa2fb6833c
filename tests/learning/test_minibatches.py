"""Stratification."""

import torch

from mtbench.learning.agents.minibatches import StratifiedMinibatches


def test_every_task_in_equal_contiguous_slices() -> None:
    task = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2]).repeat(12)  # 36, 36 and 24 samples
    batches = StratifiedMinibatches(task, 3, 4)
    drawn = list(batches.passes(torch.Generator().manual_seed(0)))
    assert len(drawn) == 4
    for rows in drawn:
        assert torch.equal(task[rows], torch.arange(3).repeat_interleave(6))
        assert torch.equal(task[rows], batches.task)
    every = torch.cat(drawn)
    assert every.unique().numel() == every.numel(), "a sample is used at most once a pass"


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
