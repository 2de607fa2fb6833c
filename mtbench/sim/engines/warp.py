"""MuJoCo Warp: each group of environments is one model with a world per environment, on a GPU or on Warp's CPU device.

Nothing is copied: the engine's buffers are torch tensors, and MuJoCo Warp's state, commands and derived quantities are views
of them. A step (all substeps, then the poses and velocities of the state that was reached) is captured once, for each group,
as a graph with MuJoCo Warp's conditional loops; several groups run on streams of their own. Where a graph cannot be
captured, the step runs as it is, and a warning says why.

Contacts and constraints have room for what :data:`CONTACTS` and :data:`CONSTRAINTS` say. An environment that would have
needed more is flagged in ``overflow``, and ``peak`` tells how much was needed.
"""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import mujoco
import numpy as np
import torch
import warp as wp
from torch import Tensor

from ..layout import Sizes
from ..scene import Group, mass_matrix
from .engine import Engine, own_sensors
from .worlds import OTHERS, STATE, Worlds

#: Room for contacts (mean over the environments of a group) and constraints (of each environment); docs/engines.md has what
#: was measured.
CONTACTS, CONSTRAINTS = 32, 192
#: How the constraints' Jacobian and the inertia are kept; auto: dense up to 32 DOFs.
JACOBIANS = {
    "auto": int(mujoco.mjtJacobian.mjJAC_AUTO),
    "dense": int(mujoco.mjtJacobian.mjJAC_DENSE),
    "sparse": int(mujoco.mjtJacobian.mjJAC_SPARSE),
}


class WarpEngine(Engine):
    """See :class:`.engine.Engine`. Buffers are float32; in addition

    Attributes:
        warmstart: (n,) accelerations from which the constraint solver starts.
        peak: (groups, 2) int32: most contacts of a group (or pairs that came near) and constraints of an environment.
        not_captured: why steps run without graphs, several times slower; empty where they run as graphs.
    """

    warmstart: Tensor

    def __init__(
        self,
        groups: list[Group],
        sizes: Sizes,
        device: torch.device | str = "cpu",
        contacts: int = 0,
        constraints: int = 0,
        jacobian: str = "auto",
    ) -> None:
        """``contacts``, ``constraints`` and ``jacobian``: see :class:`..datatypes.WarpParams`."""
        if jacobian not in JACOBIANS:
            raise ValueError(f"sim.warp.jacobian is {jacobian!r}; it must be one of {', '.join(JACOBIANS)}")
        wp.init()
        wp.config.log_level = wp.LOG_WARNING
        self.device = torch.device(device)
        self._warp_device = wp.device_from_torch(self.device)
        counts = {
            "qpos": sizes.qpos,
            "qvel": sizes.qvel,
            "ctrl": sizes.ctrl,
            "mocap_pos": sizes.mocap,
            "mocap_quat": sizes.mocap,
            **dict.fromkeys(("force", "xpos", "xquat", "xipos", "cvel", "com", "contact_force"), sizes.bodies),
            **dict.fromkeys(("xaxis", "xanchor"), sizes.joints),
            **dict.fromkeys(("dof_force", "warmstart"), sizes.qvel),
            "body_pos": sizes.bodies,
            "sensordata": sum(len(g.envs) * own_sensors(g.base) for g in groups),
        }
        widths = {name: width for name, (_, _, width) in (STATE | OTHERS).items()}
        widths |= {"contact_force": 3, "body_pos": 3, "sensordata": 1}
        for name, count in counts.items():
            rows = count + (name in STATE or name == "body_pos")  # a spare row where indices of absent parts point
            shape = (rows,) if widths[name] == 1 else (rows, widths[name])
            setattr(self, name, torch.zeros(shape, device=self.device))
        num_envs = sum(len(g.envs) for g in groups)
        self._flags = torch.zeros(num_envs + 1, dtype=torch.bool, device=self.device)  # one spare
        self.diverged = self._flags[:-1]
        self.overflow = torch.zeros(num_envs, dtype=torch.int32, device=self.device)
        self.peak = torch.zeros(len(groups), 2, dtype=torch.int32, device=self.device)
        at = dict.fromkeys([*counts, "env"], 0)
        self._groups = []
        for k, group in enumerate(groups):
            room = contacts or CONTACTS, constraints or CONSTRAINTS
            self._groups.append(Worlds(self, group, at, self.peak[k], *room, JACOBIANS[jacobian]))
        self._announce()
        self._stale = True
        self._graphs: dict[object, list[wp.Graph]] = {}
        self._main: wp.Stream | None = None
        #: why steps run without graphs; empty where they do not
        self.not_captured = ""
        if self._warp_device.is_cuda and not wp.is_conditional_graph_supported():
            self._without_conditions("conditional graph nodes need CUDA 12.4")
        # Kernels are compiled and loaded now, not in the middle of the first step; on this device, which need not be
        # the one that Warp takes by itself.
        start = self._snapshot()
        with wp.ScopedDevice(self._warp_device):
            for worlds in self._groups:
                worlds.step(1)
        self._restore(start)

    def _announce(self) -> None:
        """Say what takes so long."""
        if not any(Path(str(wp.config.kernel_cache_dir)).glob("wp_*")):
            sizes = ", ".join(f"{worlds.base.nv} DOFs" for worlds in self._groups)
            print(
                f"MuJoCo Warp compiles its kernels (models of {sizes}): a minute or two the first time on a machine",
                file=sys.stderr,
                flush=True,
            )

    def mark(self, ranks: Tensor | None) -> None:
        """The states of these environments (engine ranks; None: perhaps any, as after a replayed graph that called this)
        were written by the client."""
        if ranks is not None:
            self._flags.index_fill_(0, ranks, False)
        self._stale = True

    def mark_force(self) -> None:
        """Forces were written; every step sets them back to zero."""

    def step(self, substeps: int) -> None:
        """Advance every environment by ``substeps`` physics steps, and bring derived quantities up to date."""
        self.forward()  # MuJoCo Warp's welds read velocities of bodies before it computes those of the present state
        self._launch(substeps, lambda worlds: worlds.step(substeps))
        self._stale = False

    def forward(self) -> None:
        """Bring derived quantities up to date where states were set."""
        if self._stale:
            self._launch("forward", Worlds.forward)
            self._stale = False

    def _launch(self, key: object, work: Callable[[Worlds], None]) -> None:
        """Run the captured graph of ``work`` on every group, capturing it at the first call."""
        device = self._warp_device
        if key not in self._graphs and not self.not_captured:
            self._capture(key, work)
        if self.not_captured:
            self._launch_as_it_is(work)
            return
        graphs = self._graphs[key]
        if not device.is_cuda:
            for graph in graphs:
                wp.capture_launch(graph)
            return
        main = self._main_stream()
        if len(graphs) == 1:
            wp.capture_launch(graphs[0], stream=main)
            return
        for graph, worlds in zip(graphs, self._groups, strict=True):
            worlds.stream.wait_stream(main)
            wp.capture_launch(graph, stream=worlds.stream)
        for worlds in self._groups:
            main.wait_stream(worlds.stream)

    def _capture(self, key: object, work: Callable[[Worlds], None]) -> None:
        """Capture ``work`` with conditional loops, else with all iterations of a loop, else not at all."""
        for attempt in range(2):
            try:
                if self._warp_device.is_cuda:
                    torch.cuda.synchronize(self.device)
                graphs = []
                for worlds in self._groups:
                    with wp.ScopedDevice(self._warp_device), wp.ScopedCapture() as capture:
                        work(worlds)
                    graphs.append(capture.graph)
                self._graphs[key] = graphs
                return
            except Exception as error:  # a step that cannot be captured still runs
                reason = (str(error) or type(error).__name__).splitlines()[0]
                if attempt == 0:
                    self._without_conditions(reason)
        self.not_captured = reason
        warnings.warn(f"MuJoCo Warp runs without CUDA graphs, several times slower: {reason}", stacklevel=4)

    def _without_conditions(self, reason: str) -> None:
        """Let loops of the solver run to their last iteration, which needs no conditional nodes in a graph."""
        for worlds in self._groups:
            worlds.model.opt.graph_conditional = False
        warnings.warn(f"MuJoCo Warp's solver makes all of its iterations in every step, slowly: {reason}", stacklevel=5)

    def _launch_as_it_is(self, work: Callable[[Worlds], None]) -> None:
        device = self._warp_device
        if device.is_cuda:
            with wp.ScopedStream(self._main_stream()):
                for worlds in self._groups:
                    work(worlds)
        else:
            with wp.ScopedDevice(device):
                for worlds in self._groups:
                    work(worlds)

    def _main_stream(self) -> wp.Stream:
        """The stream that torch uses, so that what it wrote is read, and the other way round, without waiting."""
        current = torch.cuda.current_stream(self.device)
        if self._main is None or self._main.cuda_stream != current.cuda_stream:
            self._main = wp.stream_from_torch(current)
        return self._main

    # -- single environments -------------------------------------------------------------------------------------

    def _find(self, env: int) -> tuple[Worlds, int]:
        for worlds in self._groups:
            if env < worlds.num_envs:
                return worlds, env
            env -= worlds.num_envs
        raise IndexError("environment rank out of range")

    def model(self, env: int) -> mujoco.MjModel:
        """The model of one environment (engine rank), as it would be alone."""
        worlds, row = self._find(env)
        if not worlds.placed:
            return worlds.models[row]
        model = copy.copy(worlds.models[row])
        model.body_pos[:] = worlds.view("body_pos")[row].cpu().numpy()
        return model

    def data(self, env: int) -> mujoco.MjData:
        """One environment's state (engine rank) as an ``MjData`` of :meth:`model`, for drawing or inspection."""
        worlds, row = self._find(env)
        own, place = self.model(env), worlds.places[row]
        d = mujoco.MjData(own)
        d.qpos[:] = worlds.view("qpos")[row].cpu().numpy()[place.qpos]
        d.qvel[:] = worlds.view("qvel")[row].cpu().numpy()[place.dofs]
        d.ctrl[:] = worlds.view("ctrl")[row].cpu().numpy()[place.actuators]
        mocap = own.body_mocapid >= 0
        there = worlds.base.body_mocapid[place.bodies[mocap]]
        d.mocap_pos[own.body_mocapid[mocap]] = worlds.view("mocap_pos")[row].cpu().numpy()[there]
        d.mocap_quat[own.body_mocapid[mocap]] = worlds.view("mocap_quat")[row].cpu().numpy()[there]
        return d

    def mass_matrix(self, env: int) -> np.ndarray:
        """Joint-space inertia of one environment (engine rank), (nv, nv) of its group's structure."""
        worlds, row = self._find(env)
        own, place = worlds.models[row], worlds.places[row]
        d = self.data(env)
        mujoco.mj_forward(own, d)
        dense = np.eye(worlds.base.nv)
        dense[np.ix_(place.dofs, place.dofs)] = mass_matrix(own, d)
        return dense

    def first_qvel(self, env: int) -> int:
        """Entry of ``qvel`` at which an environment (engine rank) begins."""
        worlds, row = self._find(env)
        return worlds.first["qvel"] + row * worlds.base.nv

    def replace_models(self, models: Mapping[int, mujoco.MjModel]) -> None:
        """Give environments (engine ranks) models with other properties; their states stay."""
        parts: dict[Worlds, dict[int, mujoco.MjModel]] = {}
        for env, model in models.items():
            worlds, row = self._find(env)
            parts.setdefault(worlds, {})[row] = model
        for worlds, rows in parts.items():
            worlds.replace_models(rows)
        self._stale = True

    # -- saving --------------------------------------------------------------------------------------------------

    _SAVED = "qpos", "qvel", "mocap_pos", "mocap_quat", "warmstart"

    def get_state(self) -> Tensor:
        """Everything the next step depends on, all environments in one float64 vector on the CPU."""
        parts = [getattr(self, name).reshape(-1).double() for name in self._SAVED]
        return torch.cat([*parts, self.diverged.double()]).cpu()

    def set_state(self, state: Tensor) -> None:
        """The inverse of :meth:`get_state`."""
        buffers = [getattr(self, name) for name in self._SAVED] + [self.diverged]
        expected = sum(b.numel() for b in buffers)
        if state.shape != (expected,):
            raise ValueError(f"the saved physics state has {state.numel()} numbers, this simulation needs {expected}")
        for buffer, values in zip(buffers, state.split([b.numel() for b in buffers]), strict=True):
            buffer.copy_(values.view_as(buffer))
        self._stale = True
        self.forward()

    def _snapshot(self) -> list[Tensor]:
        return [getattr(self, name).clone() for name in self._SAVED]

    def _restore(self, values: list[Tensor]) -> None:
        for name, value in zip(self._SAVED, values, strict=True):
            getattr(self, name).copy_(value)
        for buffer in (self.diverged, self.overflow, self.peak):
            buffer.zero_()
        self._stale = True

    def close(self) -> None:
        """Free graphs, models and data, once the device is done with them."""
        if self._warp_device.is_cuda:
            torch.cuda.synchronize(self.device)
        self._graphs.clear()
        self._groups.clear()
