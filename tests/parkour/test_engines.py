"""Robots on a height field in MuJoCo and in MuJoCo Warp.

Their contacts with a height field are not the same: MuJoCo makes one for each prism of the field that a foot meets, MuJoCo
Warp keeps four of them. A touch is therefore softer or harder, and single trajectories come apart from the first one on; what
has to agree is where the robots come to rest, and what the ground then carries.
"""

from __future__ import annotations

import pytest
import torch

import isaacgymenvs_tasks
from isaacgymenvs_tasks.parkour.env import Parkour

pytestmark = pytest.mark.slow  # MuJoCo Warp compiles for minutes

FAMILIES = ["squeeze", "staircase_walking"]


def standing(engine: str) -> tuple[Parkour, torch.Tensor, torch.Tensor]:
    """An environment after two seconds in the default pose, and means of the last half second: state of the roots
    (n, 13) and upward force of the ground on each robot (n,), N."""
    settings = {"task.env.randomInitialProgress": False, "task.env.resetNoise": 0.0, "task.env.episodeLength": 1000}
    settings |= {"task.env.randomize.centreOfMass": [-0.02, 0.02]}
    env = isaacgymenvs_tasks.make("ParkourHard", 4, seed=0, task_id=FAMILIES, physics_engine=engine, **settings)
    assert isinstance(env, Parkour)
    env.reset()
    roots, forces = [], []
    for step in range(100):
        env.step(env.zero_actions())
        if step >= 75:
            roots.append(env.root_states.clone())
            forces.append(-env.contact_forces[..., 2].sum(1))
    return env, torch.stack(roots).mean(0), torch.stack(forces).mean(0).abs()


def test_robots_stand_alike_on_both_engines() -> None:
    env, root, force = standing("mujoco")
    _, warp_root, warp_force = standing("warp")
    weight = 9.81 * torch.tensor([env.sim.engine.model(i).body_mass.sum() for i in range(4)], dtype=torch.float32)
    for found in (force, warp_force):
        torch.testing.assert_close(found, weight, rtol=0.01, atol=0.0)
    assert (root[:, 2] - warp_root[:, 2]).abs().max() < 0.003
    assert (root[:, :2] - warp_root[:, :2]).abs().max() < 0.02
    assert torch.maximum(root[:, 7:].abs().max(), warp_root[:, 7:].abs().max()) < 0.05
