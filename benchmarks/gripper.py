"""What a gripper holds while its policy explores: laws of the gripper side by side, on pick_place and push.

    python benchmarks/gripper.py [episodes=64] [seed=0] [out=benchmarks/results/gripper.csv]

A law is the force on a finger for an action of one, the force at which it saturates, and armature and damping of a
finger. For each: steps from open to shut; how many cubes that the expert lifted are still held after 70 steps of
gripper actions with a mean and Gaussian noise, the arm rising 0.06 m first; and how often the experts succeed with
noise on all four actions.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.control import GRIPPER_FORCE
from isaacgymenvs_tasks.metaworld.env import MetaWorld
from isaacgymenvs_tasks.metaworld.experts import expert_policy, make_env
from isaacgymenvs_tasks.options import read_options, whole

#: name -> N for an action of one, N at most, kg, N s/m
LAWS = {
    "MTBench": (100.0, 50.0, 4.0, 100.0),
    "saturates at 0.2": (100.0, 20.0, 4.0, 100.0),
    "proportional, light": (20.0, 20.0, 4.0, 100.0),
    "proportional, 70 N, light": (70.0, 70.0, 10.0, 20.0),
    "this project's": (GRIPPER_FORCE, GRIPPER_FORCE, 35.0, 140.0),
}
TASKS = ["pick_place", "push"]
HELD = 0.03  #: m from the tcp
LIFTING, HOLDING, RISING = 75, 70, 20  #: steps of the expert, of holding, and of those the first ones that rise


def build(law: tuple[float, float, float, float], episodes: int, seed: int) -> MetaWorld:
    """Environments whose gripper answers by ``law``."""
    gain, limit, armature, damping = law
    env = make_env(TASKS, episodes * len(TASKS), seed)
    for index in range(env.num_envs):
        handle = env.gym.get_env(env.sim, index)
        drives = env.gym.get_actor_dof_properties(handle, 0)
        drives["armature"][7:], drives["damping"][7:], drives["effort"][7:] = armature, damping, 2 * limit
        env.gym.set_actor_dof_properties(handle, 0, drives)

    def gripper(action: Tensor, fingers: Tensor) -> Tensor:
        return (-gain * action).clamp(-limit, limit)[:, None] - fingers @ env.control.coupling

    env.control.gripper = gripper  # type: ignore[method-assign]
    return env


def closing_steps(env: MetaWorld) -> int:
    """Steps until open fingers are shut, the hand rising."""
    env.reset()
    action = env.zero_actions()
    action[:, 2], action[:, 3] = 0.5, 1.0
    steps = 0
    while float(env.reading.openness.mean()) > 0.05:
        env.step(action.clone())
        steps += 1
    return steps


def held(env: MetaWorld, mean: float, sigma: float, generator: torch.Generator) -> float:
    """Of the cubes that the expert of pick_place has lifted, the share still held."""
    rows = env.task_slices[0]

    def at_hand() -> Tensor:
        return (env.reading.points[rows, 0] - env.reading.tcp[rows]).norm(dim=-1) < HELD

    policy = expert_policy(env)
    env.reset()
    for _ in range(LIFTING):
        env.step(policy(env))
    began = at_hand() & (env.reading.points[rows, 0, 2] > HELD)
    for step in range(HOLDING):
        action = env.zero_actions()
        action[:, 2] = 0.3 * (step < RISING)
        action[:, 3] = (mean + sigma * torch.randn(env.num_envs, generator=generator)).clamp(-1.0, 1.0)
        env.step(action)
    return float((began & at_hand()).sum() / began.sum())


def noisy_experts(env: MetaWorld, sigma: float, generator: torch.Generator) -> list[float]:
    """Success of each task's expert with noise on its actions."""
    policy = expert_policy(env)
    env.reset()
    solved = torch.zeros(env.num_envs, dtype=torch.bool)
    for _ in range(env.max_episode_length):
        action = policy(env)
        env.step((action + sigma * torch.randn(action.shape, generator=generator)).clamp(-1.0, 1.0))
        solved |= env.success_buf
    return [float(solved[rows].float().mean()) for rows in env.task_slices]


def main(arguments: list[str]) -> None:
    options = read_options(arguments, {"episodes": "64", "seed": "0", "out": "benchmarks/results/gripper.csv"})
    torch.set_num_threads(1)
    table = []
    for name, law in LAWS.items():
        generator = torch.Generator().manual_seed(whole(options, "seed"))
        env = build(law, whole(options, "episodes", 1), whole(options, "seed"))
        row = {"law": name, **dict(zip(("gain", "limit", "armature", "damping"), law, strict=True))}
        row["steps to close"] = closing_steps(env)
        for mean, sigma in ((1.0, 1.0), (0.5, 0.5), (0.3, 0.5)):
            row[f"held, mean {mean} sigma {sigma}"] = held(env, mean, sigma, generator)
        for sigma in (0.0, 0.5, 0.75):
            for task, value in zip(TASKS, noisy_experts(env, sigma, generator), strict=True):
                row[f"{task}, sigma {sigma}"] = value
        table.append({key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()})
        print(table[-1], flush=True)
    with Path(options["out"]).open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


if __name__ == "__main__":
    main(sys.argv[1:])
