"""Worlds for the simulator's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sim.world import World


@pytest.fixture(params=["mujoco", pytest.param("warp", marks=pytest.mark.slow)])
def make_world(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., World]:
    """Worlds on MuJoCo, and on MuJoCo Warp's CPU device, which compiles for each new structure."""
    return lambda **options: World(tmp_path, engine=request.param, **options)
