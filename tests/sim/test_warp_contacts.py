"""Contacts on MuJoCo Warp: single precision finds no body deep inside of what it rests on."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
import torch

from mtbench.sim.engines.warp import WarpEngine
from mtbench.sim.layout import sizes_of
from mtbench.sim.scene import Group, Place

CYLINDER_ON_A_TABLE = """<mujoco><worldbody>
  <geom type="box" size="0.7 0.4 0.46" pos="0 0.6 -0.46"/>
  <body><freejoint/><geom type="cylinder" size="0.028 0.033" density="300"/></body>
</worldbody></mujoco>"""
WORLDS = 60_000


def test_a_cylinder_rests_on_a_table() -> None:
    """Everywhere on it, a few micrometres deep and turned as it likes; with MuJoCo's tolerance four of so many are shot
    away at metres a second."""
    model = mujoco.MjModel.from_xml_string(CYLINDER_ON_A_TABLE)
    envs: list[Any] = [None] * WORLDS
    group = Group(envs, model, [model] * WORLDS, [Place.whole(model)] * WORLDS)
    engine = WarpEngine([group], sizes_of([group]), contacts=16, constraints=64)
    random = np.random.default_rng(0)
    qpos = np.zeros((WORLDS, 7))
    qpos[:, :2] = random.uniform(-0.2, 0.2, (WORLDS, 2)) + np.array((0.0, 0.6))
    qpos[:, 2] = 0.033 - random.uniform(1e-6, 6e-5, WORLDS)
    tilt, turn = random.normal(0.0, 3e-4, (WORLDS, 2)), random.normal(0.0, 1.0, (WORLDS, 1))
    quat = np.hstack((np.ones((WORLDS, 1)), tilt, turn))
    qpos[:, 3:] = quat / np.linalg.norm(quat, axis=1, keepdims=True)
    engine.qpos[:-1] = torch.from_numpy(qpos.ravel()).float()
    engine.mark(torch.arange(WORLDS))
    engine.step(1)
    assert engine.overflow.sum() == 0
    speed = engine.qvel[:-1].view(WORLDS, 6)[:, :3].norm(dim=1)
    assert speed.max() < 0.1
    engine.close()
