"""The calls of ``gymapi.Gym`` on the states and commands of one actor at a time, as structured arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from .arguments import checked
from .datatypes import STATE_POS, STATE_VEL
from .handles import actor_of, call, first_of, index_of, one_each, simulation
from .pose_types import DofState, RigidBodyState
from .start import body_states, start_of, write_commands

if TYPE_CHECKING:
    from .scene import Env


@checked
class StateCalls:
    """States and commands by actor; before ``prepare_sim`` those that it will start with."""

    def get_actor_dof_states(self, env: Env, handle: int, flags: int) -> np.ndarray:
        """Structured array with ``pos`` and ``vel``."""
        sim = simulation(env)
        if not sim.prepared:
            return start_of(actor_of(env, handle)).dofs.copy().view(DofState.dtype)[:, 0]
        return sim.dofs_at(_dofs(env, handle)).cpu().numpy().view(DofState.dtype)[:, 0]

    def set_actor_dof_states(self, env: Env, handle: int, states: np.ndarray, flags: int) -> bool:
        """``states``: structured array with ``pos`` and ``vel``, of which ``flags`` says what is taken."""
        sim, rows, flags = simulation(env), _dofs(env, handle), index_of(flags)
        count = rows.stop - rows.start
        if not {"pos", "vel"} <= set(getattr(getattr(states, "dtype", None), "names", None) or ()):
            raise TypeError(f"{call()} takes a structured array of gymapi.DofState.dtype, not {type(states).__name__}")
        if len(states) != count:
            raise ValueError(f"{call()}: {count} DOFs have states, not {len(states)}")
        values = sim.dofs_at(rows).cpu().numpy() if sim.prepared else start_of(actor_of(env, handle)).dofs
        if flags & STATE_POS:
            values[:, 0] = states["pos"]
        if flags & STATE_VEL:
            values[:, 1] = states["vel"]
        if sim.prepared:
            sim.set_dofs_at(rows, torch.from_numpy(values).to(sim.device), env)
        return True

    def get_vec_actor_dof_states(self, envs: Sequence[Env], handle: int | Sequence[int], flags: int) -> np.ndarray:
        """(envs, DOFs) structured array with ``pos`` and ``vel`` of one actor of each environment."""
        handles = one_each(envs, handle)
        states = [self.get_actor_dof_states(e, h, flags) for e, h in zip(envs, handles, strict=True)]
        return np.stack(states) if states else np.zeros((0, 0), DofState.dtype)

    def get_actor_rigid_body_states(self, env: Env, handle: int, flags: int) -> np.ndarray:
        """Structured array with ``pose`` and ``vel``."""
        sim = simulation(env)
        if not sim.prepared:
            return body_states(actor_of(env, handle)).view(RigidBodyState.dtype)[:, 0]
        count = len(actor_of(env, handle).asset.body_names)
        first = sim.first(env, "bodies") + first_of(env, handle, lambda asset: len(asset.body_names))
        states = sim.bodies.states_at(slice(first, first + count))
        return states.float().cpu().numpy().view(RigidBodyState.dtype)[:, 0]

    def get_env_rigid_body_states(self, env: Env, flags: int) -> np.ndarray:
        return np.concatenate([self.get_actor_rigid_body_states(env, h, flags) for h in range(len(env.actors))])

    def set_actor_dof_position_targets(self, env: Env, handle: int, targets: np.ndarray) -> bool:
        return _set_commands(env, handle, "position_target", targets)

    def set_actor_dof_velocity_targets(self, env: Env, handle: int, targets: np.ndarray) -> bool:
        return _set_commands(env, handle, "velocity_target", targets)

    def apply_actor_dof_efforts(self, env: Env, handle: int, efforts: np.ndarray) -> bool:
        """Efforts for the next ``simulate`` alone: several calls before it add up, and add to the tensor of efforts."""
        return _set_commands(env, handle, "applied_effort", efforts)

    def get_actor_dof_position_targets(self, env: Env, handle: int) -> np.ndarray:
        return _commands(env, handle, "position_target")

    def get_actor_dof_velocity_targets(self, env: Env, handle: int) -> np.ndarray:
        return _commands(env, handle, "velocity_target")

    def get_actor_dof_forces(self, env: Env, handle: int) -> np.ndarray:
        """(DOFs,) forces of the drives or efforts in the last substep."""
        sim = simulation(env)
        sim.prepare()
        return sim.dof_forces_at(_dofs(env, handle)).float().cpu().numpy()


def _dofs(env: Env, handle: int) -> slice:
    count = len(actor_of(env, handle).asset.dof_names)
    first = simulation(env).first(env, "dofs") + first_of(env, handle, lambda asset: len(asset.dof_names))
    return slice(first, first + count)


def _commands(env: Env, handle: int, which: str) -> np.ndarray:
    actor, sim = actor_of(env, handle), simulation(env)
    values = getattr(sim, which)[_dofs(env, handle)].cpu().numpy() if sim.prepared else start_of(actor).commands[which]
    return values.copy()


def _set_commands(env: Env, handle: int, which: str, values: np.ndarray) -> bool:
    sim, rows = simulation(env), _dofs(env, handle)
    try:
        given = values.detach().cpu() if isinstance(values, torch.Tensor) else values
        values = np.asarray(given, dtype=np.float32).reshape(-1)
    except (TypeError, ValueError):
        raise TypeError(f"{call()} takes an array of a number for each DOF, not {values!r}") from None
    if len(values) != rows.stop - rows.start:
        raise ValueError(f"{call()}: the actor has {rows.stop - rows.start} DOFs, not {len(values)}")
    if not np.isfinite(values).all():
        raise ValueError(f"{call()}: commands are finite, not {values}")
    if sim.prepared:
        sim.set_commands_at(which, rows, torch.from_numpy(values).to(sim.device))
    else:
        write_commands(start_of(actor_of(env, handle)).commands[which], which, slice(None), values)
    return True
