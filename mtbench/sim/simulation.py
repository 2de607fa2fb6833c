"""The state of a simulation as the Tensor API shows it: flat float32 tensors, filled on refresh, written by setters.

Everything here is a gather, a scatter or plain arithmetic over whole tensors; engines do the physics. Bodies have a module of
their own (:mod:`.bodies`), and so have Jacobians and mass matrices (:mod:`.articulations`).
"""

from __future__ import annotations

import time
from collections import Counter
from copy import deepcopy

import mujoco
import numpy as np
import torch
from torch import Tensor

from .articulations import Articulations
from .bodies import Bodies
from .cameras import Studio
from .datatypes import SimParams
from .divergence import DivergenceGuard
from .drives import Drives
from .engines import make_engine
from .engines.engine import Engine
from .force_sensors import ForceSensors
from .ground import Ground
from .handles import call
from .layout import Layout, build_layout
from .scene import Actor, Env, build_groups, changed_inertias, with_properties
from .start import root_state, write_commands


class Simulation:
    """Environments under construction until :meth:`prepare`, then flat tensors over an engine."""

    def __init__(self, params: SimParams, device: str = "cpu") -> None:
        self.params = deepcopy(params)
        self.device = torch.device(device)
        self.ground = Ground()
        self.envs: list[Env] = []
        self.actors: list[Actor] = []  # creation order; position is the DOMAIN_SIM index
        self.actor_env: list[Env] = []
        self.frame = 0
        self.created = time.monotonic()
        self.textures = 0  # handles given out
        self.bodies = Bodies(self)
        self.articulations = Articulations(self)
        self._force_sensors: ForceSensors | None = None
        self._studio: Studio | None = None
        self.engine: Engine | None = None
        self.destroyed = False
        #: actors named that do not exist, counted on a GPU, where refusing them at once would be to wait for it
        self.refused = torch.zeros((), dtype=torch.int64, device=self.device)
        self._changed_envs: dict[int, Env] = {}  # by index: those with properties that the engine has not been given
        self._first: dict[str, list[int]] = {"actors": [0], "bodies": [0], "dofs": [0]}

    def first(self, env: Env, what: str) -> int:
        """Index in the flat tensors at which the ``actors``, ``bodies`` or ``dofs`` of an environment begin."""
        starts = self._first[what]
        while len(starts) <= env.index:
            last = self.envs[len(starts) - 1]
            sizes = {"actors": len(last.actors), "bodies": last.num_bodies, "dofs": last.num_dofs}
            starts.append(starts[-1] + sizes[what])
        return starts[env.index]

    def actor_created(self, env: Env) -> None:
        """Later environments begin elsewhere now."""
        for starts in self._first.values():
            del starts[env.index + 1 :]

    @property
    def prepared(self) -> bool:
        return self.engine is not None

    def prepare(self) -> None:
        """Group environments, compile models and allocate every tensor."""
        if self.prepared:
            return
        if self.destroyed:
            raise RuntimeError("the simulation has been destroyed (destroy_sim)")
        if not self.envs:
            raise ValueError("the simulation has no environments; create_env and create_actor come before prepare_sim")
        # Actors may have been created in any order; tensors go env by env.
        self.actors = [a for env in self.envs for a in env.actors]
        self.actor_env = [env for env in self.envs for _ in env.actors]
        self._start_engine(contact_sensors=False)
        n, b, d = len(self.actors), len(self.layout.body_row), len(self.layout.dof_qpos) - 1
        self.root_state, self.dof_state = self._zeros(n, 13), self._zeros(d, 2)
        self.body_state, self.contact_force = self._zeros(b, 13), self._zeros(b, 3)
        self.dof_force = self._zeros(d)
        # One spare entry, so that padded indices of actors with fewer DOFs have somewhere to go.
        self.position_target, self.velocity_target, self.effort = (self._zeros(d + 1) for _ in range(3))
        #: efforts of the calls on one actor or DOF: they add up to the next step, and end with it
        self.applied_effort, self._applied = self._zeros(d + 1), False
        self._drives = Drives(d, self._engine.qpos)
        self._read_drives(self.envs)
        self._set_initial_state()
        self._guard = DivergenceGuard(self._engine, self.layout) if self.params.keep_finite else None
        self.refresh_bodies()
        self.refresh_roots()
        self.refresh_dofs()

    def destroy(self) -> None:
        """Free the engine; nothing can be done with the simulation afterwards."""
        if self.engine is not None:
            self.engine.close()
        self.engine, self.destroyed = None, True

    def _start_engine(self, contact_sensors: bool) -> None:
        """Compile the models and start an engine on them, which takes over the state of the one before."""
        if self.device.type != "cpu" or self.params.warp.enabled:
            for part, there in (
                ("force sensors are measured", any(actor.asset.force_sensors for actor in self.actors)),
                ("attractors pull", any(env.attractors for env in self.envs)),
            ):
                if there:
                    raise NotImplementedError(f"{part} on the CPU engine alone; use pipeline and device cpu")
        state = {}
        if self.engine is not None:
            names = "qpos", "qvel", "mocap_pos", "mocap_quat", "force"
            state = {name: getattr(self.engine, name).clone() for name in names}
            self.engine.close()
            self.engine = None  # before the next one needs the room
        self._changed_envs.clear()
        self._changed_inertias = changed_inertias(self.envs)
        groups = build_groups(self.envs, self.params, self.ground, contact_sensors)
        self.engine, groups = make_engine(groups, self.params, self.device, contact_sensors)
        models = [model for group in groups for model in group.models]
        shared = Counter(map(id, models))
        self._own_models = {
            rank for rank, model in enumerate(models) if shared[id(model)] == 1
        }  # may be written in place
        self.layout: Layout = build_layout(self.envs, groups, self.device)
        self.contact_sensors = contact_sensors
        self.bodies.begin()
        for name, values in state.items():
            getattr(self.engine, name).copy_(values)
            self.engine.mark_force()

    def studio(self) -> Studio:
        """What draws the cameras."""
        if self._studio is None:
            self._studio = Studio(self)
        return self._studio

    def close_studio(self) -> None:
        """Free what draws, if anything was drawn."""
        if self._studio is not None:
            self._studio.close()

    def measure_forces(self) -> ForceSensors:
        """The force sensors, numbered at the first use."""
        self.prepare()
        if self._force_sensors is None:
            self._force_sensors = ForceSensors(self)
        return self._force_sensors

    def measure_contacts(self) -> None:
        """Contact forces cost time in every step, so models have the sensors only once a client asks for the tensor."""
        if not self.contact_sensors:
            self._engine  # noqa: B018 (properties first, on the structure they were set on)
            self._start_engine(contact_sensors=True)

    def _zeros(self, *shape: int) -> Tensor:
        assert self.engine is not None
        return torch.zeros(shape, device=self.engine.device)

    @property
    def _engine(self) -> Engine:
        if self.engine is None:
            wrong = "the simulation has been destroyed (destroy_sim)" if self.destroyed else "call prepare_sim first"
            raise RuntimeError(f"{call()}: {wrong}")
        if self._changed_envs:
            self._give_properties(self.engine)
        return self.engine

    def _read_drives(self, envs: list[Env]) -> None:
        """Take the drives in some environments from their properties."""
        self._drives.read(envs, [self.first(env, "dofs") for env in envs])

    def _set_initial_state(self) -> None:
        rows = [root_state(actor) for actor in self.actors]
        self.set_roots(torch.tensor(rows, device=self.device).reshape(-1, 13), None)
        begun = [(k, actor.start) for k, actor in enumerate(self.actors) if actor.start is not None]
        if not begun:
            return
        dofs, state = self.layout.actor_dofs, torch.zeros(len(self.dof_state) + 1, 2, device=self.device)
        for k, start in begun:
            own = dofs[k, : len(start.dofs)]
            state[own] = torch.from_numpy(start.dofs).to(self.device)
            for name, values in start.commands.items():
                getattr(self, name)[own] = torch.from_numpy(values).to(self.device)
        self._applied = bool(self.applied_effort.any())
        self.set_dofs(state[:-1], None)

    # -- stepping ------------------------------------------------------------------------------------------------

    def simulate(self) -> None:
        """Step by ``dt``.

        A drive's force is kp (p* - q) + kd (v* - v), with the position and velocity at the end of each substep (see
        :mod:`.drives`), or the effort: the tensor's, which stays, and what calls on one actor or DOF have added. Where
        contacts are implicit and drives have limits, they are commanded anew in each substep.
        """
        substeps, engine, drives = self.params.substeps, self._engine, self._drives
        anew = self.params.implicit_contacts and drives.limited
        times = substeps if anew else 1
        effort = self.effort + self.applied_effort if self._applied else self.effort
        targets = self.position_target[:-1], self.velocity_target[:-1], effort[:-1]
        h, dofs = self.params.dt / substeps, self.layout.dof_qvel[:-1]
        force = engine.force.clone() if times > 1 else None
        if self._guard is not None:
            self._guard.remember(engine)
        for k in range(times):
            if k:
                assert force is not None
                engine.force.copy_(force)  # which the engine has set to zero
                engine.mark_force()
            drives.command(engine, self.layout, targets, h, substeps // times)
            before = engine.qvel[dofs] if anew else None
            engine.step(substeps // times)
        if before is not None:
            drives.note_absorbed(engine.qvel[dofs] - before, h)
        if self._guard is not None and (ranks := self._guard.restore(engine)) is not None:
            engine.mark(ranks)
        if self._applied:
            self.applied_effort.zero_()
            self._applied = False
        self.bodies.all_moved()
        self.frame += 1

    # -- reading -------------------------------------------------------------------------------------------------

    def refresh_bodies(self) -> None:
        states = self.bodies.states()
        self.body_state.copy_(states)

    def refresh_roots(self) -> None:
        self._engine.forward()
        self.root_state[:] = self.bodies.states_at(self.layout.root_body)

    def diverged(self) -> Tensor:
        """Environments whose state stopped being finite and was not set since, (E,) bool."""
        return self._engine.diverged[self.layout.env_rank]

    def refresh_dofs(self) -> None:
        engine, layout = self._engine, self.layout
        self.dof_state[:, 0] = engine.qpos[layout.dof_qpos[:-1]]
        self.dof_state[:, 1] = engine.qvel[layout.dof_qvel[:-1]]

    def dofs_at(self, rows: slice) -> Tensor:
        """States of some DOFs of this moment, (rows, 2)."""
        engine, layout = self._engine, self.layout
        return torch.stack([engine.qpos[layout.dof_qpos[rows]], engine.qvel[layout.dof_qvel[rows]]], 1).float()

    def dof_forces_at(self, rows: slice) -> Tensor:
        """Forces of some DOFs in the last substep, (rows,)."""
        return self._engine.dof_force[self.layout.dof_qvel[:-1][rows]] - self._drives.absorbed[rows]

    def contact_forces_at(self, rows: slice) -> Tensor:
        """Net contact forces on some bodies in the last substep, (rows, 3)."""
        self._engine.forward()
        # MuJoCo's sensor gives the force the body exerts.
        return -self._engine.contact_force[self.layout.body_row[rows]]

    def refresh_dof_forces(self) -> None:
        self.dof_force[:] = self.dof_forces_at(slice(None))

    def refresh_contact_forces(self) -> None:
        self.contact_force[:] = self.contact_forces_at(slice(None))

    def take_overflow(self) -> Tensor:
        """Environments in which contacts or constraints were left out since the last call, for want of room, scalar."""
        return self._engine.take_overflow()

    def take_diverged(self) -> Tensor:
        """How many times an environment was put back since the last call because it had diverged, scalar."""
        if self._guard is None:
            return torch.zeros((), dtype=torch.int64, device=self.device)
        count = self._guard.count.clone()
        self._guard.count.zero_()
        return count

    def take_refused(self) -> Tensor:
        """Indices left out since the last call because they named no actor (on a GPU), scalar."""
        count = self.refused.clone()
        self.refused.zero_()
        return count

    def settle(self) -> None:
        """States may have been written without a call of this object: compute what follows from them."""
        self.bodies.all_moved()
        self._engine.mark(None)
        self._engine.forward()

    # -- writing -------------------------------------------------------------------------------------------------

    def set_roots(self, state: Tensor, actors: Tensor | None) -> None:
        """Write root states: ``state`` (N, 13) for all actors, of which only ``actors`` (indices) are taken."""
        engine, layout = self._engine, self.layout
        index = self._actor_index(actors)
        values = state[index.clamp(max=len(self.actors) - 1)].to(engine.qpos.dtype)
        quat = torch.nn.functional.normalize(values[:, 3:7], dim=1)
        wxyz = torch.cat([quat[:, 3:], quat[:, :3]], dim=1)
        # A free joint's angular velocity is expressed in the body's axes.
        u, w, omega = -quat[:, :3], quat[:, 3:], values[:, 10:13]
        t = 2.0 * torch.linalg.cross(u, omega)
        local = omega + w * t + torch.linalg.cross(u, t)
        engine.qpos[layout.root_qpos[index]] = torch.cat([values[:, :3], wxyz], dim=1)
        engine.qvel[layout.root_qvel[index]] = torch.cat([values[:, 7:10], local], dim=1)
        engine.mocap_pos[layout.root_mocap[index]] = values[:, :3]
        engine.mocap_quat[layout.root_mocap[index]] = wxyz
        self._mark(layout.actor_env[index])

    def set_dofs(self, state: Tensor, actors: Tensor | None) -> None:
        """Write DOF states: ``state`` (D, 2) for all DOFs, of which only those of ``actors`` are taken."""
        engine, layout = self._engine, self.layout
        index, dofs = self._actor_dofs(actors)
        values = state.reshape(-1, 2)[dofs.clamp(max=len(self.dof_state) - 1)].to(engine.qpos.dtype)
        engine.qpos[layout.dof_qpos[dofs]] = values[:, 0]
        engine.qvel[layout.dof_qvel[dofs]] = values[:, 1]
        self._mark(layout.actor_env[index])

    def set_dofs_at(self, rows: slice, state: Tensor, env: Env) -> None:
        """Write the states (rows, 2) of some DOFs of one environment."""
        engine, layout = self._engine, self.layout
        engine.qpos[layout.dof_qpos[rows]] = state[:, 0].to(engine.qpos)
        engine.qvel[layout.dof_qvel[rows]] = state[:, 1].to(engine.qvel)
        self._mark(layout.env_rank[env.index : env.index + 1])

    def _mark(self, ranks: Tensor) -> None:
        """The client wrote states of these environments (engine ranks)."""
        self.bodies.moved(ranks)
        self._engine.mark(ranks)

    def set_command(self, target: Tensor, values: Tensor, actors: Tensor | None) -> None:
        """Write drive commands into ``target`` (one of the three command tensors)."""
        if actors is None:
            target[:-1] = values.reshape(-1)
        else:
            _, dofs = self._actor_dofs(actors)
            target[dofs] = values.reshape(-1)[dofs.clamp(max=len(self.dof_state) - 1)]

    def set_commands_at(self, which: str, rows: slice | int, values: Tensor | float) -> None:
        """Write commands (one of :data:`.start.COMMANDS`) of some DOFs."""
        write_commands(getattr(self, which), which, rows, values)
        self._applied |= which == "applied_effort"

    def _actor_index(self, actors: Tensor | None) -> Tensor:
        """Rows of the layout's tables; a negative index names no actor and gives the spare row. So does one past the end,
        which the CPU has refused before and a GPU counts, since to look at it would be to wait for it."""
        count = len(self.actors)
        if actors is None:
            return torch.arange(count, device=self.device)
        index = actors.to(self.device, torch.long)
        if self.device.type != "cpu":
            self.refused += (index >= count).sum()
        return torch.where((index < 0) | (index >= count), count, index)

    def _actor_dofs(self, actors: Tensor | None) -> tuple[Tensor, Tensor]:
        """Actors, and their DOFs, among which the spare one fills up."""
        index = self._actor_index(actors)
        return index, self.layout.actor_dofs[index].reshape(-1)

    # -- changes after preparation -------------------------------------------------------------------------------

    def change_params(self, params: SimParams) -> None:
        """Give the models the gravity of ``params``, of which nothing else that acts may differ from what they have."""
        for name in ("dt", "substeps", "friction_cone", "implicit_contacts", "keep_finite", "use_gpu_pipeline", "warp"):
            now, wanted = getattr(self.params, name), getattr(params, name)
            if now != wanted:
                raise NotImplementedError(
                    f"gym.set_sim_params after prepare_sim cannot change {name} from {now} to {wanted}; gravity alone"
                )
        gravity = np.array([params.gravity.x, params.gravity.y, params.gravity.z])
        if not np.isfinite(gravity).all():
            raise ValueError(f"gym.set_sim_params: gravity is three finite numbers (m/s^2), not {gravity.tolist()}")
        if params.gravity != self.params.gravity:
            self._engine.set_gravity(gravity)

    def properties_changed(self, env: Env) -> None:
        """Properties of one of ``env``'s actors were set. The environment is given a model with them before the engine is
        used again, once for all calls until then."""
        if self.prepared:
            self._changed_envs[env.index] = env

    def _give_properties(self, engine: Engine) -> None:
        """Pass on what :meth:`properties_changed` has noted."""
        changed = list(self._changed_envs.values())
        if changed_inertias(changed) - self._changed_inertias:
            # Their bodies were compiled for the inertia they had (see ``build_model``): once for each asset, start anew.
            self._read_drives(changed)
            self._start_engine(self.contact_sensors)
        else:
            self._changed_envs.clear()
            self._read_drives(changed)
            ranks = self.layout.env_rank[[env.index for env in changed]].tolist()
            scratch: dict[tuple, mujoco.MjData] = {}  # by structure
            models = {}
            for rank, env in zip(ranks, changed, strict=True):
                base, structure = engine.model(rank), env.structure()
                if structure not in scratch:
                    scratch[structure] = mujoco.MjData(base)
                models[rank] = with_properties(base, env, scratch[structure], in_place=rank in self._own_models)
            self._own_models.update(ranks)
            engine.replace_models(models)
        self.bodies.all_moved()
        if self._force_sensors is not None:
            self._force_sensors.read_masses()

    def inspect(self, env: int) -> tuple[mujoco.MjModel, mujoco.MjData]:
        """MuJoCo's model of an environment (by index) and a copy of its data, poses and contacts up to date."""
        rank = int(self.layout.env_rank[env])
        model, data = self._engine.model(rank), self._engine.data(rank)
        mujoco.mj_forward(model, data)
        return model, data

    def get_state(self) -> dict[str, Tensor]:
        """Physics and commands, so that a simulation set to it continues exactly."""
        return {
            "physics": self._engine.get_state(),
            "position_target": self.position_target.clone(),
            "velocity_target": self.velocity_target.clone(),
            "effort": self.effort.clone(),
            "applied_effort": self.applied_effort.clone(),
            "frame": torch.tensor(self.frame),
        }

    def set_state(self, state: dict[str, Tensor]) -> None:
        self._engine.set_state(state["physics"])
        self.bodies.all_moved()
        self.position_target.copy_(state["position_target"])
        self.velocity_target.copy_(state["velocity_target"])
        self.effort.copy_(state["effort"])
        self.applied_effort.copy_(state.get("applied_effort", torch.zeros(())))
        self._applied = bool(self.applied_effort.any())
        self.frame = int(state["frame"])
