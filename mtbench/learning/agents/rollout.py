"""Collecting experience and turning it into PPO's targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mtbench.learning.agents.gae import gae
from mtbench.learning.networks.model import ActorCriticModel, PolicyModel

LEAST_DISCOUNT = 1e-3  #: of 1 - gamma, where first statistics of returns are guessed from rewards


@dataclass
class Steps:
    """T steps of N environments as they were recorded.

    Attributes:
        obs, final_obs: (T, N, features + K) raw observations, and the last one of the episode where it ended.
        actions: (T, N, actions) as sampled, before clipping to the action space.
        log_probs: (T, N) under the policy that acted.
        rewards, dones, time_outs: (T, N).
        last_obs: (N, features + K), after the last step.
    """

    obs: Tensor
    actions: Tensor
    log_probs: Tensor
    rewards: Tensor
    dones: Tensor
    time_outs: Tensor
    final_obs: Tensor
    last_obs: Tensor


@dataclass
class Rollout:
    """T steps of N environments; samples are flattened time-major, n = T * N.

    Attributes:
        obs: (n, features + K) raw observations.
        inputs: (n, features + K) the same after input normalization, frozen while this rollout is learned from.
        actions: (n, actions) as sampled, before clipping to the action space.
        log_probs: (n,) under the policy that acted.
        task: (n,) long.
        rewards, dones: (T, N).
        final_index, final_inputs: sample index (m,) and network inputs (m, features + K) of the last observation of
            each episode that was cut off at its time limit.
        last_inputs: (N, features + K) network inputs of the observation after the last step.
    """

    obs: Tensor
    inputs: Tensor
    actions: Tensor
    log_probs: Tensor
    task: Tensor
    rewards: Tensor
    dones: Tensor
    final_index: Tensor
    final_inputs: Tensor
    last_inputs: Tensor


@dataclass
class Targets:
    """What a rollout asks of the networks, (n,) each.

    Attributes:
        advantages: raw; normalized per task inside each minibatch.
        returns, values: value target and the old prediction, in the critic's normalized units; None without a critic.
        explained_variance: scalar, mean over tasks of 1 - Var(return - value) / Var(return); None without a critic.
    """

    advantages: Tensor
    returns: Tensor | None = None
    values: Tensor | None = None
    explained_variance: Tensor | None = None


@torch.no_grad()
def record(
    step: Callable[[Tensor], tuple[Tensor, Tensor, Tensor, dict[str, Any]]],
    act: Callable[[Tensor], tuple[Tensor, Tensor]],
    obs: Tensor,
    horizon: int,
) -> Steps:
    """Step the environments ``horizon`` times from ``obs`` (N, features + K).

    Args:
        step: actions -> observations, rewards, done, extras; see :meth:`.agent.Agent.step`.
        act: observations -> actions and their log-probabilities.
        obs: where to begin.
        horizon: T.
    """
    steps: dict[str, list[Tensor]] = {
        name: [] for name in ("obs", "actions", "log_probs", "rewards", "dones", "time_outs", "final_obs")
    }
    for _ in range(horizon):
        actions, log_probs = act(obs)
        following, rewards, dones, extras = step(actions)
        row = (obs, actions, log_probs, rewards, dones.bool(), extras["time_outs"].bool(), extras["final_obs"])
        for column, value in zip(steps.values(), row, strict=True):
            column.append(value)
        obs = following
    return Steps(**{name: torch.stack(column) for name, column in steps.items()}, last_obs=obs)


@torch.no_grad()
def prepare(steps: Steps, model: PolicyModel, task_index: Tensor) -> Rollout:
    """What the networks of ``model`` see of recorded steps; ``task_index``: (N,)."""
    flat_obs = steps.obs.flatten(0, 1)
    task = task_index.repeat(len(steps.obs))
    # One gather an epoch: the few observations at a time limit, instead of a second value of every step.
    final_index = (steps.time_outs & steps.dones).flatten().nonzero().squeeze(1)
    final_obs = steps.final_obs.flatten(0, 1)[final_index]
    return Rollout(
        obs=flat_obs,
        inputs=model.normalize_obs(flat_obs, task),
        actions=steps.actions.flatten(0, 1),
        log_probs=steps.log_probs.flatten(),
        task=task,
        rewards=steps.rewards,
        dones=steps.dones,
        final_index=final_index,
        final_inputs=model.normalize_obs(final_obs, task[final_index]),
        last_inputs=model.normalize_obs(steps.last_obs, task_index),
    )


def collect(
    step: Callable[[Tensor], tuple[Tensor, Tensor, Tensor, dict[str, Any]]],
    act: Callable[[Tensor], tuple[Tensor, Tensor]],
    model: PolicyModel,
    obs: Tensor,
    task_index: Tensor,
    horizon: int,
) -> tuple[Rollout, Tensor]:
    """Step the environments ``horizon`` times, see :func:`record`; return the rollout that ``model`` learns from, see
    :func:`prepare`, and the next observation."""
    steps = record(step, act, obs, horizon)
    return prepare(steps, model, task_index), steps.last_obs


@torch.no_grad()
def evaluate_states(rollout: Rollout, values_of: Callable[[Tensor, Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Return the value of each state of a rollout (n,), and of the one that follows it in the same episode (n,): that of the
    final observation where the episode was cut off at its time limit, 0 where it terminated.

    Args:
        rollout: what was collected.
        values_of: network inputs (m, features + K) and tasks (m,) -> values (m,).
    """
    num_envs = rollout.rewards.shape[1]
    values = values_of(rollout.inputs, rollout.task)
    last = values_of(rollout.last_inputs, rollout.task[:num_envs])
    following = torch.cat((values[num_envs:], last)).masked_fill(rollout.dones.flatten(), 0.0)
    if rollout.final_index.numel() > 0:
        following[rollout.final_index] = values_of(rollout.final_inputs, rollout.task[rollout.final_index])
    return values, following


@torch.no_grad()
def compute_targets(
    rollout: Rollout, model: ActorCriticModel, num_tasks: int, gamma: float, lam: float, update_statistics: bool
) -> Targets:
    """Evaluate the critic on a rollout and return advantages and normalized value targets.

    The value statistics take in the new returns before these are normalized (TOPPO paper, Algorithm C.1, line 3), once a
    rollout: ``update_statistics`` is False when advantages are recomputed in a later pass.
    """
    update_statistics = update_statistics and not begin_value_statistics(rollout, model, gamma)
    values, following = evaluate_states(rollout, model.values)
    shape = rollout.rewards.shape
    advantages = gae(rollout.rewards, values.view(shape), following.view(shape), rollout.dones, gamma, lam).flatten()
    returns = advantages + values
    if update_statistics:
        model.update_value_statistics(returns, rollout.task)
    return Targets(
        advantages=advantages,
        returns=model.normalize_value(returns, rollout.task),
        values=model.normalize_value(values, rollout.task),
        explained_variance=explained_variance(advantages, returns, rollout.task, num_tasks),
    )


def begin_value_statistics(rollout: Rollout, model: ActorCriticModel, gamma: float) -> bool:
    """Give a critic that has no value statistics yet those of the rewards; return whether it had none."""
    if not model.lacks_value_statistics:
        return False
    # A new critic's output means nothing in units of return, least of all for a task with small rewards. The first
    # statistics are those of the rewards alone, and the critic starts in their units: what each would come to if it went
    # on for ever. Discounted sums over one short rollout are far too small, and a head that keeps its outputs while the
    # statistics grow many times as large holds the critic back for dozens of rollouts.
    returns = rollout.rewards.flatten() / max(1.0 - gamma, LEAST_DISCOUNT)
    model.update_value_statistics(returns, rollout.task, preserve=False)
    return True


def explained_variance(residuals: Tensor, returns: Tensor, task: Tensor, num_tasks: int) -> Tensor:
    """Scalar, mean over tasks of 1 - Var(residuals) / Var(returns), both (n,)."""
    unexplained = _variance_per_task(residuals, task, num_tasks)
    total = _variance_per_task(returns, task, num_tasks)
    return (1.0 - unexplained / total.clamp_min(1e-8)).mean()


def _variance_per_task(x: Tensor, task: Tensor, num_tasks: int) -> Tensor:
    count = torch.bincount(task, minlength=num_tasks).clamp_min(1)
    mean = torch.zeros(num_tasks, device=x.device).index_add_(0, task, x) / count
    return torch.zeros(num_tasks, device=x.device).index_add_(0, task, (x - mean[task]).square()) / count
