"""An agent on the toy environment, built the way train.py builds it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from rl_games.common.tr_helpers import DefaultRewardsShaper

from mtbench.commands.launch import CFG
from mtbench.learning import vec_env
from mtbench.learning.agents import ALGORITHMS
from mtbench.learning.evaluate import Evaluator
from mtbench.learning.observers import MultiTaskObserver

TOY = [
    "task=metaworld",
    "task.factory=tests.learning.toy_env:make",
    "task.env.tasks=[near,far,left,right]",
    "task.env.episodeLength=20",
    "schedule=cpu",
    "sim_device=cpu",
    "rl_device=cpu",
]
SMALL = [
    "num_envs=30",
    "schedule.horizon_length=16",
    "schedule.num_minibatches=3",
    "schedule.mini_epochs=2",
    "eval_interval=null",
]
UNITS = ["actor.units=[32,32]", "critic.units=[32,32]"]  # of the default network
#: what decides which settings there are
PARTS = ("task=", "train=", "network=", "schedule=", "actor=", "critic=", "~", "hydra.")
_ABSENT = object()
AgentFactory = Callable[..., Any]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``tests.learning.toy_env`` importable; one thread, which is faster for small matrices."""
    monkeypatch.syspath_prepend(CFG.parent)
    torch.set_num_threads(1)


@functools.cache
def chosen(parts: tuple[str, ...]) -> DictConfig:
    """The configuration with these parts, to see which settings it has; composing takes longer than many a test."""
    with initialize_config_dir(str(CFG), version_base="1.3"):
        return compose("config", [*TOY, *parts])


def configure(directory: Path, *overrides: str) -> dict[str, Any]:
    """Compose the configuration and resolve it, without what launch() checks."""
    units = [] if any(item.startswith("network=") for item in overrides) else UNITS
    plain = chosen(tuple(item for item in overrides if item.startswith(PARTS)))
    with initialize_config_dir(str(CFG), version_base="1.3"):
        there = [OmegaConf.select(plain, item.partition("=")[0], default=_ABSENT) for item in [*SMALL, *units]]
        small = [item for item, value in zip([*SMALL, *units], there, strict=True) if value is not _ABSENT]
        cfg = compose("config", [*TOY, *small, f"train.params.config.train_dir={directory}", *overrides])
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]


@pytest.fixture
def make_agent(tmp_path: Path) -> AgentFactory:
    """Return ``make(*overrides, name="run", evaluate=False)``, a new agent at each call."""

    def make(*overrides: str, name: str = "run", evaluate: bool = False) -> Any:
        return build_agent(tmp_path, *overrides, name=name, evaluate=evaluate)

    return make


def build_agent(
    directory: Path,
    *overrides: str,
    name: str = "run",
    evaluate: bool = False,
    observer: MultiTaskObserver | None = None,
    env_seed: int | None = None,
) -> Any:
    """A new agent that writes to ``directory``; ``env_seed`` where it is not the run's."""
    config = configure(directory, f"experiment={name}", *overrides)
    vec_env.register()
    torch.manual_seed(config["seed"])
    params = config["train"]["params"]
    devices = {name: config[name] for name in ("sim_device", "rl_device")}
    seed = config["seed"] if env_seed is None else env_seed
    params["config"] |= {
        "env_config": {"task": config["task"], "seed": seed, **devices},
        "eval_interval": config["eval_interval"],
        "max_minutes": None,
        "reward_shaper": DefaultRewardsShaper(),
        "features": {"observer": observer or MultiTaskObserver()},
    }
    still = {**config["task"], "env": {**config["task"]["env"], "randomInitialProgress": False}}
    evaluator = Evaluator(lambda n: vec_env.make_env(still, num_envs=n, seed=1, **devices), 4, 10, 20)
    return ALGORITHMS[params["algo"]["name"]]("run", params, evaluator if evaluate else None)
