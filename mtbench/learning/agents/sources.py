"""Where the rollouts of MT-IMPALA come from.

| ``source`` | who acts | age of a rollout, in updates | continues |
|---|---|---|---|
| ``{name: inline, lag: L}`` | the learner itself, with the policy of L updates ago | L | bit for bit |
| ``{name: processes, n: 2}`` | processes of this machine, :mod:`.processes` | as it comes | with new episodes |
| ``{name: ray, n: 2}`` | actors of a Ray cluster, :mod:`.ray_actors` | as it comes | with new episodes |
"""

from __future__ import annotations

import importlib
import importlib.util
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from rl_games.common.ivecenv import IVecEnv
from torch import Tensor

from mtbench.learning.agents.checkpoint import clone
from mtbench.learning.agents.rollout import Steps, record
from mtbench.learning.errors import UserError, unknown
from mtbench.learning.networks.model import ActorCriticModel
from mtbench.learning.rl_games import vecenv
from mtbench.schema import Whole, check, of_signature

if TYPE_CHECKING:
    from mtbench.learning.agents.mt_impala import MTIMPALA


class Experience(NamedTuple):
    """A rollout and the policy that made it.

    Attributes:
        steps: what was recorded.
        version: how many updates the policy had seen.
        episodes: (T, N) each of ``mask``, ``success``, ``return`` and ``length`` of episodes that ended, and (T,) of
            ``diverged``, ``overflow`` and ``not_finite``; None where the observer has been told.
    """

    steps: Steps
    version: int
    episodes: Mapping[str, Tensor] | None = None


class Source(ABC):
    """Makes rollouts with policies that the learner publishes."""

    name: ClassVar[str]
    remote: ClassVar[bool]  #: whether environments are elsewhere

    @abstractmethod
    def make_vec_env(self, config: Mapping[str, Any]) -> IVecEnv:
        """The environments, or what stands for them at the learner, from rl-games' parameters."""

    @abstractmethod
    def start(self, agent: MTIMPALA) -> None:
        """The learner is built; its policy is version 0."""

    @abstractmethod
    def publish(self, version: int, state: Mapping[str, Tensor]) -> None:
        """Let rollouts that begin from now on be made by the policy ``state``, which has seen ``version`` updates."""

    @abstractmethod
    def next(self, agent: MTIMPALA) -> Experience:
        """The oldest rollout that is there, or the next one.

        Raises:
            UserError: there will be none.
        """

    def scalars(self) -> dict[str, float]:
        """What to log of an epoch."""
        return {}

    def state(self) -> dict[str, Any]:
        """What continues the source exactly, as tensors and plain data."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:  # noqa: B027
        """Continue from :meth:`state`."""

    def close(self) -> None:  # noqa: B027
        """No more rollouts are wanted."""


class Inline(Source):
    """The learner acts between its updates, with the policy of ``lag`` updates ago, or the first one while there have been
    fewer. Deterministic, and for experiments with the age of rollouts; 0 is synchronous.

    Args:
        lag: L.
    """

    name, remote = "inline", False

    def __init__(self, lag: Whole = 0) -> None:
        self.lag = lag
        self.policies: deque[tuple[int, dict[str, Tensor]]] = deque(maxlen=lag + 1)

    def make_vec_env(self, config: Mapping[str, Any]) -> IVecEnv:
        return vecenv.create_vec_env(config["env_name"], config["num_actors"], **config["env_config"])

    def start(self, agent: MTIMPALA) -> None:
        self.actor = ActorCriticModel(**agent.model_config).to(agent.device).requires_grad_(False)
        self.publish(0, agent.model.state_dict())

    def publish(self, version: int, state: Mapping[str, Tensor]) -> None:
        if not self.policies or version > self.policies[-1][0]:
            self.policies.append((version, clone(dict(state))))

    def next(self, agent: MTIMPALA) -> Experience:
        assert agent.obs is not None
        version, state = self.policies[0]
        self.actor.load_state_dict(state)

        def act(obs: Tensor) -> tuple[Tensor, Tensor]:
            return self.actor.sample(obs, agent.task_index, agent.generators["actions"])

        steps = record(agent.step, act, agent.obs, agent.horizon_length)
        agent.obs = steps.last_obs
        return Experience(steps, version)

    def state(self) -> dict[str, Any]:
        return {"policies": [[version, state] for version, state in self.policies]}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.policies = deque(((version, clone(policy)) for version, policy in state["policies"]), maxlen=self.lag + 1)


#: name -> module and class of those that have workers; imported when they are asked for
REMOTE = {
    "processes": ("mtbench.learning.agents.processes", "Processes"),
    "ray": ("mtbench.learning.agents.ray_actors", "RayActors"),
}


def make_source(setting: str | Mapping[str, Any]) -> Source:
    """The source of a setting, a name or a mapping of name and options, whose types say what they may be; nothing starts
    yet.

    Raises:
        UserError: no such source or option, one that cannot be, or Ray is not installed.
    """
    options = {"name": setting} if isinstance(setting, str) else dict(setting)
    name = str(options.pop("name", ""))
    if name not in ("inline", *REMOTE):
        raise unknown("source", name, ("inline", *REMOTE))
    if name == "ray" and importlib.util.find_spec("ray") is None:
        raise UserError("source=ray needs Ray: pip install 'mtbench-robotics[ray]', or use source=processes")
    kind: type[Source] = Inline
    if name in REMOTE:
        module, attribute = REMOTE[name]
        kind = getattr(importlib.import_module(module), attribute)
    check(of_signature(kind), options, "source")
    return kind(**options)
