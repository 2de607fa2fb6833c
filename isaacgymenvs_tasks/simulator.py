"""What the simulators behind ``import isaacgym`` do differently, in one place, so that tasks need not know.

Everything else that tasks call exists in both with the same signature; ``docs/isaacgym.md`` has the whole story.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from isaacgym import gymapi, gymtorch
from torch import Tensor


class OpenPhysics:
    """:mod:`mtbench.sim`: what is set is shown by the next refresh, and the state can be saved exactly."""

    shows_what_was_set = True

    def __init__(self, gym: Any, sim: Any) -> None:
        self.gym, self.sim = gym, sim

    def set_actors(self, roots: Tensor, dofs: Tensor, actors: Tensor, jointed: Tensor) -> None:
        """Set root states of ``actors`` and DOF states of ``jointed``, which have DOFs: int32 indices into the whole tensors
        ``roots`` (actors, 13) and ``dofs`` (DOFs, 2)."""
        state, index = gymtorch.unwrap_tensor(roots), gymtorch.unwrap_tensor(actors)
        self.gym.set_actor_root_state_tensor_indexed(self.sim, state, index, len(actors))
        state, index = gymtorch.unwrap_tensor(dofs), gymtorch.unwrap_tensor(jointed)
        self.gym.set_dof_state_tensor_indexed(self.sim, state, index, len(jointed))

    def poses(self, states: Tensor, bodies: Tensor) -> Tensor:
        """(m, 7) positions and quaternions xyzw of rigid bodies (m,) as they stand. ``states`` is the tensor of all of them,
        which need not be filled for that."""
        return self.sim.bodies.poses(bodies)

    def diverged(self) -> Tensor | None:
        """(num_envs,) bool, environments whose state is not finite; None where only the states would tell."""
        return self.sim.diverged()

    def before_simulate(self) -> None:
        """Called once before a step."""

    def take_overflow(self) -> Tensor | int:
        """Environments that lost contacts since the last call because there was no room for them."""
        return self.gym.take_overflow(self.sim)

    def settle(self) -> None:
        """Follow states that a replayed CUDA graph has set."""
        self.gym.settle(self.sim)

    def get_state(self) -> dict[str, Tensor] | None:
        """The whole physics, or None where there is no way to read it."""
        return self.gym.get_state(self.sim)

    def set_state(self, state: dict[str, Tensor]) -> None:
        """The inverse of :meth:`get_state`."""
        self.gym.set_state(self.sim, state)


class IsaacGym(OpenPhysics):
    """NVIDIA's package. On its GPU pipeline a setter may be called once between two calls of ``simulate``, a refresh after a
    setter shows stale states until the next ``simulate`` (Isaac Gym documentation, "Tensor API", "Limitations"), and nothing
    reads the state of the solver. So what is to be set is collected and handed over in one call of each kind before a step.
    """

    shows_what_was_set = False

    def __init__(self, gym: Any, sim: Any) -> None:
        super().__init__(gym, sim)
        self._waiting: tuple[Tensor, Tensor] | None = None
        self._refreshed = False  # the poses, since the last step

    def set_actors(self, roots: Tensor, dofs: Tensor, actors: Tensor, jointed: Tensor) -> None:
        if self._waiting is None:
            self._waiting = roots, dofs
            self._actors = torch.zeros(len(roots), dtype=torch.bool, device=roots.device)
            self._jointed = torch.zeros_like(self._actors)
        self._actors[actors.long()] = True
        self._jointed[jointed.long()] = True

    def poses(self, states: Tensor, bodies: Tensor) -> Tensor:
        if not self._refreshed:
            self.gym.refresh_rigid_body_state_tensor(self.sim)
            self._refreshed = True
        return states.index_select(0, bodies)[:, :7]

    def diverged(self) -> None:
        return None

    def before_simulate(self) -> None:
        self._refreshed = False
        if self._waiting is not None:
            actors, jointed = (mask.nonzero().squeeze(1).int() for mask in (self._actors, self._jointed))
            super().set_actors(*self._waiting, actors, jointed)
            self._waiting = None

    def take_overflow(self) -> int:
        return 0  # PhysX writes to its log

    def get_state(self) -> None:
        return None

    def set_state(self, state: dict[str, Tensor]) -> None:
        raise NotImplementedError("Isaac Gym cannot restore the state of its physics; reset the environments instead")


def choose_engine(params: Any, cfg: Mapping[str, Any]) -> None:
    """Set friction cone, ``implicit_contacts`` and ``keep_finite`` in ``params`` (``gymapi.SimParams``), and ask for MuJoCo
    Warp where ``cfg["engine"]`` or the GPU pipeline wants it. NVIDIA's package has one engine, and no such parameters."""
    api: Any = gymapi
    if not hasattr(api, "WarpParams"):
        return
    params.friction_cone = str(cfg.get("friction_cone", params.friction_cone))
    # Our tasks' drives are soft enough to do without, and every result of theirs was measured so.
    params.implicit_contacts = bool(cfg.get("implicit_contacts", False))
    params.keep_finite = False  # the task sees what diverged, resets and counts it
    if cfg.get("engine") == "warp" or params.use_gpu_pipeline:
        params.warp = api.WarpParams(enabled=True, **(cfg.get("warp") or {}))


def narrow_ground(gym: Any, env: Any, x: float, y: float, length: float, width: float) -> None:
    """Of the shared ground this environment needs only x ... x + length, y ... y + width (metres): ours, where each
    environment's world has a copy, need not hold more."""
    if hasattr(gym, "set_env_ground"):
        gym.set_env_ground(env, x, y, length, width)


def simulator(gym: Any, sim: Any) -> OpenPhysics:
    """The one at hand."""
    return (OpenPhysics if hasattr(gym, "get_state") else IsaacGym)(gym, sim)
