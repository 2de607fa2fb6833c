"""What steps the groups: MuJoCo on the CPU (:mod:`.cpu`), MuJoCo Warp on a GPU or on Warp's CPU device (:mod:`.warp`)."""

from __future__ import annotations

from typing import Protocol

import mujoco
import numpy as np
import torch
from torch import Tensor

from ..datatypes import SimParams
from ..padding import merge
from ..scene import Group


class Engine(Protocol):
    """Buffers in engine order (group by group), see :class:`.cpu.CpuEngine`, and what a simulation asks for."""

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

    @property
    def device(self) -> torch.device: ...
    def mark(self, ranks: Tensor | None) -> None: ...
    def mark_force(self) -> None: ...
    def step(self, substeps: int) -> None: ...
    def forward(self) -> None: ...
    def model(self, env: int) -> mujoco.MjModel: ...
    def data(self, env: int) -> mujoco.MjData: ...
    def mass_matrix(self, env: int) -> np.ndarray: ...
    def first_qvel(self, env: int) -> int: ...
    def replace_model(self, env: int, model: mujoco.MjModel) -> None: ...
    def get_state(self) -> Tensor: ...
    def set_state(self, state: Tensor) -> None: ...
    def close(self) -> None: ...


def make_engine(
    groups: list[Group], params: SimParams, device: torch.device, contact_sensors: bool
) -> tuple[Engine, list[Group]]:
    """The engine for a device, and the groups it runs, which on MuJoCo Warp are merged into few.

    Raises:
        ValueError: MuJoCo Warp is not installed.
    """
    from ..layout import sizes_of

    if device.type == "cpu" and not params.warp.enabled:
        from .cpu import CpuEngine

        return CpuEngine(groups, sizes_of(groups), params.physx.num_threads), groups
    try:
        import warp

        warp.config.log_level = warp.LOG_ERROR  # where there is no GPU, it warns of that
        from .warp import WarpEngine
    except ImportError as error:
        raise ValueError(
            "physics on a GPU needs MuJoCo Warp: pip install 'mtbench[gpu]', or use sim_device=cpu"
        ) from error
    if params.warp.merge:
        groups = merge(groups, params, contact_sensors)
    engine = WarpEngine(groups, sizes_of(groups), device, params.warp.contacts, params.warp.constraints)
    return engine, groups
