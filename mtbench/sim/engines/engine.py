"""What a simulation asks of the physics that steps its groups."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import mujoco
import numpy as np
import torch
from torch import Tensor

from .. import force_sensors
from ..scene import CONTACT_SENSOR


class Engine(ABC):
    """Buffers on one device, in engine order (group by group; an environment's place there is its rank), and what acts on
    them. State and inputs have one spare row at the end, where indices of absent parts point.

    Attributes:
        qpos, qvel, ctrl: (n + 1,) generalized state and drive commands.
        mocap_pos, mocap_quat: (n + 1, 3), (n + 1, 4 wxyz) poses of fixed bases.
        force: (bodies, 6) force and torque at the centre of mass, world axes; acts during the next step only.
        xpos, xquat, xipos, cvel, com: (bodies, ...) pose (wxyz), centre of mass, MuJoCo's com-based velocity, subtree
            centre of mass.
        xaxis, xanchor: (joints, 3) joint axes and anchors.
        dof_force: (n,) force of the drives in the last substep.
        contact_force: (bodies, 3) net contact force the body exerts in the last substep, world axes, if there are sensors.
        diverged: (envs,) bool, true from the step in which a state stopped being finite, or a command was not, until the
            state is set again.
        overflow: (envs,) int32, non-zero where contacts or constraints did not fit since it was last set to zero.
        body_pos: (bodies + 1, 3) positions of bodies in their parents' frames, taken over with a state that was written, in
            groups that are ``placed``.
        sensordata: (n,) readings of the models' own sensors.
    """

    device: torch.device
    #: whether :meth:`accelerations` can be asked
    tells_accelerations = False
    qpos: Tensor
    qvel: Tensor
    ctrl: Tensor
    mocap_pos: Tensor
    mocap_quat: Tensor
    force: Tensor
    xpos: Tensor
    xquat: Tensor
    xipos: Tensor
    cvel: Tensor
    com: Tensor
    xaxis: Tensor
    xanchor: Tensor
    dof_force: Tensor
    contact_force: Tensor
    diverged: Tensor
    overflow: Tensor
    body_pos: Tensor
    sensordata: Tensor

    @abstractmethod
    def mark(self, ranks: Tensor | None) -> None:
        """The states of these environments (None: all, perhaps) were written by the client."""

    @abstractmethod
    def mark_force(self) -> None:
        """Forces were written by the client."""

    @abstractmethod
    def step(self, substeps: int) -> None:
        """Advance every environment whose state is finite by ``substeps`` physics steps."""

    def set_gravity(self, gravity: np.ndarray) -> None:
        """Give all models another gravity (3,), m/s^2."""
        raise NotImplementedError(
            "gravity can change after prepare_sim on the CPU engine alone; use pipeline and device cpu"
        )

    def accelerations(self, ranks: Tensor) -> Tensor:
        """``qacc`` (as ``qvel``) that some environments would have with the commands as they are; of engines that tell."""
        raise NotImplementedError

    def take_overflow(self) -> Tensor:
        """Environments in which contacts or constraints were left out since the last call, for want of room, scalar."""
        count = (self.overflow != 0).sum()
        self.overflow.zero_()
        return count

    @abstractmethod
    def forward(self) -> None:
        """Bring derived quantities of environments whose state was set up to date."""

    @abstractmethod
    def model(self, env: int) -> mujoco.MjModel:
        """The model of one environment (rank)."""

    @abstractmethod
    def data(self, env: int) -> mujoco.MjData:
        """A copy of one environment's whole ``MjData`` (rank), for drawing or inspection."""

    @abstractmethod
    def mass_matrix(self, env: int) -> np.ndarray:
        """Joint-space inertia of one environment (rank), (nv, nv)."""

    @abstractmethod
    def first_qvel(self, env: int) -> int:
        """Entry of ``qvel`` at which an environment (rank) begins."""

    @abstractmethod
    def replace_models(self, models: Mapping[int, mujoco.MjModel]) -> None:
        """Give environments (ranks) models with other properties; their states stay."""

    @abstractmethod
    def get_state(self) -> Tensor:
        """Everything the next step depends on, all environments in one vector."""

    @abstractmethod
    def set_state(self, state: Tensor) -> None:
        """The inverse of :meth:`get_state`."""

    @abstractmethod
    def close(self) -> None:
        """Free what the engine holds."""


def own_sensors(model: mujoco.MjModel) -> int:
    """Numbers that a model's own sensors read, which are not those of contact forces and loads that scenes get."""
    own = model.nsensor and not model.sensor(0).name.startswith((CONTACT_SENSOR, force_sensors.PREFIX))
    return model.nsensordata if own else 0
