"""rl-games' registries of environments, without the compiler that importing them loads.

``rl_games.envs`` has a network for tests under ``@torch.compile``, which loads TorchInductor: a sixth of the time in which a
run starts, for what nobody asked. ``torch_compile=true`` loads it when it is needed.
"""

from __future__ import annotations

from unittest import mock

import torch

with mock.patch.object(torch, "compile", lambda model: model):
    from rl_games.common import env_configurations, vecenv

__all__ = ["env_configurations", "vecenv"]
