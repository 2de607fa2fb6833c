"""The committed checkpoint walks, and Parkour starts from it."""

from __future__ import annotations

from pathlib import Path

import torch

import isaacgymenvs_tasks
from isaacgymenvs_tasks.parkour.walking import walk
from mtbench.evaluation.player import load_policy

WALKING = Path(__file__).resolve().parents[2] / "assets" / "go1" / "walking.pth"


def test_the_committed_policy_walks_at_the_commanded_speed() -> None:
    """20 robots for three seconds; ``python -m isaacgymenvs_tasks.parkour.walking`` takes 100 for twenty."""
    settings = {"task.env.randomInitialProgress": False, "task.env.episodeLength": 151}
    env = isaacgymenvs_tasks.make("ParkourFlat", num_envs=20, seed=3, **settings)
    start = env.root_states[:, :2].clone()
    fell, error = walk(env, str(WALKING), 150)
    assert fell.sum() <= 1
    assert error[~fell].mean() < 0.2  # over the start from standing as well
    assert ((env.root_states[:, 0] - start[:, 0])[~fell] > 0.4).all()  # 0.3 m/s at the least, and standing ends at once


def test_without_the_policy_it_stays_where_it_is() -> None:
    settings = {"task.env.randomInitialProgress": False, "task.env.episodeLength": 151}
    env = isaacgymenvs_tasks.make("ParkourFlat", num_envs=4, seed=3, **settings)
    env.reset()
    start = env.root_states[:, :2].clone()
    for _ in range(150):
        env.step(env.zero_actions())
    assert (env.root_states[:, :2] - start).norm(dim=1).max() < 0.3


def test_it_is_a_policy_of_one_task_with_parkours_observation() -> None:
    tasks, model = load_policy(str(WALKING))
    assert tasks == ["flat"]
    assert model.act(torch.zeros(2, 213), torch.zeros(2, dtype=torch.long)).shape == (2, 12)
