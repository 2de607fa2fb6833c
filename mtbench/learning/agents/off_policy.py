"""What algorithms that learn from a replay buffer share."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mtbench.learning import distributed
from mtbench.learning.agents.agent import Agent, StopRequest
from mtbench.learning.agents.replay import Batch, ReplayBuffer
from mtbench.learning.errors import UserError
from mtbench.learning.gradient_record import GradientRecord, Snapshot


class OffPolicy(Agent):
    """Step all environments once, store the step, take ``gradient_steps_per_itr`` updates, and again.

    An epoch is ``horizon_length`` environment steps. The first ``warmup_steps`` of a run are random, and nothing is
    learned while the buffer holds fewer.

    The buffer is part of checkpoints only with ``save_replay_buffer``; without it a continued run fills a new one, with
    its own policy, before it learns on.

    Attributes:
        replay: made by :meth:`build`, which subclasses extend.
        batch_size: transitions of an update.
        steps_taken: environment steps since the run began, of one environment.
        snapshot: of the task gradients, to be shown those of the update in progress; None: not this one.
    """

    replay: ReplayBuffer
    snapshot: Snapshot | None = None

    @classmethod
    def check_environments(cls, params: Mapping[str, Any], env: Mapping[str, Any], counts: Sequence[int]) -> None:
        """See :meth:`.agent.Agent.check_environments`."""
        size = params["config"]["batch_size"]
        if size < len(counts):
            raise UserError(f"batch_size={size} must be at least {len(counts)}, one transition of every task")

    def build(self) -> None:
        """Make the replay buffer."""
        config = self.config
        self.batch_size = int(config["batch_size"])
        self.gradient_steps_per_itr, self.warmup_steps = (
            int(config["gradient_steps_per_itr"]),
            int(config["warmup_steps"]),
        )
        self.steps_taken = 0
        self.record = GradientRecord(self.task_names)
        if config["save_replay_buffer"] and distributed.size() > 1:
            raise UserError(
                "save_replay_buffer=true works with one process only; leave multi_gpu=false or do not save it"
            )
        device = torch.device(config["replay_device"] or self._device)
        capacity, num_features = int(config["replay_buffer_size"]), self.model_config["num_obs"] - self.num_tasks
        num_actions, n_step = self.model_config["num_actions"], int(config["nstep"])
        size = ReplayBuffer.size_in_bytes(capacity, self.num_actors, num_features, num_actions)
        _check_fits(size, device)
        self.replay = ReplayBuffer(capacity, self.task_index, num_features, num_actions, device, n_step, self.gamma)
        if self.warmup_steps > self.replay.steps:
            raise UserError(
                f"warmup_steps={self.warmup_steps} is more than the {self.replay.steps} steps of {self.num_actors} "
                "environments that the replay buffer holds; raise replay_buffer_size"
            )
        if distributed.rank() == 0:
            print(
                f"replay buffer: {self.replay.steps * self.num_actors:,} transitions, {self.replay.bytes / 2**20:,.0f} MiB "
                f"on {device}",
                flush=True,
            )

    @abstractmethod
    def explore(self, obs: Tensor) -> Tensor:
        """Actions (N, actions) to try in raw observations (N, features + K)."""

    @abstractmethod
    def update(self, batch: Batch) -> dict[str, Tensor]:
        """Take one optimizer step on every side; return scalars to log."""

    @property
    def value_scale(self) -> Tensor:
        """What the rewards of each task are divided by when they are learned from, (K,); ones where gradients do not grow
        with them, as those of a cross-entropy."""
        return torch.ones(self.num_tasks)

    def before_training(self) -> None:
        """Go on with the record of task gradients."""
        if self.config["diagnose_interval"] and self.frame:
            self.record = GradientRecord.resume(self.experiment_dir / "gradients.npz", self.task_names, self.frame)

    def before_updates(self) -> None:
        """Called once an epoch, before its first update."""

    @property
    def may_learn(self) -> bool:
        """Whether the buffer holds enough."""
        return self.replay.ready and len(self.replay) >= self.warmup_steps * self.num_actors

    def learn(self) -> dict[str, Tensor | float]:
        """Alternate between steps and updates; see the class."""
        log: dict[str, list[Tensor]] = {}
        rewards: list[Tensor] = []
        if distributed.any_rank(bool(self._stop_signal)):
            raise StopRequest
        snapshot, prepared = Snapshot(), False
        for _ in range(self.horizon_length):
            with self.stepping():
                rewards.append(self.collect())
            if not self.may_learn:
                continue
            if not prepared:
                self.before_updates()
                self.snapshot, prepared = snapshot, True  # of the first updates, until both sides had one
            for _ in range(self.gradient_steps_per_itr):
                self._check_stop_alone()
                batch = self.replay.sample(self.batch_size, self.generators["minibatches"])
                for name, value in self.update(batch).items():
                    log.setdefault(name, []).append(value)
                if snapshot.complete:
                    self.snapshot = None
        self.observer.after_steps()
        for side in self.sides.values():
            side.after_epoch()
        if snapshot.complete and self.record.due(self.frame, self.config["diagnose_interval"]):
            self.record.append(self.frame, snapshot, 1.0, self.value_scale)
            if distributed.rank() == 0:
                self.record.write(self.experiment_dir / "gradients.npz")
        return {
            **self.means(log),
            **(snapshot.scalars() if snapshot.complete else {}),
            "rewards/step": torch.stack(rewards).mean(),
            "info/replay_transitions": float(len(self.replay)),
        }

    def descend(self, name: str, losses_of: Callable[[], Tensor]) -> dict[str, Tensor]:
        """Take an optimizer step on one side, on losses ``losses_of() -> (K,)``; return scalars to log."""
        seen: list[Tensor] = []

        def losses() -> Tensor:
            seen.append(losses_of())
            return seen[-1]

        side = self.sides[name]
        self.optimizers[name].zero_grad(set_to_none=True)
        matrix = side.backward(losses, diagnose=self.snapshot is not None)
        if self.snapshot is not None and matrix is not None:
            self.snapshot.add(name, matrix, side.weights)
        scalars = {f"losses/{name[0]}_loss": seen[0].detach().mean()} | self.optimize(name)
        side.after_step()
        return scalars

    def per_task(self, x: Tensor) -> Tensor:
        """Mean of each of K equal slices (n,) -> (K,)."""
        return x.unflatten(0, (self.num_tasks, -1)).mean(1)

    @torch.no_grad()
    def collect(self) -> Tensor:
        """Take one step in all environments and store it; return the rewards (N,)."""
        assert self.obs is not None
        obs = self.obs
        actions = self.random_actions() if self.steps_taken < self.warmup_steps else self.explore(obs)
        following, rewards, dones, extras = self.step(actions)
        ended, truncated = dones.bool(), extras["time_outs"] & dones.bool()
        next_obs = torch.where(ended.unsqueeze(1), extras["final_obs"], following)
        # what the environments were given: step() clips
        self.replay.add(obs, actions.clamp(-1.0, 1.0), rewards, next_obs, ended & ~truncated, truncated)
        self.model.update_statistics(obs, self.task_index)
        self.obs = following
        self.steps_taken += 1
        return rewards

    def random_actions(self) -> Tensor:
        """Uniform in the action space, (N, actions)."""
        shape = self.num_actors, self.model_config["num_actions"]
        return 2.0 * torch.rand(shape, generator=self.generators["actions"], device=self._device) - 1.0

    def learner_state(self) -> dict[str, Any]:
        """Steps taken and, if asked for, the replay buffer."""
        state: dict[str, Any] = {"steps_taken": self.steps_taken}
        if self.config["save_replay_buffer"]:
            state["replay"] = self.replay.state_dict()
        return state

    def load_learner_state(self, state: Mapping[str, Any]) -> None:
        """Continue; a run that did not save its replay buffer fills a new one, and is told so."""
        self.steps_taken = state["steps_taken"]
        if "replay" in state and distributed.size() == 1:
            self.replay.load_state_dict(state["replay"])
        elif distributed.rank() == 0:
            print(
                "the checkpoint has no replay buffer: the run continues with an empty one, not exactly "
                "(save_replay_buffer=true keeps it)",
                flush=True,
            )


def _check_fits(size: int, device: torch.device) -> None:
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else _free_memory()
    if size > free:
        raise UserError(
            f"the replay buffer takes {size / 2**30:.1f} GiB, and {device} has {free / 2**30:.1f} GiB free; lower "
            "replay_buffer_size" + (" or set replay_device=cpu" if device.type == "cuda" else "")
        )


def _free_memory() -> int:
    """Bytes of main memory that can be had without swapping; where the system does not say, all there is."""
    try:
        with open("/proc/meminfo") as file:
            fields = dict(line.split(":", 1) for line in file)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
