"""MuJoCo on the CPU: each group of environments is cut into ``mujoco.batch.Batch`` of one thread, spread over all cores.

Fifty scenes are fifty small groups: one after the other on all cores, they would wait fifty times for the slowest thread.

A step ends with the position and velocity stages of the state it reached (MuJoCo's derived quantities otherwise lag one
substep behind), and the next step continues from them, so fresh poses cost nothing.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import mujoco
import numpy as np
import torch
from mujoco.batch import Batch, SimulationError
from torch import Tensor

from .. import force_sensors
from ..layout import Sizes
from ..padding import run_models
from ..scene import CONTACT_SENSOR, Group, mass_matrix
from .engine import Engine, own_sensors

#: At least so many batches for each thread, so that the last ones to finish leave little idle.
BATCHES_A_THREAD = 4
#: And at most so many environments in each: MuJoCo copies out a whole batch whatever part of it is asked for, and a call on
#: one actor shall not take longer among more environments.
LARGEST_BATCH = 64
#: A coordinate or velocity beyond this is a diverged simulation, as in MuJoCo (mjMAXVAL). So is a command, for which MuJoCo
#: would set all of the environment to zero.
MAX_VALUE = 1e10
INPUTS = ("qpos", "qvel", "ctrl", "mocap_pos", "mocap_quat", "force", "body_pos")
VELOCITY_STAGE = mujoco.mjtStage.mjSTAGE_VEL.value
NO_STAGE = mujoco.mjtStage.mjSTAGE_NONE.value


class CpuEngine(Engine):
    """See :class:`.engine.Engine`. State and inputs are float64, derived quantities float32. Nothing overflows: MuJoCo on the
    CPU makes room for the contacts it finds.

    Attributes:
        force_sensor: (bodies with sensors, 15), which force sensors need.
    """

    device = torch.device("cpu")
    tells_accelerations = True

    def __init__(self, groups: list[Group], sizes: Sizes, num_threads: int = 0) -> None:
        mujoco.set_mju_user_warning(_quiet)
        shapes = {
            "qpos": (sizes.qpos + 1,),
            "qvel": (sizes.qvel + 1,),
            "ctrl": (sizes.ctrl + 1,),
            "mocap_pos": (sizes.mocap + 1, 3),
            "mocap_quat": (sizes.mocap + 1, 4),
            "force": (sizes.bodies, 6),
            "xpos": (sizes.bodies, 3),
            "xquat": (sizes.bodies, 4),
            "xipos": (sizes.bodies, 3),
            "cvel": (sizes.bodies, 6),
            "com": (sizes.bodies, 3),
            "xaxis": (sizes.joints, 3),
            "xanchor": (sizes.joints, 3),
            "dof_force": (sizes.qvel,),
            "contact_force": (sizes.bodies, 3),
            "force_sensor": (
                sum(len(g.envs) * force_sensors.first_number(g.base)[1] for g in groups),
                force_sensors.WIDTH,
            ),
            "body_pos": (sizes.bodies + 1, 3),
            "sensordata": (sum(len(g.envs) * own_sensors(g.base) for g in groups),),
        }
        self._buffers = {
            name: np.zeros(shape, np.float64 if name in INPUTS else np.float32) for name, shape in shapes.items()
        }
        for name, values in self._buffers.items():
            setattr(self, name, torch.from_numpy(values))
        count = sum(len(g.envs) for g in groups)
        self._diverged, self._dirty = np.zeros(count, dtype=bool), np.ones(count + 1, dtype=bool)  # one spare
        self.diverged = torch.from_numpy(self._diverged)
        self.overflow = torch.zeros(count, dtype=torch.int32)
        self._has_force = False
        self._qacc: Tensor | None = None  # until it is asked for
        threads = num_threads or available_cores()
        at = dict.fromkeys([*shapes, "env"], 0)
        size = min(max(1, -(-count // (BATCHES_A_THREAD * threads))), LARGEST_BATCH)
        self._batches = [
            _Batch(models[first : first + size], at, self._buffers, self._dirty, self._diverged, group)
            for group, models in zip(groups, map(run_models, groups), strict=True)
            for first in range(0, len(models), size)
        ]
        self._first_env = [batch.first["env"] for batch in self._batches]
        self._largest_first = sorted(self._batches, key=lambda batch: -len(batch.models))
        self._pool = ThreadPoolExecutor(threads, "physics") if threads > 1 else None

    def mark(self, ranks: Tensor | None) -> None:
        """The states of these environments (engine ranks; None: all) were written by the client."""
        self._dirty[slice(None) if ranks is None else ranks.numpy()] = True

    def mark_force(self) -> None:
        self._has_force = True

    def step(self, substeps: int) -> None:
        """Advance every environment whose state is finite by ``substeps`` physics steps."""
        self.forward()
        if not (np.abs(self._buffers["ctrl"][:-1]) < MAX_VALUE).all():
            for batch in self._batches:
                batch.flag_commands()
        self._run(lambda batch: batch.step(substeps, self._has_force), self._largest_first)
        if self._has_force:
            self._buffers["force"][:] = 0.0
            self._has_force = False

    def forward(self) -> None:
        """Bring derived quantities of environments whose state was set up to date."""
        self._run(_Batch.forward, [batch for batch in self._largest_first if batch.dirty.any()])

    def accelerations(self, ranks: Tensor) -> Tensor:
        """``qacc`` (as ``qvel``) that some environments would have with the commands and forces as they are. Others keep
        those of the last call."""
        if self._qacc is None:
            self._qacc = torch.zeros_like(self.qvel)
        wanted = np.zeros(len(self._diverged), dtype=bool)
        wanted[ranks.numpy()] = True
        qacc = self._qacc.numpy()
        batches = [batch for batch in self._largest_first if wanted[batch.span].any()]
        self._run(lambda batch: batch.accelerate(wanted[batch.span], self._has_force, qacc), batches)
        return self._qacc

    def _run(self, work: Callable[[_Batch], None], batches: list[_Batch]) -> None:
        """Do this for each batch, on all threads; MuJoCo leaves Python's lock while it computes."""
        for _ in self._pool.map(work, batches) if self._pool and len(batches) > 1 else map(work, batches):
            pass

    def _find(self, env: int) -> tuple[_Batch, int]:
        batch = self._batches[bisect_right(self._first_env, env) - 1]
        return batch, env - batch.first["env"]

    def model(self, env: int) -> mujoco.MjModel:
        """The model of one environment (engine rank)."""
        batch, row = self._find(env)
        return batch.batch.get_model(row) if batch.placed else batch.models[row]

    def data(self, env: int) -> mujoco.MjData:
        """A copy of one environment's whole ``MjData`` (engine rank), for drawing or inspection."""
        batch, row = self._find(env)
        return batch.batch.get_data(row, mujoco.MjData(batch.models[row]))

    def mass_matrix(self, env: int) -> np.ndarray:
        """Joint-space inertia of one environment (engine rank), (nv, nv)."""
        return mass_matrix(self.model(env), self.data(env))

    def first_qvel(self, env: int) -> int:
        """Entry of ``qvel`` at which an environment (engine rank) begins."""
        batch, row = self._find(env)
        return batch.first["qvel"] + row * batch.models[row].nv

    def replace_models(self, models: Mapping[int, mujoco.MjModel]) -> None:
        """Give environments (engine ranks) models with other properties; their states stay."""
        touched = set()
        for env, model in models.items():
            batch, row = self._find(env)
            batch.models[row] = model
            touched.add(batch)
            self._dirty[env] = True
        for batch in touched:
            batch.batch.set_models(batch.models)

    def set_gravity(self, gravity: np.ndarray) -> None:
        for batch in self._batches:
            if batch.placed:
                batch.batch.expand("opt.gravity")[:] = gravity
                continue
            for model in {id(m): m for m in batch.models}.values():
                model.opt.gravity[:] = gravity
            batch.batch.set_models(batch.models)
        self._dirty[:-1] = True

    def get_state(self) -> Tensor:
        """Everything the next step depends on, all environments in one float64 vector."""
        self.forward()
        rows = [batch.batch.state.ravel() for batch in self._batches]
        return torch.from_numpy(np.concatenate([*rows, self._diverged.astype(float)]))

    def set_state(self, state: Tensor) -> None:
        """The inverse of :meth:`get_state`."""
        values, at = state.numpy(), 0
        expected = sum(batch.batch.state.size for batch in self._batches) + len(self._diverged)
        if values.shape != (expected,):
            raise ValueError(f"the saved physics state has {values.size} numbers, this simulation needs {expected}")
        for batch in self._batches:
            size = batch.batch.state.size
            batch.batch.state[:] = values[at : at + size].reshape(batch.batch.state.shape)
            batch.read_state()
            at += size
        self._diverged[:] = False
        self._dirty[:] = True
        self.forward()
        self._diverged[:] = values[at:] > 0
        for batch in self._batches:
            batch.hide_diverged()

    def close(self) -> None:
        """Free the models' data and threads."""
        if self._pool:
            self._pool.shutdown()
        self._batches.clear()
        self._largest_first.clear()


class _Batch:
    """Some environments of one group and their rows of the engine's buffers, stepped by one thread."""

    def __init__(
        self,
        models: list[mujoco.MjModel],
        at: dict[str, int],
        buffers: dict[str, np.ndarray],
        dirty: np.ndarray,
        diverged: np.ndarray,
        group: Group,
    ) -> None:
        self.models, n, m = list(models), len(models), models[0]
        self.first = dict(at)  #: its first rows
        self.span = slice(at["env"], at["env"] + n)  #: engine ranks
        self.driven, self.placed = group.driven, group.placed
        self._qacc: np.ndarray | None = None  # bound when it is asked for: each output costs in every step
        self.batch = Batch(m, nsim=n, nthread=1, persistent=True)
        if not self.placed:
            self.batch.set_models(self.models)
        counts = {"qpos": m.nq, "qvel": m.nv, "ctrl": m.nu, "dof_force": m.nv, "env": 1}
        counts |= dict.fromkeys(("mocap_pos", "mocap_quat"), m.nmocap)
        counts |= dict.fromkeys(
            ("force", "xpos", "xquat", "xipos", "cvel", "com", "contact_force", "body_pos"), m.nbody
        )
        counts["sensordata"] = own_sensors(m)
        counts |= dict.fromkeys(("xaxis", "xanchor"), m.njnt)
        first, counts["force_sensor"] = force_sensors.first_number(m)

        def rows(name: str) -> np.ndarray:
            """This group's part of a buffer, (n, per environment, ...)."""
            first, size = at[name], counts[name]
            part = buffers[name][first : first + n * size]
            return part.reshape(n, size, *part.shape[1:])

        bind = self.batch.bind
        # (batch's array, engine's array): state goes in both ways, derived quantities come out only
        self.state = [(bind(k), rows(k)) for k in ("qpos", "qvel", "mocap_pos", "mocap_quat")]
        self.ctrl = bind("ctrl"), rows("ctrl")
        self.force = bind("xfrc_applied"), rows("force")
        bodies = {"xpos": "xpos", "xquat": "xquat", "xipos": "xipos", "cvel": "cvel", "subtree_com": "com"}
        self.derived = [(bind(k), rows(v)) for k, v in bodies.items()]
        self.derived += [(bind("xaxis"), rows("xaxis")), (bind("xanchor"), rows("xanchor"))]
        self.derived.append((bind("qfrc_actuator"), rows("dof_force")))
        if counts["sensordata"]:
            self.derived.append((bind("sensordata"), rows("sensordata")))
        elif m.nsensor and m.sensor(0).name.startswith(CONTACT_SENSOR):
            contacts = bind("sensordata")[:, : 3 * (m.nbody - 1)].reshape(n, m.nbody - 1, 3)
            self.derived.append((contacts, rows("contact_force")[:, 1:]))
        if counts["force_sensor"]:
            forces = bind("sensordata")[:, first : first + force_sensors.WIDTH * counts["force_sensor"]]
            self.derived.append((forces.reshape(n, -1, force_sensors.WIDTH), rows("force_sensor")))
        self.body_pos = (self.batch.expand("body_pos"), rows("body_pos")) if self.placed else None
        if self.body_pos:
            self.body_pos[1][:] = self.body_pos[0]
        self.dirty = dirty[at["env"] : at["env"] + n]
        self.diverged = diverged[at["env"] : at["env"] + n]
        self.read_state()
        for name, size in counts.items():
            at[name] += n * size

    def read_state(self) -> None:
        """Batch to engine."""
        for inner, outer in self.state:
            outer[:] = inner

    def flag_commands(self) -> None:
        """Let environments whose commands are not finite be diverged."""
        self.diverged |= ~(np.abs(self.ctrl[1]) < MAX_VALUE).all(axis=1)

    def step(self, substeps: int, with_force: bool) -> None:
        inner, outer = self.ctrl
        inner[:] = outer
        if self.driven:
            for inner, outer in self.state[2:]:
                inner[:] = outer
        if with_force:
            inner, outer = self.force
            inner[:] = outer
        try:
            self.batch.step(~self.diverged if self.diverged.any() else None, substeps, VELOCITY_STAGE)
        except SimulationError as error:
            self.diverged[error.ids] = True
        if with_force:
            self.force[0][:] = 0.0
        for inner, outer in self.state[:2]:
            outer[:] = inner
        for inner, outer in self.derived:
            outer[:] = inner
        (_, qpos), (_, qvel) = self.state[:2]
        if self.diverged.any() or not ((np.abs(qpos) < MAX_VALUE).all() and (np.abs(qvel) < MAX_VALUE).all()):
            fine = (np.abs(qpos) < MAX_VALUE).all(axis=1) & (np.abs(qvel) < MAX_VALUE).all(axis=1)
            self.diverged |= ~fine
            self.hide_diverged()

    def accelerate(self, wanted: np.ndarray, with_force: bool, out: np.ndarray) -> None:
        """Write the accelerations of ``wanted`` environments that have not diverged into ``out`` (as ``qvel``)."""
        ids = np.flatnonzero(wanted & ~self.diverged)
        for inner, outer in (
            self.ctrl,
            *(self.state[2:] if self.driven else ()),
            *([self.force] if with_force else ()),
        ):
            inner[:] = outer
        n, nv = len(self.models), self.models[0].nv
        rows = out[self.first["qvel"] : self.first["qvel"] + n * nv].reshape(n, nv)
        if self._qacc is None:
            self._qacc = self.batch.bind("qacc")
        try:
            self.batch.forward(ids)
        except SimulationError:
            pass  # the step will find the same
        rows[ids] = np.nan_to_num(self._qacc[ids], posinf=0.0, neginf=0.0)
        if with_force:
            self.force[0][:] = 0.0

    def forward(self) -> None:
        """Take over states the client wrote, and compute what follows from them."""
        ids = np.flatnonzero(self.dirty)
        again = np.flatnonzero(self.dirty & self.diverged)
        if len(again):  # also forget what the diverged state left in the solver
            self.batch.reset(again, stage=NO_STAGE)
        for inner, outer in (*self.state, *([self.body_pos] if self.body_pos else [])):
            inner[ids] = outer[ids]
        self.dirty[:] = False
        self.diverged[ids] = False
        try:
            self.batch.forward(ids, VELOCITY_STAGE)
        except SimulationError as error:
            self.diverged[error.ids] = True
        for inner, outer in (*self.state, *self.derived):
            outer[ids] = inner[ids]
        self.hide_diverged()

    def hide_diverged(self) -> None:
        """Show diverged environments as NaN all over."""
        if self.diverged.any():
            for _, outer in (*self.state[:2], *self.derived):
                outer[self.diverged] = np.nan


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quiet(message: str) -> None:
    """MuJoCo's warnings would fill a log file in the working directory; divergence is reported by ``diverged``."""
