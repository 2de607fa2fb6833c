"""The environment as rl-games sees it, whichever factory makes it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from rl_games.common.ivecenv import IVecEnv
from torch import Tensor

from mtbench.learning.errors import UserError
from mtbench.learning.rl_games import env_configurations, vecenv

NAME = "mtbench"


def make_env(task: Mapping[str, Any], *, num_envs: int, seed: int, sim_device: str, rl_device: str) -> Any:
    """Build the multi-task environment that ``task["factory"]``, a ``package.module:function``, makes.

    Raises:
        UserError: the factory does not exist, or it refused the configuration with a ``ValueError``.
    """
    module, _, function = str(task["factory"]).partition(":")
    try:
        factory = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise UserError(f"task.factory '{task['factory']}' cannot be imported: {error}") from error
    try:
        return factory(task, num_envs=num_envs, seed=seed, sim_device=sim_device, rl_device=rl_device)
    except (ValueError, NotImplementedError) as error:
        raise UserError(f"the environment refused its configuration: {error}") from error


class VecEnv(IVecEnv):
    """rl-games' face of a multi-task environment; tensors pass through untouched."""

    def __init__(self, config_name: str, num_actors: int, **options: Any) -> None:
        self.env = env_configurations.configurations[config_name]["env_creator"](num_envs=num_actors, **options)

    def step(self, actions: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor, dict[str, Any]]:
        """Step all environments with actions (N, actions) in [-1, 1]."""
        return self.env.step(actions)

    def reset(self) -> dict[str, Tensor]:
        """Reset all environments."""
        return self.env.reset()

    def share_starts(self, source: Tensor) -> dict[str, Tensor]:
        """Let every environment, all at the start of an episode, begin where its ``source`` (N,) begins; return the
        observations.

        Raises:
            UserError: the environments cannot do that.
        """
        if not hasattr(self.env, "share_starts"):
            raise UserError(
                f"{type(self.env).__name__} environments cannot begin from the start of another; same_start=false"
            )
        return self.env.share_starts(source)

    def get_env_info(self) -> dict[str, Any]:
        """Return spaces as rl-games wants them, and the tasks."""
        return {
            "action_space": self.env.action_space,
            "observation_space": self.env.observation_space,
            "state_space": None,
            "use_global_observations": False,
            "agents": self.get_number_of_agents(),
            "value_size": 1,
            "task_names": self.env.task_names,
            "task_index": self.env.task_index,
        }

    def get_env_state(self) -> dict[str, Any]:
        """Return everything the environments need to continue exactly."""
        return self.env.get_env_state()

    def set_env_state(self, env_state: dict[str, Any]) -> dict[str, Tensor] | None:
        """Restore :meth:`get_env_state`; environments that cannot begin new episodes and return their observations."""
        return self.env.set_env_state(env_state)


def register() -> None:
    """Make ``env_name: mtbench`` known to rl-games."""
    vecenv.register(NAME, VecEnv)
    env_configurations.register(NAME, {"vecenv_type": NAME, "env_creator": make_env})
