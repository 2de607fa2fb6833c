"""Scripted policies: their vocabulary, and trials that prove tasks solvable on random resets (``mtbench experts``).

The policies themselves stand in the scenes' files. They see what rewards see and keep four numbers of memory per
environment: zero at reset, entry 0 says that the approach is over, entry 1 counts the steps since.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import mean
from typing import Any

import torch
from torch import Tensor

import isaacgymenvs_tasks
from isaacgymenvs_tasks.metaworld.rewards import SUCCESS
from isaacgymenvs_tasks.metaworld.task import State

GAIN = 12.0  #: 1/m; full speed from 0.08 m on, little overshoot
GRIP_STEPS = 10  #: steps the gripper gets to close


def steer(state: State, target: Tensor, gripper: Tensor | float) -> Tensor:
    """Action (n, 4) that takes the tcp straight to ``target`` (n, 3); ``gripper`` is its last entry, (n,) or a number."""
    action = torch.empty_like(state.action)
    torch.clamp(GAIN * (target - state.tcp), -1.0, 1.0, out=action[:, :3])
    action[:, 3] = gripper
    return action


def over(state: State, point: Tensor, height: float, radius: float = 0.02) -> Tensor:
    """Where to steer (n, 3) to come down on ``point`` (n, 3): ``height`` above it until horizontally within ``radius``,
    and straight up first while low and far."""
    offset = state.tcp - point
    far = offset[:, :2].square().sum(-1) > radius * radius
    target = point.clone()
    target[:, 2] += height * far
    low = far & (offset[:, 2] < 0.6 * height)
    target[:, :2] = torch.where(low[:, None], state.tcp[:, :2], target[:, :2])
    return target


def descend(state: State, memory: Tensor, point: Tensor, height: float, near: float = 0.015) -> tuple[Tensor, Tensor]:
    """Come down on ``point`` (n, 3) with shut fingers until ``near`` it. Returns (arrived (n,) bool, action (n, 4))."""
    arrived = (state.tcp - point).abs().amax(-1) < near
    memory[:, 0] = torch.maximum(memory[:, 0], arrived.float())
    return memory[:, 0] > 0, steer(state, over(state, point, height, 1.5 * near), 1.0)


def carry(state: State, memory: Tensor, point: Tensor) -> tuple[Tensor, Tensor]:
    """Come down on ``point`` (n, 3) with open fingers and grip; begin again when the object is lost.

    Returns (held (n,) bool, action (n, 4) until then).
    """
    error = (state.tcp - point).abs().amax(-1)
    arrived = torch.maximum(memory[:, 0], (error < 0.008).float()) * (error < 0.05)
    memory[:, 0] = arrived
    memory[:, 1] = (memory[:, 1] + 1.0) * arrived
    return memory[:, 1] > GRIP_STEPS, steer(state, over(state, point, 0.08), 2.0 * arrived - 1.0)


@dataclass
class Trial:
    """What a policy achieved on one task: one entry per episode."""

    returns: list[float] = field(default_factory=list)
    successes: list[bool] = field(default_factory=list)
    first_success: list[int] = field(default_factory=list)  #: steps, successful episodes only
    #: Running maximum of the reward at the start and after each quarter of the way to success, successful episodes only.
    peaks: list[list[float]] = field(default_factory=list)

    @property
    def success_rate(self) -> float:
        return sum(self.successes) / max(len(self.successes), 1)

    @property
    def rising(self) -> float:
        """Fraction of the successful episodes whose running maximum rises in every quarter."""
        return mean(all(a < b for a, b in pairwise(peaks)) for peaks in self.peaks) if self.peaks else 0.0


#: (environment) -> actions (num_envs, 4) for its present state
Policy = Callable[[Any], Tensor]


def expert_policy(env: Any) -> Policy:
    """The scripted policies of the environment's tasks, each with its memory, which is zeroed where an episode begins."""
    memories = [torch.zeros(rows.stop - rows.start, 4, device=env.device) for rows in env.task_slices]

    def act(env: Any) -> Tensor:
        parts = []
        for spec, rows, state, memory in zip(env.specs, env.task_slices, env.states(), memories, strict=True):
            memory[env.progress_buf[rows] == 0] = 0.0
            parts.append(spec.expert(state, memory))
        return torch.cat(parts)

    return act


def random_policy(seed: int) -> Policy:
    generator = torch.Generator().manual_seed(seed)
    return lambda env: (torch.rand(env.num_envs, 4, generator=generator) * 2.0 - 1.0).to(env.device)


def try_policy(env: Any, policy: Policy, rounds: int) -> dict[str, Trial]:
    """Run ``policy`` for ``rounds`` episodes in every environment.

    The environment must begin episodes at step 0 and end them together (no random initial progress, no end on success).
    """
    trials = {name: Trial() for name in env.task_names}
    env.reset()
    for _ in range(rounds):
        rewards = torch.stack([env.step(policy(env))[1].clone() for _ in range(env.max_episode_length)])
        _collect(trials, env, rewards)
    return trials


def _collect(trials: dict[str, Trial], env: Any, rewards: Tensor) -> None:
    """Sort the (steps, num_envs) rewards of one round into the trials; a reward of 10 is a success."""
    reached = rewards >= SUCCESS - 1e-4
    highest = rewards.cummax(0).values
    for name, rows in zip(env.task_names, env.task_slices, strict=True):
        trial = trials[name]
        for i in range(rows.start, rows.stop):
            trial.returns.append(float(rewards[:, i].sum()))
            trial.successes.append(bool(reached[:, i].any()))
            if trial.successes[-1]:
                step = int(reached[:, i].int().argmax())
                trial.first_success.append(step + 1)
                trial.peaks.append(highest[[step * quarter // 4 for quarter in range(5)], i].tolist())


def make_env(tasks: Sequence[str], num_envs: int, seed: int, task: str = "metaworld", **settings: Any) -> Any:
    """A :class:`~.env.MetaWorld` of these tasks, configured as the set ``task`` is but for the ``settings``, whose episodes
    begin at step 0 and all end together."""
    together: dict[str, Any] = {"task.env.randomInitialProgress": False, "task.env.terminateOnSuccess": False}
    return isaacgymenvs_tasks.make(task, num_envs, seed, task_id=list(tasks), **together, **settings)


def compare(
    names: list[str], episodes: int, seed: int, task: str = "metaworld", **settings: Any
) -> list[dict[str, Any]]:
    """One row a task: how expert, random actions and doing nothing fare in at least ``episodes`` random resets each."""
    per_task = min(episodes, 50)
    env = make_env(names, per_task * len(names), seed, task, **settings)
    rounds = -(-episodes // per_task)
    expert = try_policy(env, expert_policy(env), rounds)
    chance = try_policy(env, random_policy(seed), rounds)
    idle = try_policy(env, lambda env: env.zero_actions(), rounds)
    return [
        {
            "id": spec.task_id,
            "task": spec.name,
            "episodes": len(expert[spec.name].successes),
            "success": expert[spec.name].success_rate,
            "random_success": chance[spec.name].success_rate,
            "idle_success": idle[spec.name].success_rate,
            "return": float(torch.tensor(expert[spec.name].returns).median()),
            "mean_return": mean(expert[spec.name].returns),
            "random_mean": mean(chance[spec.name].returns),
            "random_95": float(torch.tensor(chance[spec.name].returns).quantile(0.95)),
            "first_success": float(torch.tensor(expert[spec.name].first_success or [float("nan")]).median()),
            "rising": expert[spec.name].rising,
        }
        for spec in env.specs
    ]


if __name__ == "__main__":
    runpy.run_module("mtbench.commands.experts", run_name="__main__")
