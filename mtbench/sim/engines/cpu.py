"""MuJoCo on the CPU: one ``MjData`` an environment, kept alive so the solver warm-starts, stepped by a pool of threads.

After the substeps, kinematics and velocities are computed once more for the state that was reached: MuJoCo's own derived
quantities belong to the state one substep earlier.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import mujoco
import numpy as np
import torch
from torch import Tensor

from ..layout import Sizes
from ..scene import Group

#: A coordinate or velocity beyond this is a diverged simulation, as in MuJoCo (mjMAXVAL).
MAX_VALUE = 1e10
CHUNKS_PER_THREAD = 4


class CpuEngine:
    """Buffers are float64 CPU tensors in engine order (group by group), with one spare row at the end of each input.

    Attributes:
        qpos, qvel, ctrl: (n + 1,) generalized state and drive commands.
        mocap_pos, mocap_quat: (n + 1, 3), (n + 1, 4 wxyz) poses of fixed bases.
        force: (bodies, 6) force and torque at the centre of mass, world axes; acts during the next step only.
        xpos, xquat, cvel, com: (bodies, ...) pose (wxyz), MuJoCo's com-based velocity, subtree centre of mass.
        xaxis, xanchor: (joints, 3) joint axes and anchors.
        dof_force: (n,) force of the drives in the last substep.
        diverged: (envs,) bool, true from the step in which a state stopped being finite until it is set again.
    """

    device = torch.device("cpu")

    def __init__(self, groups: list[Group], sizes: Sizes, num_threads: int = 0) -> None:
        self.groups = groups
        self.sizes = sizes
        self.models = [m for g in groups for m in g.models]
        mujoco.set_mju_user_warning(_quiet)
        self.datas = [mujoco.MjData(m) for m in self.models]
        n = len(self.models)

        def buffer(*shape: int) -> np.ndarray:
            return np.zeros(shape)

        self._qpos, self._qvel, self._ctrl = buffer(sizes.qpos + 1), buffer(sizes.qvel + 1), buffer(sizes.ctrl + 1)
        self._mocap_pos, self._mocap_quat = buffer(sizes.mocap + 1, 3), buffer(sizes.mocap + 1, 4)
        self._force = buffer(sizes.bodies, 6)
        self._xpos, self._xquat = buffer(sizes.bodies, 3), buffer(sizes.bodies, 4)
        self._cvel, self._com = buffer(sizes.bodies, 6), buffer(sizes.bodies, 3)
        self._xaxis, self._xanchor = buffer(sizes.joints, 3), buffer(sizes.joints, 3)
        self._dof_force = buffer(sizes.qvel)
        for name in "qpos qvel ctrl mocap_pos mocap_quat force xpos xquat cvel com xaxis xanchor dof_force".split():
            setattr(self, name, torch.from_numpy(getattr(self, "_" + name)))
        self._diverged = np.zeros(n, dtype=bool)
        self.diverged = torch.from_numpy(self._diverged)
        self._dirty = np.ones(n, dtype=bool)
        self._has_force = False
        self._bind()
        self.threads = num_threads or available_cores()
        self._pool = ThreadPoolExecutor(self.threads) if self.threads > 1 else None
        edges = np.linspace(0, n, min(n, self.threads * CHUNKS_PER_THREAD) + 1).astype(int)
        self._chunks = list(itertools.pairwise(edges))

    qpos: Tensor
    qvel: Tensor
    ctrl: Tensor
    mocap_pos: Tensor
    mocap_quat: Tensor
    force: Tensor
    xpos: Tensor
    xquat: Tensor
    cvel: Tensor
    com: Tensor
    xaxis: Tensor
    xanchor: Tensor
    dof_force: Tensor

    def _bind(self) -> None:
        """Pair each environment's slice of every buffer with the memory of its MjData, once."""
        self._state_in: list[list[tuple[np.ndarray, np.ndarray]]] = []
        self._ctrl_in: list[tuple[np.ndarray, np.ndarray]] = []
        self._force_in: list[tuple[np.ndarray, np.ndarray]] = []
        self._out: list[list[tuple[np.ndarray, np.ndarray]]] = []
        q = v = u = c = b = j = 0
        for m, d in zip(self.models, self.datas, strict=True):
            nb = m.nbody - 1
            qpos, qvel = self._qpos[q : q + m.nq], self._qvel[v : v + m.nv]
            qpos[:], qvel[:] = d.qpos, d.qvel
            mocap_pos, mocap_quat = self._mocap_pos[c : c + m.nmocap], self._mocap_quat[c : c + m.nmocap]
            mocap_pos[:], mocap_quat[:] = d.mocap_pos, d.mocap_quat
            self._state_in.append(
                [(d.qpos, qpos), (d.qvel, qvel), (d.mocap_pos, mocap_pos), (d.mocap_quat, mocap_quat)]
            )
            self._ctrl_in.append((d.ctrl, self._ctrl[u : u + m.nu]))
            self._force_in.append((d.xfrc_applied[1:], self._force[b : b + nb]))
            self._out.append(
                [
                    (qpos, d.qpos),
                    (qvel, d.qvel),
                    (self._xpos[b : b + nb], d.xpos[1:]),
                    (self._xquat[b : b + nb], d.xquat[1:]),
                    (self._cvel[b : b + nb], d.cvel[1:]),
                    (self._com[b : b + nb], d.subtree_com[1:]),
                    (self._xaxis[j : j + m.njnt], d.xaxis),
                    (self._xanchor[j : j + m.njnt], d.xanchor),
                    (self._dof_force[v : v + m.nv], d.qfrc_actuator),
                ]
            )
            q, v, u, c, b, j = q + m.nq, v + m.nv, u + m.nu, c + m.nmocap, b + nb, j + m.njnt

    def mark(self, ranks: Tensor) -> None:
        """The states of these environments (engine ranks) were written by the client."""
        self._dirty[ranks.numpy()] = True

    def mark_force(self) -> None:
        self._has_force = True

    def step(self, substeps: int) -> None:
        """Advance every environment whose state is finite by ``substeps`` physics steps."""
        self.forward()
        force = self._has_force

        def run(start: int, stop: int) -> None:
            step, kinematics, com_pos = mujoco.mj_step, mujoco.mj_kinematics, mujoco.mj_comPos
            com_vel, copyto = mujoco.mj_comVel, np.copyto
            for e in range(start, stop):
                if self._diverged[e]:
                    continue
                m, d = self.models[e], self.datas[e]
                copyto(*self._ctrl_in[e])
                if force:
                    copyto(*self._force_in[e])
                step(m, d, substeps)
                kinematics(m, d)
                com_pos(m, d)
                com_vel(m, d)
                for target, source in self._out[e]:
                    copyto(target, source)

        self._parallel(run)
        if force:
            self._force[:] = 0.0
            for target, _ in self._force_in:
                target[:] = 0.0
            self._has_force = False
        self._find_diverged()

    def forward(self) -> None:
        """Bring derived quantities of environments whose state was set up to date."""
        if not self._dirty.any():
            return
        for e in np.flatnonzero(self._dirty):
            m, d = self.models[e], self.datas[e]
            if self._diverged[e]:
                mujoco.mj_resetData(m, d)  # also clears what the diverged state left in the solver
                self._diverged[e] = False
            for target, source in self._state_in[e]:
                np.copyto(target, source)
            mujoco.mj_kinematics(m, d)
            mujoco.mj_comPos(m, d)
            mujoco.mj_comVel(m, d)
            for target, source in self._out[e]:
                np.copyto(target, source)
        self._dirty[:] = False

    def _parallel(self, run: Callable[[int, int], None]) -> None:
        if self._pool is None:
            run(0, len(self.models))
            return
        for future in [self._pool.submit(run, a, b) for a, b in self._chunks]:
            future.result()

    def _find_diverged(self) -> None:
        """Mark environments whose state is not finite, and show them as NaN all over."""
        if (np.abs(self._qpos[:-1]) < MAX_VALUE).all() and (np.abs(self._qvel[:-1]) < MAX_VALUE).all():
            return
        for e, out in enumerate(self._out):
            if not all((np.abs(target) < MAX_VALUE).all() for target, _ in out[:2]):
                self._diverged[e] = True
                for target, _ in out:
                    target[:] = np.nan

    def contact_forces(self) -> np.ndarray:
        """Net contact force on every body in the last substep, world axes, (bodies, 3) newtons."""
        total = np.zeros((self.sizes.bodies, 3))
        b = 0
        for m, d in zip(self.models, self.datas, strict=True):
            nb = m.nbody - 1
            if d.ncon:
                force = np.zeros((m.nbody, 3))
                wrench = np.empty(6)
                for i in range(d.ncon):
                    contact = d.contact[i]
                    mujoco.mj_contactForce(m, d, i, wrench)
                    world = contact.frame.reshape(3, 3).T @ wrench[:3]
                    force[m.geom_bodyid[contact.geom[0]]] -= world
                    force[m.geom_bodyid[contact.geom[1]]] += world
                total[b : b + nb] = force[1:]
            b += nb
        return total

    def mass_matrix(self, env: int) -> np.ndarray:
        """Joint-space inertia of one environment (engine rank), (nv, nv)."""
        m, d = self.models[env], self.datas[env]
        dense = np.empty((m.nv, m.nv))
        mujoco.mj_crb(m, d)
        mujoco.mj_fullM(m, d, dense)
        return dense

    def centres_of_mass(self) -> np.ndarray:
        """(bodies, 3) in the world frame."""
        return np.concatenate([d.xipos[1:] for d in self.datas])

    def first_qvel(self, env: int) -> int:
        """Entry of ``qvel`` at which an environment (engine rank) begins."""
        return sum(m.nv for m in self.models[:env])

    def replace_model(self, env: int, model: mujoco.MjModel) -> None:
        """Give one environment (engine rank) a model with other properties; its state stays."""
        self.models[env] = model

    def get_state(self) -> Tensor:
        """Everything the next step depends on, all environments in one float64 vector."""
        spec = mujoco.mjtState.mjSTATE_INTEGRATION
        parts = []
        self.forward()
        for m, d in zip(self.models, self.datas, strict=True):
            state = np.empty(mujoco.mj_stateSize(m, spec))
            mujoco.mj_getState(m, d, state, spec)
            parts.append(state)
        return torch.from_numpy(np.concatenate([*parts, self._diverged.astype(float)]))

    def set_state(self, state: Tensor) -> None:
        """The inverse of :meth:`get_state`."""
        spec = mujoco.mjtState.mjSTATE_INTEGRATION
        values, at = state.numpy(), 0
        expected = sum(mujoco.mj_stateSize(m, spec) for m in self.models) + len(self.models)
        if values.shape != (expected,):
            raise ValueError(f"the saved physics state has {values.size} numbers, this simulation needs {expected}")
        for e, (m, d) in enumerate(zip(self.models, self.datas, strict=True)):
            size = mujoco.mj_stateSize(m, spec)
            mujoco.mj_setState(m, d, values[at : at + size], spec)
            for target, source in self._state_in[e]:
                np.copyto(source, target)
            at += size
        self._dirty[:] = True
        self._diverged[:] = False
        self.forward()
        self._diverged[:] = values[at:] > 0
        for e in np.flatnonzero(self._diverged):
            for target, _ in self._out[e]:
                target[:] = np.nan

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quiet(message: str) -> None:
    """MuJoCo's warnings would fill a log file in the working directory; divergence is reported by ``diverged``."""
