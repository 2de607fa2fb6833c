"""Worlds for the simulator's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sim.world import World


@pytest.fixture
def make_world(tmp_path: Path) -> Callable[..., World]:
    return lambda **options: World(tmp_path, **options)
