"""A dataset in the place of environments, as rl-games' runner wants to make some."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import torch
from rl_games.common.ivecenv import IVecEnv
from torch import Tensor

from isaacgymenvs_tasks.settings import other_robots
from mtbench.data import DatasetError, Trajectories
from mtbench.learning.errors import UserError
from mtbench.learning.rl_games import env_configurations, vecenv

NAME = "mtbench_data"


def read_data(path: str, task: Mapping[str, Any], part: float) -> Trajectories:
    """The trajectories of the tasks of the configuration's node ``task``, of each the first ``part``.

    Raises:
        UserError: there are none, they cannot be read, or they are of tasks of the same names with another robot.
    """
    if not path:
        raise UserError(
            "data='' must be trajectories to learn from: add data=datasets/NAME, which mtbench collect makes"
        )
    try:
        data = Trajectories.read(path).select(task["env"]["tasks"], part)
    except DatasetError as error:
        raise UserError(str(error)) from error
    known = data.about.get("benchmark", "metaworld" if data.about.get("policy") == "experts" else None)
    if other_robots(known, task):
        raise UserError(
            f"dataset '{path}' is of the benchmark {known}, and task={task['name']} of {task['benchmark']}, which has other "
            "robots; collect one of the same benchmark"
        )
    return data


class DataEnv(IVecEnv):
    """Says what the tasks are and how large observations and actions; nothing can be stepped.

    Attributes:
        data: the trajectories.
    """

    def __init__(
        self, config_name: str, num_actors: int, *, task: Mapping[str, Any], data: str, part: float, **_: Any
    ) -> None:
        self.task_names = list(task["env"]["tasks"])
        self.data = read_data(data, task, part)
        self.num_obs = self.data.observations.shape[1] + len(self.task_names)

    def step(self, actions: Tensor) -> Any:
        """Nothing steps."""
        raise NotImplementedError("offline learners do not step environments")

    def reset(self) -> dict[str, Tensor]:
        """Observations that nobody looks at."""
        return {"obs": torch.zeros(len(self.task_names), self.num_obs)}

    def get_env_info(self) -> dict[str, Any]:
        """Spaces and tasks."""
        box = gymnasium.spaces.Box
        return {
            "action_space": box(-1.0, 1.0, self.data.actions.shape[1:], np.float32),
            "observation_space": box(-np.inf, np.inf, (self.num_obs,), np.float32),
            "task_names": self.task_names,
            "task_index": torch.arange(len(self.task_names)),
        }

    def get_env_state(self) -> dict[str, Any]:
        """Nothing changes."""
        return {}

    def set_env_state(self, env_state: dict[str, Any]) -> None:
        """Nothing to restore."""


def register() -> None:
    """Make ``env_name: mtbench_data`` known to rl-games."""
    vecenv.register(NAME, DataEnv)
    env_configurations.register(NAME, {"vecenv_type": NAME, "env_creator": DataEnv})
