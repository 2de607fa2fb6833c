"""The configuration as the command line composes it, for whoever does not come through ``train.py``.

It imports none of the tasks: which ``isaacgym`` they see is settled after the configuration has been read.
"""

from __future__ import annotations

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.singleton import Singleton
from omegaconf import DictConfig

from mtbench.resources import CFG


def composed(*overrides: str) -> DictConfig:
    """``cfg/config.yaml`` with these overrides of Hydra's; also inside of a Hydra application."""
    outer = Singleton.get_state()
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CFG), version_base="1.3"):
            return compose("config", list(overrides))
    finally:
        Singleton.set_state(outer)
