"""Multi-task soft actor-critic, and ARS, its reward scaling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from mtbench.learning import distributed
from mtbench.learning.agents import settings as schema
from mtbench.learning.agents.off_policy import OffPolicy
from mtbench.learning.agents.replay import Batch
from mtbench.learning.networks.base import owned_parameters
from mtbench.learning.networks.sac_model import SACModel


class MTSAC(OffPolicy):
    """SAC over K tasks at once with a temperature for every task (MTBench paper, Table 6; Haarnoja et al., 2018).

    Batches have equal slices of all tasks, and the losses of each task have their own gradient on either side. Targets
    are n-step returns of the stored actions, with the entropy of the last state only, as in MTBench.
    ``cfg/train/MTSAC.yaml`` lists the parameters.

    With ``reward_scaling: ars`` the rewards of a task are divided by the mean of their absolute value in the replay buffer
    and multiplied by ``reward_target``, and with a ``reset_interval`` the networks start anew from time to time while the
    buffer stays (Cho et al., ICML 2025, Algorithm 1).

    Attributes:
        reward_scale: (K,) what the rewards of each task are multiplied by when they are sampled.
    """

    name = "mt_sac"
    settings = schema.MTSAC
    model_class = SACModel
    model: SACModel

    def build(self) -> None:
        """Make optimizers, sides and buffer."""
        super().build()
        config = self.config
        self.critic_tau = float(config["critic_tau"])
        self.target_entropy = -float(config["target_entropy_coef"]) * self.model_config["num_actions"]
        self.reward_scale = torch.ones(self.num_tasks, device=self._device)
        self.resets = 0
        self._make_optimizers()
        self.optimizers["alpha"] = torch.optim.Adam(
            [self.model.network.log_alpha], float(config["alpha_lr"]), fused=True
        )
        for side, network in (("actor", self.model.network.actor), ("critic", self.model.network.critic)):
            self.sides[side] = self.make_side(side, network, owned_parameters(network))

    def _make_optimizers(self) -> None:
        eps = float(self.config["adam_eps"])
        for side in ("actor", "critic"):
            parameters = self.model.network.get_submodule(side).parameters()
            self.optimizers[side] = torch.optim.Adam(parameters, self.last_lr, eps=eps, fused=True)

    def set_learning_rate(self, value: float) -> None:
        """Use another learning rate on both sides; the temperatures keep theirs."""
        self.last_lr = value
        for side in ("actor", "critic"):
            for group in self.optimizers[side].param_groups:
                group["lr"] = value

    def explore(self, obs: Tensor) -> Tensor:
        """Sample from the policy."""
        return self.model.sample(obs, self.task_index, self.generators["actions"])

    @property
    def value_scale(self) -> Tensor:
        """What rewards are divided by, (K,)."""
        return 1.0 / self.reward_scale

    def before_updates(self) -> None:
        """Reset the networks if it is time, and scale rewards anew: up to the first reset in every epoch, since what is
        met at first says little about later rewards, and with later ones only then, when the critic starts anew."""
        interval = self.config["reset_interval"]
        passed = self.frame // int(interval) if interval else 0
        due = passed > self.resets
        if due:
            self.resets = passed
            self._reset_networks()
        if self.config["reward_scaling"] == "ars" and (due or not self.resets):
            self._scale_rewards()

    def _scale_rewards(self) -> None:
        magnitude = distributed.average(self.replay.mean_absolute_reward().to(self._device))
        # a task without any reward so far keeps the factor it has
        scale = self.config["reward_target"] / magnitude.clamp_min(1e-8)
        self.reward_scale = torch.where(magnitude > 0, scale, self.reward_scale)

    def _reset_networks(self) -> None:
        self.model.reset(SACModel(**self.model_config).to(self._device))
        distributed.share(self.model.state_dict().values())
        self._make_optimizers()

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """Step the critics, then the actor, the temperatures and the targets; return scalars to log."""
        inputs = self.model.normalize_obs(batch.obs, batch.task)
        scalars = self.descend("critic", self._critic_losses(batch, inputs))
        noise = self._noise(batch)
        log_prob = torch.empty(0)

        def actor_losses() -> Tensor:
            nonlocal log_prob
            actions, log_prob = self.model.squashed(inputs, noise)
            value = self.model.q(inputs, actions).amin(0)
            return self.per_task(self.model.alpha.detach()[batch.task] * log_prob - value)

        self.model.network.critic.requires_grad_(False)  # the actor's loss passes through it
        scalars |= self.descend("actor", actor_losses)
        self.model.network.critic.requires_grad_(True)
        scalars |= self._step_temperatures(self.per_task(log_prob.detach()))
        self.model.update_targets(self.critic_tau)
        return scalars

    def _noise(self, batch: Batch) -> Tensor:
        generator = self.generators["minibatches"]
        return torch.randn(batch.actions.shape, generator=generator, device=self._device)

    @torch.no_grad()
    def critic_target(self, batch: Batch, noise: Tensor) -> Tensor:
        """Reward and discounted soft value of the last state: the smaller of the target critics minus
        alpha log pi, (n,)."""
        inputs = self.model.normalize_obs(batch.next_obs, batch.task)
        actions, log_prob = self.model.squashed(inputs, noise)
        soft_value = self.model.target_q(inputs, actions).amin(0) - self.model.alpha[batch.task] * log_prob
        return self.reward_scale[batch.task] * batch.rewards + batch.discount * soft_value

    def _critic_losses(self, batch: Batch, inputs: Tensor) -> Callable[[], Tensor]:
        target = self.critic_target(batch, self._noise(batch))

        def losses() -> Tensor:
            return self.per_task((self.model.q(inputs, batch.actions) - target).square().sum(0))

        return losses

    def _step_temperatures(self, log_prob: Tensor) -> dict[str, Tensor]:
        """Raise the temperature of a task whose entropy is under the target: the loss is alpha (entropy - target) of each
        task (Haarnoja et al., 2018, equation 18), where ``log_prob`` (K,) is minus the entropy."""
        entropy = -distributed.average(log_prob)
        self.optimizers["alpha"].zero_grad(set_to_none=True)
        (self.model.alpha * (entropy - self.target_entropy)).sum().backward()
        self.gradient_steps.take_step("alpha")
        return {"losses/entropy": entropy.mean(), "info/alpha": self.model.alpha.detach().mean()}

    def learner_state(self) -> dict[str, Any]:
        """What scales rewards, and the resets so far."""
        return super().learner_state() | {"reward_scale": self.reward_scale, "resets": self.resets}

    def load_learner_state(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`learner_state`."""
        super().load_learner_state(state)
        self.reward_scale = state["reward_scale"].to(self._device)
        self.resets = state["resets"]
