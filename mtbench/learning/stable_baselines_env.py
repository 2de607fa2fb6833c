"""The environments as Stable-Baselines3 sees them (``pip install stable-baselines3``), through Gymnasium's interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from isaacgymenvs_tasks.gymnasium_env import GymnasiumVectorEnv


class StableBaselinesVecEnv(VecEnv):
    """Many tasks for an algorithm of Stable-Baselines3; it takes what :func:`isaacgymenvs_tasks.make` takes.

    An ``info`` names the ``task``; where an episode ended it has ``terminal_observation``, ``TimeLimit.truncated`` and
    ``is_success`` (at any step of the episode, or of Parkour the share of goals). ``seed`` builds the environments anew at
    the next reset.
    """

    def __init__(self, task: str, num_envs: int, seed: int = 0, **settings: Any) -> None:
        self.envs = GymnasiumVectorEnv(task, num_envs, seed, **settings)
        super().__init__(num_envs, self.envs.single_observation_space, self.envs.single_action_space)

    def reset(self) -> np.ndarray:
        """Start new episodes everywhere; return (num_envs, numbers)."""
        obs, infos = self.envs.reset(seed=self._seeds[0])
        self.reset_infos = [{"task": name} for name in infos["task"]]
        self._reset_seeds()
        self._reset_options()
        return obs

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions (num_envs, numbers) for :meth:`step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Step; return observations, rewards, done and an info of each environment."""
        obs, rewards, terminated, truncated, infos = self.envs.step(self._actions)
        done = terminated | truncated
        each: list[dict[str, Any]] = [{"task": name} for name in infos["task"]]
        for i in done.nonzero()[0]:
            each[i] |= {
                "terminal_observation": infos["final_obs"][i],
                "TimeLimit.truncated": bool(truncated[i]),
                "is_success": float(infos["final_success"][i]),
            }
        return obs, rewards, done, each

    def close(self) -> None:
        """Free the simulation."""
        self.envs.close()

    def get_attr(self, attr_name: str, indices: int | Sequence[int] | None = None) -> list[Any]:  # type: ignore[override]
        """An attribute of the vector environment, for each that is asked of."""
        return [getattr(self.envs, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: int | Sequence[int] | None = None) -> None:  # type: ignore[override]
        """Not here: the environments are one simulation.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("the environments are one simulation; attributes of one alone cannot be set")

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """Not here: the environments are one simulation.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("the environments are one simulation; methods of one alone cannot be called")

    def env_is_wrapped(self, wrapper_class: type, indices: int | Sequence[int] | None = None) -> list[bool]:  # type: ignore[override]
        """Nothing is wrapped."""
        return [False] * len(list(self._get_indices(indices)))
