"""GAE against the definition, with both kinds of episode end."""

import torch

from mtbench.learning.agents.gae import gae


def reference(rewards, values, next_values, dones, gamma, lam):  # type: ignore[no-untyped-def]
    """Sum (gamma * lam)^l * delta_{t+l} up to the end of the episode, one environment and step at a time."""
    horizon, num_envs = rewards.shape
    advantages = torch.zeros_like(rewards)
    for env in range(num_envs):
        for start in range(horizon):
            factor = 1.0
            for t in range(start, horizon):
                delta = rewards[t, env] + gamma * next_values[t, env] - values[t, env]
                advantages[start, env] += factor * delta
                factor *= gamma * lam
                if dones[t, env]:
                    break
    return advantages


def test_matches_the_definition() -> None:
    torch.manual_seed(0)
    rewards, values, next_values = torch.randn(3, 25, 7, dtype=torch.float64)
    dones = torch.rand(25, 7) < 0.15
    terminated = dones & (torch.rand(25, 7) < 0.5)
    next_values = next_values.masked_fill(terminated, 0.0)
    torch.testing.assert_close(
        gae(rewards, values, next_values, dones, 0.97, 0.9), reference(rewards, values, next_values, dones, 0.97, 0.9)
    )


def test_nothing_crosses_an_episode_end() -> None:
    rewards, values, next_values = torch.zeros(3, 4, 1)
    dones = torch.tensor([[False], [True], [False], [False]])
    rewards[3] = 1.0
    advantages = gae(rewards, values, next_values, dones, 1.0, 1.0)
    assert advantages.flatten().tolist() == [0.0, 0.0, 1.0, 1.0]


def test_time_out_bootstraps_from_the_final_observation() -> None:
    """A constant reward forever is worth 1 / (1 - gamma): with an exact critic every advantage is zero, time-out or not."""
    gamma, worth = 0.9, 10.0
    dones = torch.tensor([[False], [True], [False]])
    values = torch.full((3, 1), worth)
    assert gae(torch.ones(3, 1), values, values.clone(), dones, gamma, 0.95).abs().max() < 1e-5
