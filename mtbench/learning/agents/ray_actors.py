"""Rollouts from actors of a Ray cluster, on one machine or many."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import ray
from rl_games.common.ivecenv import IVecEnv
from torch import Tensor

from mtbench.learning.agents.checkpoint import clone
from mtbench.learning.agents.sources import Experience, Source
from mtbench.learning.agents.workers import Elsewhere, Queue, Worker, experience
from mtbench.learning.errors import UserError
from mtbench.schema import Count, Name

if TYPE_CHECKING:
    from mtbench.learning.agents.mt_impala import MTIMPALA

AHEAD = 2  #: rollouts that an actor is asked for before it has answered: it goes on while the learner learns
MOST_DEATHS = 3  #: of actors, one after the other without a rollout between them


class RayActors(Source):
    """``n`` actors, each with ``num_envs`` environments of its own on one CPU, wherever the cluster has one.

    The policy is put into Ray's object store once an update, and an actor is asked for its next rollouts with the newest
    one. What has come waits in a queue of ``max_queue``, whose oldest is dropped when it is full. An actor that died, or
    whose node did, is replaced wherever there is room.

    Args:
        n: actors.
        max_queue: rollouts that wait for the learner.
        address: of a cluster that runs (``auto``, ``ray://host:10001``); None: one of this machine, for this run.
        timeout: seconds without any rollout after which the run ends.
    """

    name, remote = "ray", True

    def __init__(self, n: Count = 2, max_queue: Count = 2, address: Name | None = None, timeout: Count = 300) -> None:
        self.n, self.max_queue, self.address, self.timeout = n, max_queue, address, timeout
        self.queue = Queue(self.max_queue)
        self.started, self.deaths, self.replaced = 0, 0, 0
        self.asked: dict[Any, tuple[int, int]] = {}  #: reference -> place of the actor, version of the policy
        self.actors: list[Any] = []
        self._own = False

    def make_vec_env(self, config: Mapping[str, Any]) -> IVecEnv:
        if not ray.is_initialized():
            own = {"num_cpus": max(self.n, os.cpu_count() or 1), "include_dashboard": False}
            ray.init(address=self.address, log_to_driver=False, **({} if self.address else own))
            self._own = True
        self.env_config, self.num_envs = config["env_config"], int(config["num_actors"])
        self.actors = [self._start_actor() for _ in range(self.n)]
        try:
            return Elsewhere(ray.get(self.actors[0].info.remote(), timeout=self.timeout))
        except ray.exceptions.GetTimeoutError as error:
            self.close()
            raise UserError(
                f"no actor began in {self.timeout} s; the cluster may have no free CPU, or use a larger source.timeout"
            ) from error
        except ray.exceptions.RayError as error:
            self.close()
            raise UserError(f"an actor could not begin: {_reason(error)}") from error

    def start(self, agent: MTIMPALA) -> None:
        self.model_config, self.horizon = dict(agent.model_config), agent.horizon_length
        self.publish(0, agent.model.state_dict())
        for place, actor in enumerate(self.actors):
            actor.build.remote(self.model_config)
            self._ask(place)

    def publish(self, version: int, state: Mapping[str, Tensor]) -> None:
        self.version, self.policy = version, ray.put({name: value.cpu() for name, value in clone(dict(state)).items()})

    def next(self, agent: MTIMPALA) -> Experience:
        self._take(0.0)
        waited = 0.0
        while not len(self.queue):
            agent.check_stop()
            self._take(0.5)
            waited += 0.5
            if waited > self.timeout:
                raise UserError(f"no actor has made a rollout in {self.timeout} s; look at the cluster with ray status")
        tensors, version = self.queue.get()
        return experience(tensors, version, agent.device)

    def _take(self, seconds: float) -> None:
        """Put what has come, or comes in so many seconds, into the queue, and ask its actors for more."""
        ready, _ = ray.wait(list(self.asked), num_returns=len(self.asked), timeout=0.0)
        if not ready and seconds:
            ready, _ = ray.wait(list(self.asked), num_returns=1, timeout=seconds)
        for reference in ready:
            if reference not in self.asked:
                continue  # of an actor that was replaced since
            place, version = self.asked.pop(reference)
            try:
                self.queue.put((ray.get(reference), version))
                self.deaths = 0
                self._ask(place)
            except ray.exceptions.RayError as error:
                self._replace(place, error)

    def _replace(self, place: int, error: Exception) -> None:
        self.deaths += 1
        if self.deaths > MOST_DEATHS:
            raise UserError(
                f"{self.deaths} actors in a row ended without a rollout; the last one: {_reason(error)}"
            ) from error
        self.replaced += 1
        print(f"actor {place + 1} is gone ({_reason(error)}); another one begins", flush=True)
        self.asked = {reference: what for reference, what in self.asked.items() if what[0] != place}
        ray.kill(self.actors[place])
        self.actors[place] = self._start_actor()
        self.actors[place].build.remote(self.model_config)
        self._ask(place)

    def _ask(self, place: int) -> None:
        while sum(what[0] == place for what in self.asked.values()) < AHEAD:
            reference = self.actors[place].roll.remote(self.policy, self.horizon)
            self.asked[reference] = place, self.version

    def _start_actor(self) -> Any:
        actor = ray.remote(Worker).options(num_cpus=1, max_restarts=0)
        self.started += 1
        return actor.remote(self.env_config, self.num_envs, self.started - 1)

    def scalars(self) -> dict[str, float]:
        return {"info/dropped": float(self.queue.drops), "info/workers_replaced": float(self.replaced)}

    def close(self) -> None:
        for actor in self.actors:
            ray.kill(actor)
        self.actors, self.asked = [], {}
        if self._own:
            ray.shutdown()


def _reason(error: Exception) -> str:
    """The last line of Ray's account, which has the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[-1]
