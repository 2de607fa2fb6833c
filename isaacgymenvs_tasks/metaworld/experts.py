"""Scripted policies: their vocabulary, and a command that tries them on random resets.

    python -m isaacgymenvs_tasks.metaworld.experts task=MT10 [episodes=100] [tasks=reach,push] [num_envs=500] [seed=0]

prints for every task how often its expert succeeds, the median return of expert and 95th percentile of random
actions, and the median step of the first success. It exits with 1 if an expert succeeds in less than 90 % or does not
beat random actions.

The policies themselves stand in the scenes' files. They see what rewards see and keep four numbers of memory per
environment: zero at reset, entry 0 says that the approach is over, entry 1 counts the steps since.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.task import State

CFG = Path(__file__).resolve().parents[2] / "cfg"
GAIN = 12.0  #: 1/m; full speed from 0.08 m on, little overshoot
GRIP_STEPS = 12  #: steps the gripper gets to close
REQUIRED_SUCCESS = 0.9


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
    early: list[float] = field(default_factory=list)  #: mean reward over the first quarter of the way to success
    late: list[float] = field(default_factory=list)  #: and over the last quarter

    @property
    def success_rate(self) -> float:
        return sum(self.successes) / max(len(self.successes), 1)


def try_policy(env: Any, rounds: int, random: bool = False, seed: int = 0) -> dict[str, Trial]:
    """Run the experts (or uniformly random actions) for ``rounds`` episodes in every environment.

    The environment must begin episodes at step 0 and end them together (no random initial progress, no end on success).
    """
    generator = torch.Generator().manual_seed(seed)
    slices = [torch.where(env.task_index == k)[0] for k in range(env.num_tasks)]
    trials = {name: Trial() for name in env.task_names}
    env.reset()
    for _ in range(rounds):
        memory = torch.zeros(env.num_envs, 4)
        rewards: list[Tensor] = []
        for _ in range(env.max_episode_length):
            actions = torch.rand(env.num_envs, 4, generator=generator) * 2.0 - 1.0
            if not random:
                for spec, rows, state in zip(env.specs, slices, env.states(), strict=True):
                    part = memory[rows]
                    actions[rows] = spec.expert(state, part)
                    memory[rows] = part
            _, reward, done, _ = env.step(actions)
            memory[done] = 0.0
            rewards.append(reward.clone())
        _collect(trials, env, torch.stack(rewards), slices)
    return trials


def _collect(trials: dict[str, Trial], env: Any, rewards: Tensor, slices: list[Tensor]) -> None:
    """Sort the (steps, num_envs) rewards of one round into the trials; a reward of 10 is a success."""
    reached = rewards >= 10.0 - 1e-4
    for name, rows in zip(env.task_names, slices, strict=True):
        trial = trials[name]
        for i in rows.tolist():
            episode = rewards[:, i]
            trial.returns.append(float(episode.sum()))
            trial.successes.append(bool(reached[:, i].any()))
            if trial.successes[-1]:
                step = int(reached[:, i].int().argmax())
                trial.first_success.append(step + 1)
                quarter = max(step // 4, 1)
                trial.early.append(float(episode[:quarter].mean()))
                trial.late.append(float(episode[max(step - quarter, 0) : max(step, 1)].mean()))


def configure(task: str) -> Any:
    """The settings of ``cfg/task/<task>.yaml``, with episodes that begin at step 0 and never end early."""
    from hydra import compose, initialize_config_dir

    overrides = [f"task={task}", "task.env.randomInitialProgress=false", "task.env.terminateOnSuccess=false"]
    with initialize_config_dir(str(CFG), version_base=None):
        return compose("config", overrides).task


def make_env(tasks: list[str], num_envs: int, seed: int, task: str = "MT10") -> Any:
    """An environment of these tasks, configured as the set ``task`` is."""
    import isaacgymenvs_tasks

    config = configure(task)
    config.env.tasks = tasks
    return isaacgymenvs_tasks.make(config, num_envs=num_envs, seed=seed, sim_device="cpu", rl_device="cpu")


def main(arguments: list[str]) -> int:
    from isaacgymenvs_tasks.metaworld.scenes import TASKS

    options = {"task": "MT10", "episodes": "100", "tasks": "", "num_envs": "", "seed": "0"}
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key not in options or not value:
            raise SystemExit(f"cannot read {argument!r}; options are " + ", ".join(f"{k}=..." for k in options))
        options[key] = value
    sets = sorted(path.stem for path in (CFG / "task").glob("*.yaml"))
    if options["task"] not in sets:
        raise SystemExit(f"there is no task={options['task']}; choose one of: {', '.join(sets)}")
    names = options["tasks"].split(",") if options["tasks"] else list(configure(options["task"]).env.tasks)
    if unknown := [name for name in names if name not in TASKS]:
        raise SystemExit(f"no task named {unknown[0]!r}; there are {', '.join(TASKS)}")
    episodes, seed = int(options["episodes"]), int(options["seed"])
    per_task = int(options["num_envs"]) // len(names) if options["num_envs"] else min(episodes, 50)
    env = make_env(names, per_task * len(names), seed, options["task"])
    rounds = -(-episodes // per_task)
    experts, randoms = try_policy(env, rounds), try_policy(env, rounds, random=True, seed=seed)

    print(f"{'task':<22}{'success':>9}{'return':>10}{'random 95 %':>13}{'first success':>15}")
    failed = False
    for name in names:
        trial = experts[name]
        median = torch.tensor(trial.returns).median()
        baseline = torch.tensor(randoms[name].returns).quantile(0.95)
        steps = int(torch.tensor(trial.first_success).median()) if trial.first_success else "-"
        failed |= trial.success_rate < REQUIRED_SUCCESS or bool(median <= baseline)
        print(f"{name:<22}{trial.success_rate:>9.0%}{median:>10.0f}{baseline:>13.0f}{steps:>15}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
