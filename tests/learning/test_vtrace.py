"""V-trace against the double sum of its definition, against GAE, and against the fixed point in a tabular MDP."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mtbench.learning.agents.gae import gae
from mtbench.learning.agents.vtrace import effective_sample_size, vtrace

INF = math.inf


def case(horizon: int = 25, num_envs: int = 7) -> tuple[Tensor, ...]:
    torch.manual_seed(0)
    log_ratios, rewards, values, next_values = torch.randn(4, horizon, num_envs, dtype=torch.float64)
    dones = torch.rand(horizon, num_envs) < 0.15
    terminated = dones & (torch.rand(horizon, num_envs) < 0.5)
    next_values = next_values.masked_fill(terminated, 0.0)
    follows = torch.cat((values[1:], next_values[-1:]))
    return log_ratios, rewards, values, torch.where(dones, next_values, follows), dones


@pytest.mark.parametrize("lam", [1.0, 0.9])
@pytest.mark.parametrize("bars", [(1.0, 1.0), (2.0, 0.7), (INF, INF)])
def test_equals_the_double_sum(lam: float, bars: tuple[float, float]) -> None:
    log_ratios, rewards, values, next_values, dones = case()
    (rho_bar, c_bar), gamma = bars, 0.97
    found = vtrace(log_ratios, rewards, values, next_values, dones, gamma, lam, rho_bar, c_bar, 1.5)
    horizon, num_envs = rewards.shape
    targets, advantages, weights = torch.empty(3, horizon, num_envs, dtype=torch.float64)
    for env in range(num_envs):
        for start in reversed(range(horizon)):
            total, product = float(values[start, env]), 1.0
            for t in range(start, horizon):
                ratio = math.exp(log_ratios[t, env])
                delta = float(rewards[t, env] + gamma * next_values[t, env] - values[t, env])
                total += gamma ** (t - start) * product * min(rho_bar, ratio) * delta
                product *= lam * min(c_bar, ratio)
                if dones[t, env]:
                    break
            targets[start, env] = total
            ends = dones[start, env] or start + 1 == horizon
            follows = next_values[start, env] if ends else targets[start + 1, env]
            advantages[start, env] = rewards[start, env] + gamma * follows - values[start, env]
            weights[start, env] = min(1.5, math.exp(log_ratios[start, env]))
    for mine, expected in zip(found, (targets, advantages, weights), strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("lam", [1.0, 0.9])
def test_equals_gae_on_policy(lam: float) -> None:
    log_ratios, rewards, values, next_values, dones = case()
    found = vtrace(torch.zeros_like(log_ratios), rewards, values, next_values, dones, 0.97, lam)
    expected = gae(rewards, values, next_values, dones, 0.97, lam)
    torch.testing.assert_close(found.targets - values, expected, rtol=1e-12, atol=1e-12)
    assert bool((found.weights == 1.0).all())
    if lam == 1.0:
        torch.testing.assert_close(found.advantages, expected, rtol=1e-12, atol=1e-12)


def test_an_impossible_action_cuts_the_trace() -> None:
    log_ratios, rewards, values, next_values, dones = case()
    log_ratios[10] = -INF
    before = vtrace(log_ratios, rewards, values, next_values, dones, 0.97).targets
    rewards[11:] += 100.0
    after = vtrace(log_ratios, rewards, values, next_values, dones, 0.97).targets
    torch.testing.assert_close(before[:11], after[:11], rtol=0, atol=1e-5)
    assert float((after[11:] - before[11:]).abs().min()) > 1.0


@pytest.mark.parametrize("rho_bar", [0.5, 1.0, INF])
@pytest.mark.parametrize("c_bar", [0.5, 1.0])
def test_fixed_point_is_the_value_of_the_policy_between(rho_bar: float, c_bar: float) -> None:
    """At the value of ``min(rho_bar mu, pi)``, normalized, the expectation of V-trace's target is that value."""
    states, actions, gamma, horizon = 4, 3, 0.9, 3
    generator = torch.Generator().manual_seed(1)
    dirichlet = [
        torch.rand(*shape, generator=generator, dtype=torch.float64) + 0.05 for shape in ((states, actions),) * 2
    ]
    mu, pi = (p / p.sum(1, keepdim=True) for p in dirichlet)
    moves = torch.rand(states, actions, states, generator=generator, dtype=torch.float64)
    moves /= moves.sum(2, keepdim=True)
    rewards = torch.randn(states, actions, generator=generator, dtype=torch.float64)
    between = torch.minimum(rho_bar * mu, pi) if rho_bar < INF else pi
    between = between / between.sum(1, keepdim=True)
    chain = torch.einsum("sa,sat->st", between, moves)
    value = torch.linalg.solve(torch.eye(states, dtype=torch.float64) - gamma * chain, (between * rewards).sum(1))
    # All paths of a few steps from every state, each an environment, weighted by how probable mu makes it.
    paths = torch.cartesian_prod(*[torch.arange(states), torch.arange(actions)] * horizon, torch.arange(states))
    s, a, follows = paths[:, 0:-1:2].T, paths[:, 1:-1:2].T, paths[:, 2::2].T
    probability = (mu[s, a] * moves[s, a, follows]).prod(0)
    found = vtrace(
        (pi / mu).log()[s, a],
        rewards[s, a],
        value[s],
        value[follows],
        torch.zeros_like(s, dtype=torch.bool),
        gamma,
        1.0,
        rho_bar,
        min(c_bar, rho_bar),
    )
    expected = torch.zeros(states, dtype=torch.float64).index_add_(0, s[0], probability * found.targets[0])
    torch.testing.assert_close(expected, value, rtol=1e-12, atol=1e-12)
    on_policy = torch.linalg.solve(
        torch.eye(states, dtype=torch.float64) - gamma * torch.einsum("sa,sat->st", pi, moves), (pi * rewards).sum(1)
    )
    assert bool((value - on_policy).abs().max() < 1e-12) == (rho_bar == INF)


def test_effective_sample_size() -> None:
    weights = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64)
    assert float(effective_sample_size(weights.log())) == pytest.approx(64 / (3 * 30))
    assert float(effective_sample_size(torch.full((9,), 50.0, dtype=torch.float64))) == pytest.approx(1.0)
