"""FastTD3: twin delayed DDPG with categorical critics, large batches and many environments (arXiv 2505.22642)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mtbench.learning.agents import settings as schema
from mtbench.learning.agents.off_policy import OffPolicy
from mtbench.learning.agents.replay import Batch
from mtbench.learning.agents.reward_normalizer import RewardNormalizer
from mtbench.learning.networks.base import owned_parameters
from mtbench.learning.networks.distributional import TwinCriticModel, project_distribution


class FastTD3(OffPolicy):
    """FastTD3 over K tasks at once, batches in K equal slices, each task with its own gradient on either side.

    Both critics learn from one target, the distribution of the target critic with the smaller mean, and the actor
    maximizes the smaller of the two expected values; with ``clipped_double_q`` off each critic learns from its own target
    and the actor maximizes the mean. Each environment explores with noise of its own size, drawn anew with each episode.
    There is no target actor (as in FastTD3).

    Differs from MTBench: a window ends with its episode and a time limit bootstraps, the discounts of the window and of
    the bootstrap are the same gamma, rewards are normalized by a discounted return of each environment, SimBa-V2
    weights are put back to length one after every step, and task embeddings are as long as they grow (MTBench's at most 1,
    with which a toy problem of four tasks took longer than the test of it allows). ``cfg/train/FastTD3.yaml`` lists the
    parameters.
    """

    name = "fast_td3"
    settings = schema.FastTD3
    model_class = TwinCriticModel
    model: TwinCriticModel

    @classmethod
    def model_settings(cls, params: Mapping[str, Any]) -> dict[str, Any]:
        """See :class:`~mtbench.learning.networks.distributional.TwinCriticModel`."""
        config = params["config"]
        return super().model_settings(params) | {name: config[name] for name in ("num_atoms", "v_min", "v_max")}

    def build(self) -> None:
        """Make optimizers, sides, the reward normalizer and the noise of each environment."""
        super().build()
        config = self.config
        networks = {"actor": self.model.actor, "critic": self.model.critics}
        for name, network in networks.items():
            self.optimizers[name] = torch.optim.AdamW(
                network.parameters(), self.last_lr, weight_decay=float(config["weight_decay"]), fused=True
            )
            self.sides[name] = self.make_side(name, network, owned_parameters(network))
        self.reward_normalizer: RewardNormalizer | None = None
        if config["normalize_reward"]:
            bound = float(config["normalized_max_return"])
            self.reward_normalizer = RewardNormalizer(self.task_index, self.num_tasks, self.gamma, bound)
        self.exploration_std = self._draw_std()  #: (N, 1)
        self.updates = 0  #: of the critics

    # -- acting --------------------------------------------------------------------------------------------------------

    def _draw_std(self) -> Tensor:
        draws = torch.rand(self.num_actors, 1, generator=self.generators["actions"], device=self._device)
        return self.config["std_min"] + (self.config["std_max"] - self.config["std_min"]) * draws

    def explore(self, obs: Tensor) -> Tensor:
        """The actor's actions and noise of each environment's own size."""
        actions = self.model.act(obs, self.task_index)
        noise = torch.randn(actions.shape, generator=self.generators["actions"], device=self._device)
        return (actions + self.exploration_std * noise).clamp(-1.0, 1.0)

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]]:
        """See :meth:`.agent.Agent.step`; also draw the noise of new episodes and take in the rewards."""
        obs, rewards, dones, extras = super().step(actions)
        ended = dones.bool()
        self.exploration_std = torch.where(ended.unsqueeze(1), self._draw_std(), self.exploration_std)
        if self.reward_normalizer is not None:
            self.reward_normalizer.update(rewards, ended)
        return obs, rewards, dones, extras

    # -- learning ------------------------------------------------------------------------------------------------------

    def before_updates(self) -> None:
        """Follow the schedule of the learning rate, from ``learning_rate`` to ``learning_rate_end`` over the run."""
        if self.config["lr_schedule"] == "cosine":
            limits = ((self.frame, self.config["max_frames"]), (self.epoch_num, self.config["max_epochs"]))
            progress = max(min(now / limit, 1.0) for now, limit in limits if limit is not None)
            first, last = float(self.config["learning_rate"]), float(self.config["learning_rate_end"])
            self.set_learning_rate(last + 0.5 * (first - last) * (1.0 + math.cos(math.pi * progress)))

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """Update the critics and their targets, and every ``policy_delay``-th time the actor before the targets."""
        inputs = self.model.normalize_obs(batch.obs, batch.task)
        scalars = self.update_critics(batch, inputs)
        self.updates += 1
        if self.updates % int(self.config["policy_delay"]) == 0:
            scalars |= self.update_actor(inputs)
        self.model.update_targets(float(self.config["tau"]))
        return scalars

    def update_critics(self, batch: Batch, inputs: Tensor) -> dict[str, Tensor]:
        """Take one step of both critics on the cross-entropy to their target; return scalars to log."""
        target = self.target(batch)
        scalars: dict[str, Tensor] = {}

        def losses() -> Tensor:
            logits = self.model.logits(self.model.critics, inputs, batch.actions)
            entropy = -(target * torch.log_softmax(logits, -1)).sum(-1).sum(0)  # of both critics
            scalars["info/q_mean"] = self.model.expected(torch.softmax(logits.detach(), -1)).mean()
            return self.per_task(entropy)

        return scalars | self.descend("critic", losses)

    def update_actor(self, inputs: Tensor) -> dict[str, Tensor]:
        """Take one step of the actor up the critics' expected value; return scalars to log."""
        scalars: dict[str, Tensor] = {}

        def losses() -> Tensor:
            logits = self.model.logits(self.model.critics, inputs, self.model.policy(inputs))
            values = self.model.expected(torch.softmax(logits, -1))
            value = values.amin(0) if self.config["clipped_double_q"] else values.mean(0)
            scalars["losses/a_loss"] = -value.detach().mean()
            # Counted from the largest value there is, a constant: schemes that weigh by losses need positive ones.
            return self.per_task(self.config["v_max"] - value)

        self.model.critics.requires_grad_(False)  # the gradient passes through them to the action, and costs half
        try:
            return self.descend("actor", losses) | scalars
        finally:
            self.model.critics.requires_grad_(True)

    @torch.no_grad()
    def target(self, batch: Batch) -> Tensor:
        """Target distributions (2, n, atoms) of the critics: of r + discount * z at the actor's next action, with a little
        clipped noise (TD3's target policy smoothing)."""
        model, config = self.model, self.config
        following = model.normalize_obs(batch.next_obs, batch.task)
        actions = model.policy(following)
        generator = self.generators["minibatches"]
        noise = torch.randn(actions.shape, generator=generator, device=actions.device) * config["policy_noise"]
        actions = (actions + noise.clamp(-config["noise_clip"], config["noise_clip"])).clamp(-1.0, 1.0)
        probabilities = torch.softmax(model.logits(model.targets, following, actions), -1)
        if config["clipped_double_q"]:
            probabilities = smaller_mean(probabilities, model.expected(probabilities)).unsqueeze(0)
        rewards = batch.rewards
        if self.reward_normalizer is not None:
            rewards = self.reward_normalizer(rewards, batch.task)
        ends = float(config["v_min"]), float(config["v_max"])
        targets = [project_distribution(p, rewards, batch.discount, *ends) for p in probabilities]
        return torch.stack(targets).expand(2, -1, -1)

    # -- state ---------------------------------------------------------------------------------------------------------

    def learner_state(self) -> dict[str, Any]:
        """Noise of each environment, statistics of the rewards, and whose turn it is."""
        normalizer = self.reward_normalizer
        return super().learner_state() | {
            "updates": self.updates,
            "exploration_std": self.exploration_std,
            "reward_normalizer": None if normalizer is None else normalizer.state_dict(),
        }

    def load_learner_state(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`learner_state`; statistics of rewards that were not kept start anew."""
        super().load_learner_state(state)
        self.updates = state["updates"]
        self.exploration_std = state["exploration_std"].to(self._device)
        if self.reward_normalizer is not None and state["reward_normalizer"] is not None:
            self.reward_normalizer.load_state_dict(state["reward_normalizer"])


def smaller_mean(probabilities: Tensor, means: Tensor) -> Tensor:
    """Of two distributions (2, n, atoms) with means (2, n) the one with the smaller mean, sample by sample: (n, atoms)."""
    return torch.where((means[0] <= means[1]).unsqueeze(1), probabilities[0], probabilities[1])
