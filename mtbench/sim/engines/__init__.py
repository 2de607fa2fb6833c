"""What steps the groups is an :class:`.engine.Engine`: MuJoCo on the CPU (:mod:`.cpu`), MuJoCo Warp on a GPU or on Warp's CPU
device (:mod:`.warp`)."""

from __future__ import annotations

import torch

from ..datatypes import SimParams
from ..padding import merge
from ..scene import Group
from .engine import Engine


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
            "physics on a GPU needs MuJoCo Warp: pip install 'mtbench-robotics[gpu]', or use sim_device=cpu"
        ) from error
    if params.warp.merge:
        groups = merge(groups, params, contact_sensors)
    wanted = params.warp
    engine = WarpEngine(groups, sizes_of(groups), device, wanted.contacts, wanted.constraints, wanted.jacobian)
    return engine, groups
