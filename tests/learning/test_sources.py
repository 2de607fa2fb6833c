"""Rollouts from processes: they learn, drop the oldest, survive the loss of workers, and end with the learner."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest
import torch

from mtbench.learning.agents.workers import FIELDS, Queue
from mtbench.learning.errors import UserError

IMPALA = "train=MTIMPALA"


def processes(more: str = "") -> list[str]:
    return [IMPALA, f"source={{name:processes,n:2,timeout:240{more}}}"]


def test_a_full_queue_drops_its_oldest() -> None:
    out: list[int] = []
    queue = Queue(2, out.append)
    for item in range(5):
        queue.put(item)
    assert out == [0, 1, 2] and queue.drops == 3 and [queue.get(), queue.get()] == [3, 4]


def wait_for(condition: Any, seconds: float = 200.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_processes_learn_and_replace_what_is_killed(make_agent, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent(*processes(), "max_iterations=3")
    source = agent.source
    try:
        before = [value.clone() for value in agent.model.state_dict().values()]
        for update in range(2):
            scalars = agent.learn()
            agent.epoch_num += 1
            assert 0 <= scalars["info/policy_lag"] <= update
        assert not all(torch.equal(a, b) for a, b in zip(before, agent.model.state_dict().values(), strict=True))
        wait_for(lambda: source.queue.drops >= 2)  # nobody takes what comes
        assert len(source.queue) == source.max_queue
        used = [slot for slot, _ in source.queue.items] + [w.slot for w in source.workers if w.slot is not None]
        assert len(set(used)) == len(used), "no slot is in two places"
        killed = source.workers[0].process.pid
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: source.replaced == 1 and source.workers[0].ready)
        made = agent.source.next(agent)
        assert {name for name in FIELDS if not bool(getattr(made.steps, name).isfinite().all())} == set()
        agent.learn()
    finally:
        source.close()
    assert "was killed; another one begins" in capsys.readouterr().out
    assert not source.workers


@pytest.mark.slow
def test_a_worker_that_hangs_is_replaced(make_agent) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent(IMPALA, "source={name:processes,n:1,timeout:240}")
    source = agent.source
    try:
        source.next(agent)
        source.timeout = 1
        os.kill(source.workers[0].process.pid, signal.SIGSTOP)
        wait_for(lambda: source.replaced >= 1)
    finally:
        source.close()


@pytest.mark.slow
def test_workers_that_wait_drop_nothing(make_agent) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent(*processes(",when_full:wait,max_queue:1"))
    source = agent.source
    try:
        wait_for(
            lambda: (
                (len(source.queue) == 1 and all(w.ready and w.slot is None for w in source.workers))
                or source.queue.drops
            )
        )
        for _ in range(3):
            agent.learn()
            agent.epoch_num += 1
    finally:
        source.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["source={name:processes,n:0}"], "source.n=0 must be a whole number of at least 1"),
        (["source={name:processes,when_full:stop}"], "source.when_full=stop must be drop or wait"),
        (
            ["source={name:processes,n:1}", "task.env.tasks=[nowhere]"],
            "a worker could not begin: .*unknown task 'nowhere'",
        ),
    ],
)
def test_settings_that_cannot_work(make_agent, options: list[str], words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=words) as error:
        make_agent(IMPALA, *options)
    assert "\n" not in str(error.value)
