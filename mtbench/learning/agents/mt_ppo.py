"""Multi-task PPO on rl-games, and TOPPO with its four parts switched on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from rl_games.common import schedulers
from torch import Tensor

from mtbench.learning import distributed
from mtbench.learning.agents import settings as schema
from mtbench.learning.agents.agent import Agent, StopRequest
from mtbench.learning.agents.gradients import jacobian_norms
from mtbench.learning.agents.losses import actor_losses, critic_losses
from mtbench.learning.agents.minibatches import StratifiedMinibatches, check_minibatches
from mtbench.learning.agents.rollout import Rollout, Targets, collect, compute_targets
from mtbench.learning.gradient_record import GradientRecord, Snapshot
from mtbench.learning.networks.model import ActorCriticModel


class MTPPO(Agent):
    """PPO over K tasks at once (TOPPO paper, Algorithm C.1; with everything of TOPPO off, its vanilla MT-PPO).

    Minibatches are stratified by task, normalizers and log-std are per task, and the loss of each task has its own
    gradient on either side. ``cfg/train/MTPPO.yaml`` lists the parameters.
    """

    name = "mt_ppo"
    settings: ClassVar[type[schema.Learner]] = schema.MTPPO
    model_class = ActorCriticModel
    model: ActorCriticModel

    @classmethod
    def model_settings(cls, params: Mapping[str, Any]) -> dict[str, Any]:
        """See :class:`~mtbench.learning.networks.model.ActorCriticModel`."""
        config = params["config"]
        settings = {"value_norm": config["value_norm"], "task_input": config.get("task_input", "onehot")}
        return super().model_settings(params) | settings

    @classmethod
    def check_environments(cls, params: Mapping[str, Any], env: Mapping[str, Any], counts: Sequence[int]) -> None:
        """See :meth:`.agent.Agent.check_environments`."""
        check_minibatches(params["config"], counts)

    def build(self) -> None:
        """Make optimizer, schedule, sides and minibatches."""
        config = self.config
        self.e_clip, self.entropy_coef = config["e_clip"], config["entropy_coef"]
        self.bounds_loss_coef = config["bounds_loss_coef"]
        if self.model.network.critic is not None:
            self.tau, self.critic_coef = config["tau"], config["critic_coef"]
        self.mini_epochs_num = int(config["mini_epochs"])
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizers["all"] = torch.optim.Adam(trained, self.last_lr, eps=float(config["adam_eps"]), fused=True)
        adaptive = config["lr_schedule"] == "adaptive"
        self.scheduler = schedulers.AdaptiveScheduler(config["kl_threshold"]) if adaptive else None
        networks = {"actor": self.model.network.actor, "critic": self.model.network.critic}
        for side, network in networks.items():
            if network is not None:
                self.sides[side] = self.make_side(side, network, self.model.owned_parameters(side))
        self.minibatches = StratifiedMinibatches(
            self.task_index.repeat(self.horizon_length), self.num_tasks, int(config["num_minibatches"])
        )
        self.record = GradientRecord(self.task_names)

    def before_training(self) -> None:
        """Go on with the record of task gradients."""
        if self.config["diagnose_interval"] and self.frame:
            self.record = GradientRecord.resume(self.experiment_dir / "gradients.npz", self.task_names, self.frame)

    def learn(self) -> dict[str, Tensor | float]:
        """Collect one rollout and pass over it ``mini_epochs`` times."""
        with self.stepping():
            rollout = self.collect()
        self.observer.after_steps()
        log: dict[str, list[Tensor]] = {}
        snapshot, recorded = Snapshot(), self.record.due(self.frame, self.config["diagnose_interval"])
        jacobian: Tensor | None = None
        for mini_epoch in range(self.mini_epochs_num):
            if distributed.any_rank(bool(self._stop_signal)):
                raise StopRequest
            if mini_epoch == 0 or self.config["recompute_advantages"]:
                targets = self.targets(rollout, update_statistics=mini_epoch == 0)
                if targets.explained_variance is not None:
                    log.setdefault("info/explained_variance", []).append(targets.explained_variance)
                if recorded and mini_epoch == 0:
                    jacobian = self.jacobian_norms(rollout)
            for index, rows in enumerate(self.minibatches.passes(self.generators["minibatches"])):
                self._check_stop_alone()
                seen = mini_epoch == 0 and (index == 0 or recorded)
                scalars = self.update(rollout, targets, rows, snapshot if seen else None)
                for name, value in scalars.items():
                    log.setdefault(name, []).append(value)
            if self.scheduler is not None:
                kl = torch.stack(log["info/kl"][-self.minibatches.num_minibatches :]).mean()
                kl = distributed.average(kl)
                rate, _ = self.scheduler.update(self.last_lr, self.entropy_coef, self.epoch_num, 0, kl.item())
                self.set_learning_rate(rate)
        for side in self.sides.values():
            side.after_epoch()
        if recorded:
            self.record.append(self.frame, snapshot, self.critic_coef, self.model.value_scale, jacobian)
            if distributed.rank() == 0:
                self.record.write(self.experiment_dir / "gradients.npz")
        # Only now, so that the inputs of a rollout are the same when it is collected and when it is learned from.
        self.model.update_statistics(rollout.obs, rollout.task)
        return {**self.means(log), **snapshot.scalars(), "rewards/step": rollout.rewards.mean()}

    def collect(self) -> Rollout:
        """Step the environments through one rollout."""
        assert self.obs is not None
        rollout, self.obs = collect(self.step, self.act, self.model, self.obs, self.task_index, self.horizon_length)
        return rollout

    def act(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Explore: actions (N, actions) and their log-probabilities (N,)."""
        return self.model.sample(obs, self.task_index, self.generators["actions"])

    def targets(self, rollout: Rollout, update_statistics: bool) -> Targets:
        """Evaluate the critic on a rollout, see :func:`compute_targets`."""
        return compute_targets(rollout, self.model, self.num_tasks, self.gamma, self.tau, update_statistics)

    def jacobian_norms(self, rollout: Rollout, samples: int = 32) -> Tensor:
        """Of the critic's shared output, before a head of PopArt, on so many samples of each task: (K,), see
        :func:`~mtbench.learning.agents.gradients.jacobian_norms`."""
        assert self.model.network.critic is not None
        rows = next(self.minibatches.passes(torch.Generator(self._device).manual_seed(0)))
        rows = rows.view(self.num_tasks, -1)[:, :samples]
        return jacobian_norms(self.sides["critic"].tape, self.model.network.critic, rollout.inputs[rows])

    def update(
        self, rollout: Rollout, targets: Targets, rows: Tensor, snapshot: Snapshot | None = None
    ) -> dict[str, Tensor]:
        """Take one optimizer step on the samples ``rows``, K equal slices; return scalars to log. ``snapshot``: see
        :meth:`backward`."""
        scalars = self.backward(rollout, targets, rows, snapshot)
        scalars |= self.optimize("all")
        scalars = dict(scalars)  # what follows may run the forward passes again
        for side in self.sides.values():
            side.after_step()
        return scalars

    def backward(
        self, rollout: Rollout, targets: Targets, rows: Tensor, snapshot: Snapshot | None
    ) -> dict[str, Tensor]:
        """Set the gradients of both sides, aggregated over tasks, on the samples ``rows``; return scalars to log.

        ``snapshot`` takes in the Gram matrices and weights; it changes no gradient.
        """
        inputs, task = rollout.inputs[rows], self.minibatches.task
        scalars: dict[str, Tensor] = {}

        def actor() -> Tensor:
            losses, seen = self.actor_losses(self.policy_means(inputs), rollout, targets, rows)
            scalars.update(seen)
            return losses

        def critic() -> Tensor:
            assert targets.values is not None and targets.returns is not None
            losses, seen = critic_losses(
                self.model.value(inputs, task),
                targets.values[rows],
                targets.returns[rows],
                self.minibatches.weight,
                self.e_clip if self.config["clip_value"] else None,
            )
            scalars.update(seen)
            return self.critic_coef * losses

        self.optimizers["all"].zero_grad(set_to_none=True)
        losses_of = {"actor": actor, "critic": critic}
        for name, side in self.sides.items():
            matrix = side.backward(losses_of[name], diagnose=snapshot is not None)
            if snapshot is not None and matrix is not None:
                snapshot.add(name, matrix, side.weights)
        return scalars

    def policy_means(self, inputs: Tensor) -> Tensor:
        """Mean actions (n, actions) for the actor's inputs (n, features + K), K equal slices."""
        return self.model.network.actor(inputs)

    def actor_losses(
        self, mean: Tensor, rollout: Rollout, targets: Targets, rows: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Each task's policy loss (K,) on the samples ``rows``, where the policy's means are ``mean`` (n, actions), and
        scalars to log."""
        return actor_losses(
            mean,
            self.model.network.log_std,
            rollout.actions[rows],
            rollout.log_probs[rows],
            targets.advantages[rows],
            self.minibatches.weight,
            self.e_clip,
            self.entropy_coef,
            self.bounds_loss_coef,
            self.config["normalize_advantage"],
        )
