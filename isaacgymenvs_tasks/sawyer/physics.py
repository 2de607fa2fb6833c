"""The official models stepped in batches, directly on the CPU engine: the Tensor API would rebuild what parity hangs on (the
integrator, the actuators, contact masks and the weld between hand and mocap body).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import mujoco
import numpy as np
import torch
from torch import Tensor

from isaacgymenvs_tasks.sawyer.wheel import MOCAP_QUAT, SUBSTEPS
from mtbench.sim.engines.cpu import CpuEngine
from mtbench.sim.layout import sizes_of
from mtbench.sim.scene import Group


class Physics:
    """``counts[k]`` environments of each of K models, one after the other.

    It has the face of :class:`isaacgymenvs_tasks.simulator.OpenPhysics` that :class:`.VecTask` needs.

    Attributes:
        xpos, xquat: (bodies, 3) and (bodies, 4) wxyz, poses of all bodies, each environment's world included.
        qpos: (n + 1,) coordinates, float64.
        mocap: (N, 3) where the mocap bodies are; written, it is where the next step has them.
        ctrl: (N, 2) positions asked of the fingers.
        diverged: (N,) bool.
        sensors: (n,) readings of the models' sensors, in their order.
    """

    shows_what_was_set = True

    def __init__(self, models: Sequence[mujoco.MjModel], counts: Sequence[int], threads: int = 0) -> None:
        groups = []
        for model, count in zip(models, counts, strict=True):
            envs: list[Any] = [None] * count  # an engine only asks how many
            groups.append(Group(envs, model, [model] * count, [], driven=True, placed=True))
        self.engine = CpuEngine(groups, sizes_of(groups), threads)
        n = sum(counts)
        self.xpos, self.xquat, self.qpos = self.engine.xpos, self.engine.xquat, self.engine.qpos
        self.mocap, self.ctrl = self.engine.mocap_pos[:n], self.engine.ctrl[:-1].view(n, 2)
        self.diverged, self.sensors = self.engine.diverged, self.engine.sensordata
        self.engine.mocap_quat[:n] = torch.tensor(MOCAP_QUAT)
        self._qpos_rows, self._qvel_rows = _rows(models, counts, "nq"), _rows(models, counts, "nv")
        body = accumulate([0] + [m.nbody * c for m, c in zip(models, counts, strict=True)])
        first = [b + torch.arange(c) * m.nbody for b, m, c in zip(body, models, counts, strict=False)]
        self.first_body = torch.cat(first)

    def begin(self, ids: Tensor, qpos: Tensor, qvel: Tensor, mocap: Tensor, body: Tensor, place: Tensor) -> None:
        """Set the state of environments ``ids`` (n,).

        Args:
            qpos, qvel: (n, most) float64, of which each takes what it has room for.
            mocap: (n, 3).
            body: (n,) long, the body of each that stands at ``place`` (n, 3); 0: none.
        """
        engine = self.engine
        engine.qpos[self._qpos_rows[ids]] = qpos
        engine.qvel[self._qvel_rows[ids]] = qvel
        self.mocap[ids] = mocap
        engine.mocap_quat[ids] = torch.tensor(MOCAP_QUAT, dtype=engine.mocap_quat.dtype)
        self.place(ids, body, place)
        engine.mark(ids)

    def place(self, ids: Tensor, body: Tensor, place: Tensor) -> None:
        """Put bodies where they are to stand when the state is next taken over."""
        spare = len(self.engine.body_pos) - 1
        self.engine.body_pos[torch.where(body > 0, self.first_body[ids] + body, spare)] = place

    def step(self) -> None:
        """One control step."""
        self.engine.step(SUBSTEPS)

    def forward(self) -> None:
        """Show the states that were set."""
        self.engine.forward()

    def inspect(self, env: int) -> tuple[mujoco.MjModel, mujoco.MjData]:
        """Model and data of one environment, copies."""
        return self.engine.model(env), self.engine.data(env)

    def before_simulate(self) -> None:
        """Called once before a step."""

    def settle(self) -> None:
        """Nothing is recorded here that would have to be followed."""

    def take_overflow(self) -> int:
        """The CPU makes room for all contacts."""
        return 0

    def get_state(self) -> Tensor:
        """Everything the next step depends on but the places of bodies."""
        return self.engine.get_state()

    def set_state(self, state: Tensor) -> None:
        """The inverse of :meth:`get_state`."""
        self.engine.set_state(state)

    def close(self) -> None:
        """Free models and threads."""
        self.engine.close()


def _rows(models: Sequence[mujoco.MjModel], counts: Sequence[int], size: str) -> Tensor:
    """(N, most) entries of each environment in a flat buffer; beyond what a model has, the spare last one."""
    sizes = [getattr(model, size) for model in models]
    total = int(np.dot(sizes, counts))
    rows, first = [], 0
    for width, count in zip(sizes, counts, strict=True):
        part = torch.full((count, max(sizes)), total)
        part[:, :width] = first + torch.arange(count * width).view(count, width)
        rows.append(part)
        first += count * width
    return torch.cat(rows)
