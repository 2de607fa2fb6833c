"""Reward normalization against loops over environments and steps."""

from __future__ import annotations

import pytest
import torch

from mtbench.learning.agents.reward_normalizer import RewardNormalizer

TASK = torch.tensor([0, 0, 0, 1, 1, 2])


def test_scales_are_those_of_plain_loops() -> None:
    """Every environment has a discounted return of its own; the first environments of a task do not hide the others."""
    generator = torch.Generator().manual_seed(0)
    normalizer = RewardNormalizer(TASK, 3, gamma=0.9, max_return=10.0)
    running, seen = [0.0] * 6, [[], [], []]  # type: ignore[var-annotated]
    for _ in range(40):
        rewards = torch.randn(6, generator=generator) * torch.tensor([1.0, 20.0, 1.0, 0.01, 0.02, 0.0])
        dones = torch.rand(6, generator=generator) < 0.1
        normalizer.update(rewards, dones)
        for i in range(6):
            running[i] = 0.9 * running[i] + float(rewards[i])
            seen[TASK[i]].append(running[i])
            if dones[i]:
                running[i] = 0.0
    for task in (0, 1):
        returns = torch.tensor(seen[task], dtype=torch.float64)
        expected = max(returns.std(correction=0).item(), returns.abs().max().item() / 10.0)
        assert normalizer.scale[task].item() == pytest.approx(expected, rel=1e-5)
    assert normalizer.scale[2] == 1.0  # never a reward
    assert normalizer.returns.tolist() == pytest.approx(running, abs=1e-5)
    rewards = torch.tensor([3.0, -4.0])
    torch.testing.assert_close(normalizer(rewards, torch.tensor([1, 0])), rewards / normalizer.scale[[1, 0]])


def test_constant_and_rare_rewards_stay_within_the_bound() -> None:
    """Their deviation says little; the largest return does."""
    normalizer = RewardNormalizer(torch.tensor([0, 1]), 2, gamma=0.9, max_return=10.0)
    for step in range(500):
        normalizer.update(torch.tensor([5.0, 1000.0 if step == 300 else 0.0]), torch.zeros(2, dtype=torch.bool))
    constant, rare = normalizer(torch.tensor([50.0, 1000.0]), torch.tensor([0, 1])).tolist()
    assert constant == pytest.approx(10.0, rel=1e-3)
    assert rare <= 10.0 + 1e-4
    again = RewardNormalizer(torch.tensor([0, 1]), 2, gamma=0.9, max_return=10.0)
    again.load_state_dict(normalizer.state_dict())
    assert torch.equal(again.scale, normalizer.scale) and torch.equal(again.returns, normalizer.returns)
