"""Isaac Gym's Tensor API on open physics.

``install()`` before a client's imports puts this package into ``sys.modules`` as ``isaacgym``.
"""

from __future__ import annotations

import importlib
import sys

_MODULES = ("gymapi", "gymtorch", "gymutil", "rlgpu", "terrain_utils", "torch_utils")


def install() -> None:
    """Make ``import isaacgym`` mean this package, in this process. Safe to call again.

    Raises:
        RuntimeError: another ``isaacgym`` has been imported already.
    """
    present = sys.modules.get("isaacgym")
    if present is not None and present is not sys.modules[__name__]:
        raise RuntimeError("isaacgym is imported already; call mtbench.sim.install() before any import of it")
    sys.modules["isaacgym"] = sys.modules[__name__]
    for name in _MODULES:
        sys.modules[f"isaacgym.{name}"] = importlib.import_module(f"{__name__}.{name}")
