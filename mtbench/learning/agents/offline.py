"""What learners without environments share: windows of a dataset in, optimizer steps out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mtbench.data import Trajectories
from mtbench.data.windows import Windows, WindowSampler
from mtbench.learning import distributed
from mtbench.learning.agents.agent import Agent, StopRequest
from mtbench.learning.errors import UserError
from mtbench.learning.evaluate import Evaluator
from mtbench.learning.networks.base import owned_parameters
from mtbench.learning.networks.normalization import InputNormalizer
from mtbench.learning.offline import data_env

Batch = tuple[Windows, Tensor]  #: windows in K equal slices, and the episode of each within its task


class Offline(Agent):
    """Learn K tasks from trajectories: every minibatch has ``batch_size`` windows of each, and each task's loss its own
    gradient, to which any scheme applies.

    An epoch is ``horizon_length`` optimizer steps. Frames are (state, action) pairs that were learned from, so that
    ``max_frames`` and ``eval_interval`` mean what they do elsewhere. Environments are made for evaluations only. A run that
    starts from another one's networks (``pretrained``) is evaluated before it learns: how far the prior goes by itself.

    Attributes:
        data: the trajectories; ``sampler`` draws from them.
        context: steps of a window.
        updates: optimizer steps since the run began.
    """

    context = 1

    def __init__(self, base_name: str, params: dict[str, Any], evaluator: Evaluator | None = None) -> None:
        config = params["config"]
        if distributed.size() > 1:
            raise UserError("offline learners run in one process; start it without torchrun and multi_gpu")
        data_env.register()
        config["env_config"] = config["env_config"] | {"data": config["data"], "part": config["part"]}
        super().__init__(base_name, params, evaluator)

    def build(self) -> None:
        """Make sampler, statistics, optimizer and side."""
        config = self.config
        self.data: Trajectories = self.vec_env.data
        self.sampler = WindowSampler(self.data, self._device)
        self.per_task, self.updates = int(config["batch_size"]), 0
        self.batch_size = self.num_tasks * self.per_task * self.context
        self.frames_per_epoch = self.batch_size * self.horizon_length
        self.task = torch.arange(self.num_tasks, device=self._device).repeat_interleave(self.per_task)
        self._set_statistics()
        network = self.policy_network
        self.optimizers["all"] = torch.optim.AdamW(
            network.parameters(), self.last_lr, weight_decay=float(config["weight_decay"]), fused=True
        )
        self.sides["actor"] = self.make_side("actor", network, owned_parameters(network))

    def _set_statistics(self) -> None:
        """Let inputs be normalized by the whole dataset at once."""
        norm = self.model.input_norm
        if not isinstance(norm, InputNormalizer):
            return
        count, mean, m2 = (x.to(self._device) for x in self.sampler.statistics())
        if norm.shared:
            total = (count[:, None] * mean).sum(0) / count.sum()
            m2 = (m2 + count[:, None] * (mean - total).square()).sum(0, keepdim=True)
            count, mean = count.sum(0, keepdim=True), total[None]
        norm.count.copy_(count)
        norm.mean.copy_(mean)
        norm.m2.copy_(m2)

    def describe(self) -> str:
        """The trajectories that are learned from."""
        success = 100 * float(self.data.episodes["success"].mean())
        return (
            f"{len(self.data):,} trajectories, {self.data.num_steps:,} steps, {success:.1f} % of them successful "
            f"({self.config['data']}, part {self.config['part']:g})"
        )

    @property
    @abstractmethod
    def policy_network(self) -> torch.nn.Module:
        """What is trained."""

    @abstractmethod
    def losses(self, batch: Batch) -> Tensor:
        """Each task's loss (K,) on a minibatch."""

    def draw(self) -> Batch:
        """A minibatch."""
        return self.sampler.draw(self.per_task, self.context, self.generators["minibatches"])

    def before_update(self) -> None:
        """Called before every optimizer step."""

    def learn(self) -> dict[str, Tensor | float]:
        """Take ``horizon_length`` optimizer steps."""
        log: dict[str, list[Tensor]] = {}
        side, warmup = self.sides["actor"], int(self.config["warmup_updates"])
        for _ in range(self.horizon_length):
            if self._stop_signal:
                raise StopRequest
            with self.stepping():
                batch = self.draw()
            self.before_update()
            self.set_learning_rate(float(self.config["learning_rate"]) * min(1.0, (self.updates + 1) / max(warmup, 1)))
            seen: list[Tensor] = []

            def losses(batch: Batch = batch, seen: list[Tensor] = seen) -> Tensor:
                seen.append(self.losses(batch))
                return seen[-1]

            self.optimizers["all"].zero_grad(set_to_none=True)
            side.backward(losses)
            scalars = {"losses/a_loss": seen[0].detach().mean()} | self.optimize("all")
            side.after_step()
            self.updates += 1
            for name, value in scalars.items():
                log.setdefault(name, []).append(value)
        side.after_epoch()
        return {**self.means(log), "info/updates": float(self.updates)}

    def learner_state(self) -> dict[str, Any]:
        """Optimizer steps taken."""
        return {"updates": self.updates}

    def load_learner_state(self, state: Mapping[str, Any]) -> None:
        """Continue."""
        self.updates = state["updates"]

    def per_task_mean(self, x: Tensor, weight: Tensor) -> Tensor:
        """Weighted mean of each of K equal slices of (B, ...), (K,)."""
        x, weight = (part.reshape(self.num_tasks, -1) for part in (x * weight, weight.expand_as(x)))
        return x.sum(1) / weight.sum(1).clamp_min(1.0)
