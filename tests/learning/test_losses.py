"""PPO's losses against plain loops over tasks, with tasks of different sizes."""

from __future__ import annotations

import pytest
import torch

from mtbench.learning.agents.losses import actor_losses, critic_losses
from mtbench.learning.agents.minibatches import StratifiedMinibatches

COUNTS = (8, 3, 5)


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    task = torch.repeat_interleave(torch.arange(3), torch.tensor(COUNTS))
    batches = StratifiedMinibatches(task, 3, 1)
    (rows,) = batches.passes(torch.Generator().manual_seed(0))
    g = torch.Generator().manual_seed(1)
    n = len(task)
    columns = {name: torch.randn(n, generator=g) for name in ("advantages", "values", "old", "returns", "log_probs")}
    columns |= {name: torch.randn(n, 4, generator=g) for name in ("mean", "actions")}
    return {"task": task, "rows": rows, "weight": batches.weight, "log_std": torch.randn(3, 4, generator=g), **columns}


def test_actor_losses_are_means_over_each_tasks_own_samples(batch: dict[str, torch.Tensor]) -> None:
    rows, log_std = batch["rows"], batch["log_std"]
    columns = [batch[name][rows] for name in ("mean", "actions", "log_probs", "advantages")]
    losses, _ = actor_losses(columns[0], log_std, *columns[1:], batch["weight"], 0.2, 0.01, 0.1, normalize=True)
    for k in range(3):
        own = batch["task"] == k
        policy = torch.distributions.Normal(batch["mean"][own], log_std[k].exp())
        ratio = (policy.log_prob(batch["actions"][own]).sum(1) - batch["log_probs"][own]).exp()
        advantage = batch["advantages"][own]
        advantage = (advantage - advantage.mean()) / advantage.std(correction=0)
        gain = torch.minimum(advantage * ratio, advantage * ratio.clamp(0.8, 1.2)).mean()
        bounds = (batch["mean"][own].abs() - 1.1).clamp(min=0.0).square().sum(1).mean()
        most = torch.where(advantage > 0, 1.2 * advantage, 0.8 * advantage).mean()
        assert losses[k].item() == pytest.approx((most - gain + 0.1 * bounds).item(), rel=1e-4, abs=1e-5)
        assert losses[k] >= 0


def test_the_actors_losses_have_the_gradient_of_surrogate_entropy_and_bounds(batch: dict[str, torch.Tensor]) -> None:
    rows = batch["rows"]
    mean, log_std = batch["mean"][rows].requires_grad_(), batch["log_std"].clone().requires_grad_()
    columns = [batch[name][rows] for name in ("actions", "log_probs", "advantages")]
    losses, _ = actor_losses(mean, log_std, *columns, batch["weight"], 0.2, 0.01, 0.1, normalize=False)
    total = 0
    for k, (weight, slice_rows) in enumerate(zip(batch["weight"], torch.arange(len(rows)).view(3, -1), strict=True)):
        policy = torch.distributions.Normal(mean[slice_rows], log_std[k].exp())
        actions, old, advantage = (column[slice_rows] for column in columns)
        ratio = (policy.log_prob(actions).sum(1) - old).exp()
        gain = torch.minimum(advantage * ratio, advantage * ratio.clamp(0.8, 1.2))
        bounds = (mean[slice_rows].abs() - 1.1).clamp(min=0.0).square().sum(1)
        total = total + (weight * (0.1 * bounds - gain)).sum() - 0.01 * policy.entropy()[0].sum()
    for ours, plain in zip(
        torch.autograd.grad(losses.sum(), [mean, log_std]), torch.autograd.grad(total, [mean, log_std]), strict=True
    ):
        torch.testing.assert_close(ours, plain)


@pytest.mark.parametrize("clip", [None, 0.2])
def test_critic_losses_are_means_over_each_tasks_own_samples(
    batch: dict[str, torch.Tensor], clip: float | None
) -> None:
    rows = batch["rows"]
    columns = [batch[name][rows] for name in ("values", "old", "returns")]
    losses, _ = critic_losses(*columns, batch["weight"], clip)
    for k in range(3):
        own = batch["task"] == k
        values, old, returns = (batch[name][own] for name in ("values", "old", "returns"))
        error = (values - returns) ** 2
        if clip is not None:
            error = torch.maximum(error, (old + (values - old).clamp(-clip, clip) - returns) ** 2)
        assert losses[k].item() == pytest.approx(0.5 * error.mean().item(), rel=1e-5)
