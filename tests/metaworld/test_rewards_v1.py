"""V1 rewards against Meta-World's definition, one environment at a time, and their scales."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from isaacgymenvs_tasks import make
from isaacgymenvs_tasks.metaworld.experts import expert_policy
from isaacgymenvs_tasks.metaworld.rewards_v1 import V1Reward
from isaacgymenvs_tasks.metaworld.scenes import TASKS
from isaacgymenvs_tasks.metaworld.task import V1

KINDS = [V1("reach"), V1("push"), V1("push", "obj2"), V1("pick", lift=0.05), V1("pick", "obj2", 0.1)]


def place(d: float, start: float) -> float:
    bonus = math.exp(-(d**2) / 0.01) + math.exp(-(d**2) / 0.001)
    return max(1000 * (start - d) + 1000 * bonus, 0.0)


def scalar(v1: V1, grip: float, tcp: list, tcp0: list, points: list, points0: list, goal: list) -> float:
    if v1.kind == "reach":
        return place(math.dist(tcp, goal), math.dist(tcp0, goal))
    moving = int(v1.moves == "obj2")
    placed = place(math.dist(points[moving], goal), math.dist(points0[moving], goal))
    reach = math.dist(tcp, points[0])
    if v1.kind == "push":
        return -reach + (placed if reach < 0.05 else 0.0)
    level = math.dist(tcp[:2], points[0][:2])
    reward = -reach if level < 0.05 else -level - 2 * abs(tcp[2] - tcp0[2])
    if reach < 0.05:
        reward = -reach + max(grip, 0.0) / 50
    risen = points[0][2] - points0[0][2]
    if reach < 0.1 and risen > 0.005:
        reward += 100 * min(risen, v1.lift)
    if reach < 0.1 and risen >= v1.lift - 0.01:
        reward += placed
    return reward


@pytest.mark.parametrize("spread", [0.02, 0.1, 0.5])
def test_matches_the_scalar_definition(spread: float) -> None:
    base = next(iter(TASKS.values()))
    specs = [replace(base, v1=v1) for v1 in KINDS]
    task = torch.arange(len(KINDS)).repeat_interleave(50)
    g = torch.Generator().manual_seed(0)
    n = len(task)
    tcp, tcp0, goal = (spread * torch.rand(n, 3, generator=g) for _ in range(3))
    points, points0 = (spread * torch.rand(n, 2, 3, generator=g) for _ in range(2))
    grip = torch.rand(n, generator=g) * 2 - 1
    value = V1Reward(specs, task)(grip, tcp, tcp0, points, points0, goal)
    rows = [x.tolist() for x in (grip, tcp, tcp0, points, points0, goal)]
    expected = [scalar(KINDS[k], *row) for k, *row in zip(task.tolist(), *rows, strict=True)]
    assert value.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_scales_differ_by_orders_of_magnitude_and_success_is_the_same() -> None:
    """What the reward set is for: a solved task pays thousands, an untouched one loses centimetres."""
    settings = {"task.env.randomInitialProgress": False}
    mix = {"task": "MT10", "num_envs": 4, "task_id": ["reach", "pick_place"], **settings}
    env, dense = make(**mix, reward="v1"), make(**mix)
    env.reset(), dense.reset()
    policy = expert_policy(env)
    rewards = []
    for _ in range(env.max_episode_length - 1):
        actions = policy(env)
        rewards.append(env.step(actions)[1])
        dense.step(actions)
        assert torch.equal(env.success_buf, dense.success_buf)
    first, best = rewards[0], torch.stack(rewards).amax(0)
    assert bool(env.episode_success.all()) and float(best.min()) > 1500.0
    assert bool((first[env.task_index == 1].abs() < 1.0).all())
