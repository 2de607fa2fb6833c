"""The official models stepped in batches, directly on an engine: the Tensor API would rebuild what parity hangs on (the
integrator, the actuators, contact masks and the weld between hand and mocap body).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import mujoco
import numpy as np
import torch
from torch import Tensor

from isaacgymenvs_tasks.sawyer.wheel import MOCAP_QUAT, SUBSTEPS
from isaacgymenvs_tasks.vec_task import Rows
from mtbench.sim.engines.cpu import CpuEngine
from mtbench.sim.engines.engine import Engine
from mtbench.sim.layout import sizes_of
from mtbench.sim.scene import Group, Place

#: Room on MuJoCo Warp, see :class:`mtbench.sim.datatypes.WarpParams`.
ROOM = {"contacts": 64, "constraints": 256}


class Physics:
    """``counts[k]`` environments of each of K models, one after the other.

    It has the face of :class:`isaacgymenvs_tasks.simulator.OpenPhysics` that :class:`.VecTask` needs.

    Args:
        threads: of the CPU engine; 0: all cores.
        warp: settings of MuJoCo Warp, which then steps on ``device`` (:class:`mtbench.sim.datatypes.WarpParams`); None: the
            CPU engine does.

    Attributes:
        xpos, xquat: (bodies, 3) and (bodies, 4) wxyz, poses of all bodies, each environment's world included.
        qpos: (n + 1,) coordinates, float64 on MuJoCo, float32 on MuJoCo Warp.
        mocap: (N, 3) where the mocap bodies are; written, it is where the next step has them.
        ctrl: (N, 2) positions asked of the fingers.
        diverged: (N,) bool.
        sensors: (n,) readings of the models' sensors, in their order.
    """

    shows_what_was_set = True

    def __init__(
        self,
        models: Sequence[mujoco.MjModel],
        counts: Sequence[int],
        threads: int = 0,
        device: torch.device | str = "cpu",
        warp: Mapping[str, Any] | None = None,
    ) -> None:
        groups = []
        for model, count in zip(models, counts, strict=True):
            envs: list[Any] = [None] * count  # an engine only asks how many
            places = [Place.whole(model)] * count
            groups.append(Group(envs, model, [model] * count, places, driven=True, placed=True))
        self.engine: Engine
        if warp is None:
            self.engine = CpuEngine(groups, sizes_of(groups), threads)
        else:
            from mtbench.sim.engines.warp import WarpEngine

            self.engine = WarpEngine(groups, sizes_of(groups), device, **{**ROOM, **warp})
        n = sum(counts)
        self.xpos, self.xquat, self.qpos = self.engine.xpos, self.engine.xquat, self.engine.qpos
        self.mocap, self.ctrl = self.engine.mocap_pos[:n], self.engine.ctrl[:-1].view(n, 2)
        self.diverged, self.sensors = self.engine.diverged, self.engine.sensordata
        self.dtype = self.qpos.dtype
        self._mocap_quat = torch.tensor(MOCAP_QUAT, dtype=self.dtype, device=device)
        self.engine.mocap_quat[:n] = self._mocap_quat
        self._qpos_rows, self._qvel_rows = (_rows(models, counts, size).to(device) for size in ("nq", "nv"))
        body = accumulate([0] + [m.nbody * c for m, c in zip(models, counts, strict=True)])
        first = [b + torch.arange(c) * m.nbody for b, m, c in zip(body, models, counts, strict=False)]
        self.first_body = torch.cat(first).to(device)

    def begin(self, rows: Rows, qpos: Tensor, qvel: Tensor, mocap: Tensor, body: Tensor, place: Tensor) -> None:
        """Set the state of environments ``rows``, n of them.

        Args:
            qpos, qvel: (n, most) of which each takes what it has room for.
            mocap: (n, 3).
            body: (n,) long, the body of each that stands at ``place`` (n, 3); 0: none.
        """
        engine, ids = self.engine, rows.ids
        for buffer, index, values in (
            (engine.qpos, self._qpos_rows[ids], qpos),
            (engine.qvel, self._qvel_rows[ids], qvel),
            (engine.mocap_pos, ids, mocap),
            (engine.mocap_quat, ids, self._mocap_quat.expand(len(ids), 4)),
        ):
            rows.write(buffer, index, values)
        self.place(ids, rows.keep(body, 0), place)
        engine.mark(rows.keep(ids, len(self.diverged)))

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
        """Follow states that a replayed CUDA graph has set."""
        self.engine.mark(None)
        self.engine.forward()

    def take_overflow(self) -> Tensor:
        """How many environments lost contacts since the last call because MuJoCo Warp had no room for them, scalar."""
        return self.engine.take_overflow()

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
