"""Rollouts from processes of this machine, through shared memory."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.multiprocessing as mp
from rl_games.common.ivecenv import IVecEnv
from torch import Tensor

from mtbench.learning.agents.checkpoint import clone
from mtbench.learning.agents.sources import Experience, Source
from mtbench.learning.agents.workers import Elsewhere, Queue, Worker, experience
from mtbench.learning.errors import UserError
from mtbench.schema import Count

if TYPE_CHECKING:
    from mtbench.learning.agents.mt_impala import MTIMPALA

MOST_DEATHS = 3  #: of workers, one after the other without a rollout between them
COPIES = 4  #: of the policy, in turn
Slot = dict[str, Tensor]


@dataclass
class _Process:
    process: Any
    pipe: Connection
    slot: int | None = None  #: being filled
    since: float = 0.0  #: when it was last given something to do
    ready: bool = False  #: whether its environments stand


class Processes(Source):
    """``n`` processes act, each in ``num_envs`` environments of its own, while the learner learns.

    A worker is told a slot of shared memory by its pipe, fills it with a rollout of the newest policy, and says so. Filled
    slots wait in a queue of ``max_queue``. Pipes and slots are of one worker at a time, so that one which is killed,
    wherever it was, takes no lock with it: it is replaced, its rollout is lost, and those that it finished before are
    learned from. The policy goes the other way through a few copies in shared memory, of which a worker takes the newest,
    and again if it changed meanwhile.

    Args:
        n: workers.
        max_queue: rollouts that wait for the learner.
        when_full: ``drop`` the oldest of them for a new one, or let workers ``wait``.
        timeout: seconds after which a worker that has not answered is ended and replaced.
    """

    name, remote = "processes", True

    def __init__(
        self, n: Count = 2, max_queue: Count = 2, when_full: Literal["drop", "wait"] = "drop", timeout: Count = 300
    ) -> None:
        self.n, self.max_queue, self.when_full, self.timeout = n, max_queue, when_full, timeout
        self.started, self.deaths, self.replaced = 0, 0, 0
        self.workers: list[_Process] = []
        self.setup: tuple[Any, ...] | None = None
        self.failure = ""
        self.changed, self.closing = threading.Condition(), False
        self.free: list[int] = []
        self.queue = Queue(self.max_queue, lambda item: self.free.append(item[0]))
        self._context = mp.get_context("spawn")  # a fork would copy the learner's threads' locks as they stand

    # -- the learner's side ----------------------------------------------------------------------------------------------

    def make_vec_env(self, config: Mapping[str, Any]) -> IVecEnv:
        self.env_config, self.num_envs = config["env_config"], int(config["num_actors"])
        self.workers = [self._start_process() for _ in range(self.n)]
        first = self.workers[0]
        if not first.pipe.poll(self.timeout):
            self.close()
            raise UserError(f"a worker did not make its environments in {self.timeout} s; use a larger source.timeout")
        try:
            kind, said = first.pipe.recv()
        except (EOFError, ConnectionError):
            kind, said = "failed", "it was killed"
        if kind == "failed":
            self.close()
            raise UserError(f"a worker could not begin: {said}")
        first.ready = True
        return Elsewhere(said)

    def start(self, agent: MTIMPALA) -> None:
        state = {name: value.cpu() for name, value in agent.model.state_dict().items()}
        self.copies = [{name: value.clone().share_memory_() for name, value in state.items()} for _ in range(COPIES)]
        self.versions = torch.full((COPIES + 1,), -1).share_memory_()  # of each copy, and last, which is the newest
        self.publish(0, state)
        rollout = _empty_rollout(agent)
        count = self.n + self.max_queue + 1
        self.slots = [{name: value.clone().share_memory_() for name, value in rollout.items()} for _ in range(count)]
        self.free = list(range(count))
        self.setup = (dict(agent.model_config), agent.horizon_length, self.slots, self.copies, self.versions)
        with self.changed:
            for worker in self.workers:
                if worker.ready:
                    self._send_setup(worker)
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def publish(self, version: int, state: Mapping[str, Tensor]) -> None:
        place = (int(self.versions[-1]) + 1) % COPIES
        self.versions[place] = -1  # torn, until it is whole
        for name, value in state.items():
            self.copies[place][name].copy_(value)
        self.versions[place] = version
        self.versions[-1] = place

    def next(self, agent: MTIMPALA) -> Experience:
        with self.changed:
            while not len(self.queue) and not self.failure:
                agent.check_stop()
                self.changed.wait(0.1)
            if self.failure:
                raise UserError(self.failure)
            slot, version = self.queue.get()
        found = experience(self.slots[slot], version, agent.device)
        with self.changed:
            self.free.append(slot)
            for worker in self.workers:
                if worker.ready and worker.slot is None:
                    self._give_slot(worker)
        return found

    def scalars(self) -> dict[str, float]:
        return {"info/dropped": float(self.queue.drops), "info/workers_replaced": float(self.replaced)}

    def close(self) -> None:
        self.closing = True
        thread = getattr(self, "_thread", None)
        if thread is not None:
            thread.join(10.0)
        for worker in self.workers:
            worker.process.kill()
            worker.process.join(10.0)
            worker.pipe.close()
        self.workers = []

    # -- the thread that listens -----------------------------------------------------------------------------------------

    def _receive(self) -> None:
        try:
            while not self.closing:
                heard = wait([w.pipe for w in self.workers] + [w.process.sentinel for w in self.workers], timeout=0.1)
                with self.changed:
                    for place, worker in enumerate(self.workers):
                        silent = worker.slot is not None or not worker.ready
                        if silent and time.monotonic() - worker.since > self.timeout:
                            worker.process.kill()
                            self._replace(place, f"did not answer for {self.timeout} s")
                        elif worker.pipe in heard:
                            self._hear(place, worker)
                        elif worker.process.sentinel in heard:
                            self._replace(place, "was killed")
        except Exception as error:  # whatever it is, the learner must not wait for ever
            self.failure = f"the workers cannot be listened to any more: {type(error).__name__}: {error}"

    def _hear(self, place: int, worker: _Process) -> None:
        try:
            kind, said = worker.pipe.recv()
        except (EOFError, ConnectionError):
            return self._replace(place, "was killed")
        if kind == "failed":
            return self._replace(place, said)
        if kind == "info":
            worker.ready = True
            return self._send_setup(worker)
        self.deaths = 0
        assert worker.slot is not None
        self.queue.put((worker.slot, said))
        worker.slot = None
        self._give_slot(worker)
        self.changed.notify_all()

    def _replace(self, place: int, why: str) -> None:
        old = self.workers[place]
        old.process.join(1.0)
        old.pipe.close()
        self.deaths += 1
        if self.deaths > MOST_DEATHS:
            self.failure = f"{self.deaths} workers in a row ended without a rollout; the last one: {why}"
            self.changed.notify_all()
            return
        if old.slot is not None:
            self.free.append(old.slot)
        self.replaced += 1
        print(f"worker {place + 1} {why}; another one begins", flush=True)
        self.workers[place] = self._start_process()

    def _start_process(self) -> _Process:
        ours, theirs = self._context.Pipe()
        arguments = (theirs, self.env_config, self.num_envs, self.started)
        self.started += 1
        process = self._context.Process(target=_work, args=arguments, daemon=True)
        process.start()
        theirs.close()
        return _Process(process, ours, since=time.monotonic())

    def _send_setup(self, worker: _Process) -> None:
        try:
            worker.pipe.send(self.setup)
        except (BrokenPipeError, ConnectionError):
            return  # its end will be heard
        self._give_slot(worker)

    def _give_slot(self, worker: _Process) -> None:
        waits = self.when_full == "wait" and len(self.queue) >= self.max_queue
        if waits or not self.free:
            return
        worker.slot, worker.since = self.free.pop(0), time.monotonic()
        try:
            worker.pipe.send(worker.slot)
        except (BrokenPipeError, ConnectionError):
            return  # its end will be heard, and its slot goes back then


def _empty_rollout(agent: MTIMPALA) -> Slot:
    """Tensors with the shapes and types of what :meth:`.workers.Worker.roll` returns."""
    T, N = agent.horizon_length, agent.num_actors
    obs, actions = agent.env_info["observation_space"].shape[0], agent.env_info["action_space"].shape[0]
    rows = torch.zeros(T, N)
    flags, counts = torch.zeros(T, N, dtype=torch.bool), torch.zeros(T, dtype=torch.long)
    return {
        "obs": torch.zeros(T, N, obs),
        "final_obs": torch.zeros(T, N, obs),
        "last_obs": torch.zeros(N, obs),
        "actions": torch.zeros(T, N, actions),
        "log_probs": rows,
        "rewards": rows,
        "dones": flags,
        "time_outs": flags,
        "episodes.mask": flags,
        "episodes.success": flags,
        "episodes.return": rows,
        "episodes.length": rows,
        "episodes.diverged": counts,
        "episodes.overflow": counts,
        "episodes.not_finite": counts,
    }


def _work(pipe: Connection, env_config: Mapping[str, Any], num_envs: int, number: int) -> None:
    """A worker's life: it ends when the learner's end of the pipe does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the learner
    try:
        worker = Worker(env_config, num_envs, number)
        pipe.send(("info", worker.info()))
        model_config, horizon, slots, copies, versions = pipe.recv()
        worker.build(model_config)
        while True:
            slot = slots[pipe.recv()]
            version, state = _newest(copies, versions)
            for name, value in worker.roll(state, horizon).items():
                slot[name].copy_(value)
            pipe.send(("rollout", version))
    except (EOFError, ConnectionError):
        pass
    except Exception as error:
        pipe.send(("failed", f"{type(error).__name__}: {' '.join(str(error).split())}"))


def _newest(copies: list[Slot], versions: Tensor) -> tuple[int, Slot]:
    """The newest policy and its version, whole: read again if the learner wrote to that copy meanwhile."""
    while True:
        place = int(versions[-1])
        version = int(versions[place])
        state = clone(copies[place])
        if version >= 0 and int(versions[place]) == version:
            return version, state
