"""The committed checkpoint walks, and Parkour starts from it."""

from __future__ import annotations

from pathlib import Path

import torch

import isaacgymenvs_tasks
from isaacgymenvs_tasks.parkour.env import Parkour
from isaacgymenvs_tasks.parkour.terrain.tile import CELL
from mtbench.commands.walking import look_below, walk
from mtbench.learning.player import load_policy, mean_policy

WALKING = Path(__file__).resolve().parents[2] / "assets" / "go1" / "walking.pth"


def test_the_committed_policy_walks_at_the_commanded_speed() -> None:
    """20 robots for three seconds; ``python -m mtbench.commands.walking`` takes 100 for twenty."""
    settings = {"task.env.randomInitialProgress": False, "task.env.episodeLength": 151}
    env = isaacgymenvs_tasks.make("ParkourFlat", num_envs=20, seed=3, **settings)
    start = env.root_states[:, :2].clone()
    fell, error = walk(env, str(WALKING), 150)
    assert fell.sum() <= 1
    assert error[~fell].mean() < 0.2  # over the start from standing as well
    assert ((env.root_states[:, 0] - start[:, 0])[~fell] > 0.4).all()  # 0.3 m/s at the least, and standing ends at once


def test_it_walks_on_rough_ground_and_its_feet_stay_on_top() -> None:
    """Feet are 2 cm thick: contacts that are too soft, or that lead sideways out of a prism of the height field, keep them in
    the ground, and the same policy makes a fifth of its way (as MuJoCo's defaults do)."""
    settings = {"task.env.randomInitialProgress": False, "task.env.terrain.plane": False}
    env = isaacgymenvs_tasks.make("ParkourFlat", num_envs=20, seed=3, **settings)
    assert isinstance(env, Parkour)
    act = mean_policy(load_policy(str(WALKING))[1])
    heights = torch.from_numpy(env.terrain.heights).float() * env.terrain.vertical_scale
    speed, depth = torch.zeros(20), []
    env.reset()
    for step in range(150):
        env.step(act(env))
        feet = env.rigid_body_states.view(20, -1, 13)[:, env._robots.feet, :3]
        i, j = ((feet[..., k] + env.terrain.border) / CELL - 0.5 for k in (0, 1))
        i, j = i.long(), j.long()
        around = torch.stack([heights[i + a, j + b] for a in (0, 1) for b in (0, 1)])
        depth.append(around.amin(0) - feet[..., 2])
        speed += env.speed / env.asked if step >= 50 else 0.0
    assert (torch.stack(depth) > 0.0).float().mean() < 0.005  # centres of feet below all corners of their cell
    assert (speed / 100).mean() > 0.7


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


def test_it_looks_at_the_ground_below_and_walks_on_level_ground_as_before() -> None:
    generator = torch.Generator().manual_seed(0)
    before = {
        "first.weight": torch.randn(8, 213, generator=generator),
        "second.weight": torch.randn(8, 8, generator=generator),
    }
    after = {name: weight.clone() for name, weight in before.items()}
    look_below(after)
    assert torch.equal(after["second.weight"], before["second.weight"])
    old, new = before["first.weight"], after["first.weight"]
    assert torch.equal(new[:, :48], old[:, :48]) and torch.equal(new[:, 180:], old[:, 180:])
    level, pit = torch.randn(213, generator=generator), torch.zeros(213)
    level[48:180] = 0.03  # the same everywhere
    torch.testing.assert_close(new @ level, old @ level)
    pit[48 + 11 * 8 : 180] = -1.0  # 0.75 m ahead and farther
    assert (new @ pit == 0).all() and (old @ pit != 0).all()
    assert (load_policy(str(WALKING))[1].state_dict()["network.actor.0.weight"][:, 48 + 11 * 8 : 180] == 0).all()
