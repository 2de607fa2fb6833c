"""The calls of ``gymapi.Gym`` on tensors: acquired once, filled by refreshing, written by setters.

A tensor has a row for every actor, body or DOF of the simulation, environment by environment in creation order.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from .arguments import checked
from .datatypes import CoordinateSpace
from .gymtorch import Tensor
from .handles import index_of

if TYPE_CHECKING:
    from .simulation import Simulation as Sim


@checked
class TensorCalls:
    """The Tensor API. Setters take effect at the next ``simulate``."""

    # -- acquired -----------------------------------------------------------------------------------------------

    def acquire_actor_root_state_tensor(self, sim: Sim) -> Tensor:
        """(actors, 13): position, quaternion xyzw, linear velocity of the root's origin, angular velocity."""
        sim.prepare()
        return Tensor(sim.root_state)

    def acquire_dof_state_tensor(self, sim: Sim) -> Tensor:
        """(DOFs, 2): position and velocity."""
        sim.prepare()
        return Tensor(sim.dof_state)

    def acquire_rigid_body_state_tensor(self, sim: Sim) -> Tensor:
        """(bodies, 13), as the root states."""
        sim.prepare()
        return Tensor(sim.body_state)

    def acquire_net_contact_force_tensor(self, sim: Sim) -> Tensor:
        """(bodies, 3) newtons, world axes, of the last substep."""
        sim.prepare()
        sim.measure_contacts()
        return Tensor(sim.contact_force)

    def acquire_dof_force_tensor(self, sim: Sim) -> Tensor:
        """(DOFs,): force of the drive or effort in the last substep, after its limit."""
        sim.prepare()
        return Tensor(sim.dof_force)

    def acquire_jacobian_tensor(self, sim: Sim, name: str) -> Tensor:
        """(envs, links - 1, 6, DOFs) for a fixed base, (envs, links, 6, DOFs + 6) for a floating one."""
        sim.prepare()
        return Tensor(sim.articulations.named(name).jacobian)

    def acquire_mass_matrix_tensor(self, sim: Sim, name: str) -> Tensor:
        """(envs, DOFs, DOFs) for a fixed base, (envs, DOFs + 6, DOFs + 6) for a floating one."""
        sim.prepare()
        return Tensor(sim.articulations.named(name).mass_matrix)

    # -- refreshed ----------------------------------------------------------------------------------------------

    def refresh_actor_root_state_tensor(self, sim: Sim) -> bool:
        sim.refresh_roots()
        return True

    def refresh_dof_state_tensor(self, sim: Sim) -> bool:
        sim.refresh_dofs()
        return True

    def refresh_rigid_body_state_tensor(self, sim: Sim) -> bool:
        sim.refresh_bodies()
        return True

    def refresh_net_contact_force_tensor(self, sim: Sim) -> bool:
        sim.refresh_contact_forces()
        return True

    def refresh_dof_force_tensor(self, sim: Sim) -> bool:
        sim.refresh_dof_forces()
        return True

    def refresh_jacobian_tensors(self, sim: Sim) -> bool:
        sim.articulations.refresh_jacobians()
        return True

    def refresh_mass_matrix_tensors(self, sim: Sim) -> bool:
        sim.articulations.refresh_mass_matrices()
        return True

    # -- set ----------------------------------------------------------------------------------------------------

    def set_actor_root_state_tensor(self, sim: Sim, state: Tensor) -> bool:
        sim.set_roots(_values(state, "root_state", sim, "set_actor_root_state_tensor"), None)
        return True

    def set_actor_root_state_tensor_indexed(self, sim: Sim, state: Tensor, actors: Tensor, count: int) -> bool:
        """``state`` is the whole (actors, 13) tensor; only rows ``actors[:count]`` (int32) are taken."""
        call = "set_actor_root_state_tensor_indexed"
        sim.set_roots(_values(state, "root_state", sim, call), _index(sim, actors, count, call))
        return True

    def set_dof_state_tensor(self, sim: Sim, state: Tensor) -> bool:
        sim.set_dofs(_values(state, "dof_state", sim, "set_dof_state_tensor"), None)
        return True

    def set_dof_state_tensor_indexed(self, sim: Sim, state: Tensor, actors: Tensor, count: int) -> bool:
        call = "set_dof_state_tensor_indexed"
        sim.set_dofs(_values(state, "dof_state", sim, call), _index(sim, actors, count, call))
        return True

    def set_dof_position_target_tensor(self, sim: Sim, targets: Tensor) -> bool:
        return _command(sim, "position_target", targets, "set_dof_position_target_tensor")

    def set_dof_position_target_tensor_indexed(self, sim: Sim, targets: Tensor, actors: Tensor, count: int) -> bool:
        return _command(sim, "position_target", targets, "set_dof_position_target_tensor_indexed", actors, count)

    def set_dof_velocity_target_tensor(self, sim: Sim, targets: Tensor) -> bool:
        return _command(sim, "velocity_target", targets, "set_dof_velocity_target_tensor")

    def set_dof_velocity_target_tensor_indexed(self, sim: Sim, targets: Tensor, actors: Tensor, count: int) -> bool:
        return _command(sim, "velocity_target", targets, "set_dof_velocity_target_tensor_indexed", actors, count)

    def set_dof_actuation_force_tensor(self, sim: Sim, forces: Tensor) -> bool:
        """Acts on DOFs in the modes none and effort, in every ``simulate`` until it is set again."""
        return _command(sim, "effort", forces, "set_dof_actuation_force_tensor")

    def set_dof_actuation_force_tensor_indexed(self, sim: Sim, forces: Tensor, actors: Tensor, count: int) -> bool:
        return _command(sim, "effort", forces, "set_dof_actuation_force_tensor_indexed", actors, count)

    def apply_rigid_body_force_tensors(
        self,
        sim: Sim,
        forceTensor: Tensor | None = None,  # noqa: N803 (Isaac Gym's names)
        torqueTensor: Tensor | None = None,  # noqa: N803
        space: CoordinateSpace = CoordinateSpace.ENV_SPACE,
    ) -> bool:
        """Forces at the centres of mass and torques, each (bodies, 3), during the next ``simulate`` only."""
        like, call = "contact_force", "apply_rigid_body_force_tensors"
        force = None if forceTensor is None else _values(forceTensor, like, sim, call)
        torque = None if torqueTensor is None else _values(torqueTensor, like, sim, call)
        sim.bodies.apply_forces(force, torque, None, space)
        return True

    def apply_rigid_body_force_at_pos_tensors(
        self,
        sim: Sim,
        forceTensor: Tensor,  # noqa: N803 (Isaac Gym's names)
        posTensor: Tensor | None = None,  # noqa: N803
        space: CoordinateSpace = CoordinateSpace.ENV_SPACE,
    ) -> bool:
        """Forces (bodies, 3) at positions (bodies, 3), during the next ``simulate`` only."""
        like, call = "contact_force", "apply_rigid_body_force_at_pos_tensors"
        position = None if posTensor is None else _values(posTensor, like, sim, call)
        sim.bodies.apply_forces(_values(forceTensor, like, sim, call), None, position, space)
        return True


def _given(tensor: Tensor, call: str) -> torch.Tensor:
    values = tensor.values if isinstance(tensor, Tensor) else tensor
    if not isinstance(values, torch.Tensor):
        given = "None" if values is None else type(values).__name__
        raise TypeError(f"gym.{call} takes a tensor, not {given}: give it gymtorch.unwrap_tensor(a torch tensor)")
    if not values.is_contiguous():
        raise ValueError(f"gym.{call} takes a contiguous tensor; call .contiguous() first")
    return values.detach()


def _values(tensor: Tensor, like: str, sim: Sim, call: str) -> torch.Tensor:
    """What is given, of the shape of one of the simulation's tensors."""
    sim._engine  # noqa: B018 (there is none before prepare_sim, which it says)
    values, shape = _given(tensor, call), tuple(getattr(sim, like).shape)
    if values.dtype != torch.float32 or values.numel() != math.prod(shape):
        raise ValueError(
            f"gym.{call} takes a float32 tensor of shape {shape}, not {values.dtype} {tuple(values.shape)}"
        )
    if values.device.type != sim.device.type:
        raise ValueError(f"gym.{call} takes a tensor on {sim.device}, not on {values.device}")
    return values.reshape(shape)


def _index(sim: Sim, tensor: Tensor, count: int, call: str) -> torch.Tensor:
    index = _given(tensor, call)
    if index.dtype != torch.int32 or index.ndim != 1:
        raise ValueError(
            f"gym.{call} takes actor indices as an int32 tensor of one dimension, not {index.dtype} {tuple(index.shape)}"
        )
    count = index_of(count)
    if not 0 <= count <= len(index):
        raise ValueError(f"gym.{call}: {count} actors asked for, but {len(index)} indices given")
    index = index[:count]
    if index.device.type == "cpu" and count:  # on a GPU they are left out and counted
        largest = int(index.numpy().max())
        if largest >= len(sim.actors):
            raise IndexError(f"gym.{call}: there is no actor {largest}; actors are 0..{len(sim.actors) - 1}")
    return index


def _command(sim: Sim, which: str, values: Tensor, call: str, actors: Tensor | None = None, count: int = 0) -> bool:
    given = _values(values, "dof_force", sim, call)
    index = _index(sim, actors, count, call) if call.endswith("_indexed") else None  # type: ignore[arg-type]
    sim.set_command(getattr(sim, which), given, index)
    return True
