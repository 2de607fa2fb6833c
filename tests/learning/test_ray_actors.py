"""The logic of Ray's source on a double of Ray, and, where Ray is installed, on a cluster of two nodes on this machine."""

from __future__ import annotations

import importlib.machinery
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from mtbench.learning.errors import UserError

IMPALA = "train=MTIMPALA"


class ActorDiedError(Exception):
    """What a double's actor raises when it is asked after its end."""


class Method:
    def __init__(self, actor: Any, name: str) -> None:
        self.actor, self.name = actor, name

    def remote(self, *arguments: Any) -> Any:
        return Reference(lambda: self.actor.call(self.name, *arguments))


class Reference:
    def __init__(self, work: Any) -> None:
        self.work = work


class Actor:
    """Does everything when it is asked for the result, in this process."""

    def __init__(self, cls: type, *arguments: Any) -> None:
        self.make, self.instance, self.dead = (lambda: cls(*arguments)), None, False

    def call(self, name: str, *arguments: Any) -> Any:
        if self.dead:
            raise ActorDiedError("the actor died")
        self.instance = self.instance or self.make()
        return getattr(self.instance, name)(*arguments)

    def __getattr__(self, name: str) -> Method:
        return Method(self, name)


def double() -> types.ModuleType:
    """Enough of Ray for the source: calls run when they are waited for, in the order of the references."""
    ray: Any = types.ModuleType("ray")
    ray.__spec__ = importlib.machinery.ModuleSpec("ray", None)
    ray.exceptions = types.SimpleNamespace(RayError=ActorDiedError, GetTimeoutError=TimeoutError)
    ray.is_initialized, ray.init, ray.shutdown, ray.put = (lambda: True), None, None, (lambda value: value)
    ray.get = lambda reference, timeout=None: reference.work()
    ray.wait = lambda references, num_returns, timeout: (references[:num_returns], references[num_returns:])

    def kill(actor: Actor) -> None:
        actor.dead = True

    def remote(cls: type) -> Any:
        made = types.SimpleNamespace(remote=lambda *arguments: begin(Actor(cls, *arguments)))
        return types.SimpleNamespace(options=lambda **options: made)

    def begin(actor: Actor) -> Actor:
        build = Method(actor, "build")
        actor.build = types.SimpleNamespace(remote=lambda *a: build.actor.call("build", *a))  # type: ignore[attr-defined]
        return actor

    ray.kill, ray.remote = kill, remote
    return ray


@pytest.fixture
def ray_double(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    module = double()
    monkeypatch.setitem(sys.modules, "ray", module)
    monkeypatch.delitem(sys.modules, "mtbench.learning.agents.ray_actors", raising=False)
    yield module
    sys.modules.pop("mtbench.learning.agents.ray_actors", None)


def test_learns_drops_the_oldest_and_replaces_the_dead(
    make_agent, ray_double, capsys: pytest.CaptureFixture[str]
) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent(IMPALA, "source={name:ray,n:2,max_queue:1}")
    source = agent.source
    for update in range(3):
        scalars = agent.learn()
        agent.epoch_num += 1
        assert 0 <= scalars["info/policy_lag"] <= update
    assert scalars["info/dropped"] > 0 and len(source.asked) == 4
    ray_double.kill(source.actors[0])
    agent.learn()
    assert source.replaced >= 1 and "actor 1 is gone (the actor died); another one begins" in capsys.readouterr().out
    assert len(source.asked) == 4
    source.close()
    assert not source.actors


def test_actors_that_all_die_end_the_run(make_agent, ray_double, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent(IMPALA, "source={name:ray,n:1}")

    def dies(self: Any, *arguments: Any) -> None:
        raise ActorDiedError("out of memory")

    monkeypatch.setattr("mtbench.learning.agents.workers.Worker.roll", dies)
    with pytest.raises(UserError, match="4 actors in a row ended without a rollout; the last one: out of memory"):
        for _ in range(6):
            agent.learn()


def test_without_ray_it_is_said(make_agent, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="source=ray needs Ray: pip install"):
        make_agent(IMPALA, "source=ray")


@pytest.mark.slow
def test_a_lost_node_is_survived(make_agent) -> None:  # type: ignore[no-untyped-def]
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, connect=True, head_node_args={"num_cpus": 1})
    other = cluster.add_node(num_cpus=1)
    try:
        agent = make_agent(IMPALA, "source={name:ray,n:2}")
        for _ in range(3):
            agent.learn()
            agent.epoch_num += 1
        cluster.remove_node(other)
        cluster.add_node(num_cpus=1)
        while agent.source.replaced < 1:
            agent.learn()
            agent.epoch_num += 1
        agent.learn()
        agent.source.close()
    finally:
        ray.shutdown()
        cluster.shutdown()
