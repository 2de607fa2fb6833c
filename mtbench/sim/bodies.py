"""Rigid bodies in the order of the tensors: their states as the engine has them now, and forces on them.

States are computed when they are asked for, on the CPU only for environments that moved since the last time. No tensor that a
client holds changes here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .datatypes import CoordinateSpace

if TYPE_CHECKING:
    from .scene import Env
    from .simulation import Simulation


class Bodies:
    """The bodies of a simulation, which must be prepared."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        #: which moved since ``_states`` was filled: those of "all" environments, of "some" (marked in ``_changed``), or ""
        self._moved = "all"

    def begin(self) -> None:
        """The simulation has a new engine."""
        sim = self._sim
        self._states = torch.zeros(len(sim.layout.body_row), 13, device=sim.device)
        self._changed = torch.zeros(len(sim.envs) + 1, dtype=torch.bool, device=sim.device)  # by engine rank
        self._moved = "all"

    def all_moved(self) -> None:
        """The engine has stepped, or was given states or models."""
        self._moved = "all"

    def moved(self, ranks: Tensor) -> None:
        """States of environments (engine ranks, the spare one too) were written."""
        self._changed.index_fill_(0, ranks, True)
        self._moved = self._moved or "some"

    def states(self) -> Tensor:
        """(B, 13): positions and quaternions of the bodies' frames, velocities of their origins, world axes. It is kept, and
        filled again at the next call."""
        engine, layout = self._sim._engine, self._sim.layout
        engine.forward()
        if self._moved == "all" or (self._moved and self._sim.device.type != "cpu"):
            self._states[:] = self._read(layout.body_row, layout.body_tree)
        elif self._moved:  # after a reset of a few environments, their rows; on a GPU finding them costs more
            rows = self._changed[layout.body_env].nonzero().squeeze(1)
            self._states[rows] = self._read(layout.body_row[rows], layout.body_tree[rows])
        self._changed.fill_(False)
        self._moved = ""
        return self._states

    def states_at(self, rows: slice | Tensor) -> Tensor:
        """As :meth:`states`, of some bodies, (rows, 13)."""
        engine, layout = self._sim._engine, self._sim.layout
        engine.forward()
        return self._read(layout.body_row[rows], layout.body_tree[rows])

    def _read(self, row: Tensor, tree: Tensor) -> Tensor:
        engine = self._sim._engine
        position, quat, velocity = engine.xpos[row], engine.xquat[row], engine.cvel[row]
        omega, linear = velocity[:, :3], velocity[:, 3:]
        # MuJoCo gives the velocity at the tree's centre of mass: carry it to the body's origin.
        linear = linear + torch.linalg.cross(omega, position - engine.com[tree])
        return torch.cat([position, quat[:, 1:], quat[:, :1], linear, omega], dim=1)

    def poses(self, bodies: Tensor) -> Tensor:
        """Positions and quaternions xyzw of some bodies (m,) at this moment, (m, 7)."""
        engine, row = self._sim._engine, self._sim.layout.body_row[bodies]
        engine.forward()
        position, quat = engine.xpos.index_select(0, row), engine.xquat.index_select(0, row)
        return torch.cat([position, quat[:, 1:], quat[:, :1]], dim=1)

    def pose(self, env: Env, body: int) -> list[float]:
        """Position and quaternion xyzw of a body (its handle in the environment) now; no tensor changes."""
        sim = self._sim
        sim.prepare()
        sim._engine.forward()
        row = sim.layout.body_row[[sim.first(env, "bodies") + body]]
        return sim._engine.xpos[row][0].tolist() + sim._engine.xquat[row][0, [1, 2, 3, 0]].tolist()

    def apply_forces(
        self,
        force: Tensor | None,
        torque: Tensor | None,
        position: Tensor | None,
        space: CoordinateSpace,
        body: int | None = None,
    ) -> None:
        """Add forces (B, 3) at the centres of mass, or at ``position`` (B, 3), and torques (B, 3), for the next step; with
        ``body`` to this one alone, (1, 3)."""
        engine, layout = self._sim._engine, self._sim.layout
        rows = layout.body_row if body is None else layout.body_row[body : body + 1]
        state = self.states() if body is None else self.states_at(slice(body, body + 1))
        quat = state[:, 3:7]
        total = torch.zeros(len(rows), 6, device=state.device)
        if force is not None:
            force = force.reshape(-1, 3)
            total[:, :3] = rotate(quat, force) if space == CoordinateSpace.LOCAL_SPACE else force
        if torque is not None:
            torque = torque.reshape(-1, 3)
            total[:, 3:] = rotate(quat, torque) if space == CoordinateSpace.LOCAL_SPACE else torque
        if position is not None:
            position = position.reshape(-1, 3)
            if space == CoordinateSpace.LOCAL_SPACE:
                position = state[:, :3] + rotate(quat, position)
            total[:, 3:] += torch.linalg.cross(position - engine.xipos[rows], total[:, :3])
        engine.force[rows] += total.to(engine.force.dtype)
        engine.mark_force()


def rotate(quat: Tensor, v: Tensor) -> Tensor:
    """Rotate vectors (..., 3) by quaternions (..., 4) xyzw."""
    u, w = quat[..., :3], quat[..., 3:]
    t = 2.0 * torch.linalg.cross(u, v)
    return v + w * t + torch.linalg.cross(u, t)
