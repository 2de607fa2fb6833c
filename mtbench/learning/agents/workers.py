"""What acts away from the learner: environments, a policy, and rollouts as plain tensors."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import torch
from rl_games.common.ivecenv import IVecEnv
from torch import Tensor

from mtbench.learning.agents.rollout import Steps, record
from mtbench.learning.agents.sources import Experience
from mtbench.learning.networks.model import ActorCriticModel
from mtbench.learning.vec_env import make_env

FIELDS = tuple(field.name for field in dataclasses.fields(Steps))
FINISHED, FAULTS = ("mask", "success", "return", "length"), ("diverged", "overflow", "not_finite")
SEEDS_APART = 1000  #: between workers, so that a replaced one has its own as well


class Worker:
    """Environments of their own, in one thread unless ``task.sim.num_threads`` says more, and the policy that acts in them.

    Args:
        env_config: as rl-games gets it: ``task``, ``seed`` and devices.
        num_envs: N.
        number: of the worker, counted over all that were ever started; decides its random numbers.
    """

    def __init__(self, env_config: Mapping[str, Any], num_envs: int, number: int) -> None:
        torch.set_num_threads(1)
        seed = (int(env_config["seed"]) + SEEDS_APART * (1 + number)) % 2**32
        torch.manual_seed(seed)
        devices = {"sim_device": env_config["sim_device"], "rl_device": "cpu"}
        task = dict(env_config["task"])
        if "num_threads" in task.get("sim", {}):  # null would be all cores, for every worker
            task["sim"] = task["sim"] | {"num_threads": task["sim"]["num_threads"] or 1}
        self.env = make_env(task, num_envs=num_envs, seed=seed, **devices)
        self.generator = torch.Generator().manual_seed(seed)
        self.obs: Tensor | None = None

    def info(self) -> dict[str, Any]:
        """What :meth:`~mtbench.learning.vec_env.VecEnv.get_env_info` says."""
        names = ("observation_space", "action_space", "task_names")
        return {name: getattr(self.env, name) for name in names} | {"task_index": self.env.task_index.cpu()}

    def build(self, model_config: Mapping[str, Any]) -> None:
        """Make the network that acts."""
        self.model = ActorCriticModel(**model_config).requires_grad_(False)

    @torch.no_grad()
    def roll(self, state: Mapping[str, Tensor], horizon: int) -> dict[str, Tensor]:
        """Act with the policy ``state`` for ``horizon`` steps; return the fields of :class:`.rollout.Steps` and, under names
        with ``episodes.``, those of :attr:`.sources.Experience.episodes`."""
        self.model.load_state_dict(state)
        if self.obs is None:
            self.obs = self.env.reset()["obs"].clone()
        extra: dict[str, list[Tensor]] = {f"episodes.{name}": [] for name in (*FINISHED, *FAULTS)}

        def step(actions: Tensor) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]]:
            following, rewards, dones, extras = self.env.step(actions.clamp(-1.0, 1.0))
            obs = following["obs"]
            broken = (~obs.isfinite()).any(1).sum()
            noted = [extras["finished"][name] for name in FINISHED] + [extras["diverged"], extras["overflow"], broken]
            for column, value in zip(extra.values(), noted, strict=True):
                column.append(value.clone())
            extras["final_obs"] = extras["final_obs"].nan_to_num(0.0, 0.0, 0.0)
            return obs.nan_to_num(0.0, 0.0, 0.0), rewards.clone(), dones.clone(), extras

        def act(obs: Tensor) -> tuple[Tensor, Tensor]:
            return self.model.sample(obs, self.env.task_index.cpu(), self.generator)

        steps = record(step, act, self.obs, horizon)
        self.obs = steps.last_obs
        rows = {name: getattr(steps, name) for name in FIELDS}
        return rows | {name: torch.stack(column) for name, column in extra.items()}


def experience(tensors: Mapping[str, Tensor], version: int, device: torch.device) -> Experience:
    """What a worker made, on the learner's device; copied, so that a slot may be written again."""
    own = {name: value.to(device, copy=True) for name, value in tensors.items()}
    episodes = {name: own[f"episodes.{name}"] for name in (*FINISHED, *FAULTS)}
    return Experience(Steps(**{name: own[name] for name in FIELDS}), version, episodes)


class Elsewhere(IVecEnv):
    """Stands at the learner for environments that workers have: says what they are, and has none.

    Args:
        info: see :meth:`Worker.info`.
    """

    def __init__(self, info: Mapping[str, Any]) -> None:
        self.info = dict(info)

    def step(self, actions: Tensor) -> None:
        """Not here."""
        raise NotImplementedError("the environments are at the workers")

    def reset(self) -> dict[str, Tensor]:
        """Observations of nothing, in the right shape."""
        return {"obs": torch.zeros(len(self.info["task_index"]), *self.info["observation_space"].shape)}

    def get_env_info(self) -> dict[str, Any]:
        """Spaces and tasks."""
        return self.info

    def get_env_state(self) -> dict[str, Any]:
        """Nothing: a continued run begins new episodes."""
        return {}

    def set_env_state(self, env_state: Mapping[str, Any]) -> dict[str, Tensor]:
        """The other way round."""
        return self.reset()


class Queue:
    """First in, first out, with a bound: a new item that finds it full drives the oldest one out.

    Args:
        bound: how many fit.
        dropped: told of each one that is driven out.
    """

    def __init__(self, bound: int, dropped: Callable[[Any], None] = lambda item: None) -> None:
        self.items: deque[Any] = deque()
        self.bound, self._dropped = bound, dropped
        self.drops = 0

    def __len__(self) -> int:
        return len(self.items)

    def put(self, item: Any) -> None:
        """Add the newest."""
        self.items.append(item)
        if len(self.items) > self.bound:
            self.drops += 1
            self._dropped(self.items.popleft())

    def get(self) -> Any:
        """Take the oldest; there has to be one."""
        return self.items.popleft()
