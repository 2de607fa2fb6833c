"""Multi-task IMPALA: learning from rollouts of older policies, with V-trace."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from rl_games.common.ivecenv import IVecEnv
from torch import Tensor

from mtbench.learning import distributed
from mtbench.learning.agents import settings as schema
from mtbench.learning.agents.losses import entropy_and_bounds
from mtbench.learning.agents.mt_ppo import MTPPO
from mtbench.learning.agents.rollout import (
    Rollout,
    Steps,
    Targets,
    begin_value_statistics,
    evaluate_states,
    explained_variance,
    prepare,
)
from mtbench.learning.agents.sources import Experience, Source, make_source
from mtbench.learning.agents.vtrace import LARGEST_LOG_RATIO, effective_sample_size, vtrace
from mtbench.learning.errors import UserError
from mtbench.learning.networks.model import gaussian_log_prob

MOST_REFUSED = 100  #: rollouts that are not finite, after which a run ends


@dataclass
class VTraceTargets(Targets):
    """What a rollout of an older policy asks of the networks.

    Attributes:
        weights: (n,), by which the policy gradient of a sample counts.
        log_probs: (n,) under the policy as it was when the targets were made.
    """

    weights: Tensor | None = None
    log_probs: Tensor | None = None


class MTIMPALA(MTPPO):
    """IMPALA (Espeholt et al., 2018) over K tasks at once: the learner passes once over each rollout, which an older policy
    has made elsewhere, and V-trace corrects for its age.

    Everything around the two losses is MT-PPO's: stratified minibatches, a loss and a gradient of each task on either side,
    balancing schemes, per-task statistics of inputs and values, PopArt, diagnostics, evaluation, checkpoints. Where
    rollouts come from is the setting ``source``, see :mod:`~mtbench.learning.agents.sources`; the statistics that normalize
    inputs are the learner's when it learns, whatever they were where the rollout was made.

    Departures from IMPALA's code: losses are means over a task's samples rather than sums; advantages are standardized
    within each task's slice (``normalize_advantage``), before the ratio weighs them, so that what is subtracted stays a
    baseline; value targets are normalized per task; time limits are not terminations; Adam; and as a rollout is divided
    into minibatches, of which each is a step, the policy is kept near the one that the rollout was corrected for
    (``clip_policy``).

    ``correction``: ``vtrace`` bounds the ratios; ``unclipped`` does not, which is importance sampling; ``none`` takes every
    rollout for the present policy's. The last two are there to be compared with.
    """

    name = "mt_impala"
    settings = schema.MTIMPALA

    @classmethod
    def check_settings(cls, params: Mapping[str, Any]) -> None:
        """See :meth:`.agent.Agent.check_settings`."""
        super().check_settings(params)
        config = params["config"]
        if params["network"]["critic"] is None:
            raise UserError("mt_impala needs a critic; choose a network= that has one")
        source = make_source(config["source"])
        if source.remote and config["multi_gpu"]:
            raise UserError(f"source={source.name} makes rollouts for one learner; leave multi_gpu=false")

    def make_vec_env(self) -> IVecEnv:
        """The learner's environments, or what stands for those of workers."""
        self.source: Source = make_source(self.config["source"])
        return self.source.make_vec_env(self.config)

    def build(self) -> None:
        """Make what PPO has, and give the source its first policy."""
        super().build()
        config = self.config
        bounds = {"vtrace": ("rho_bar", "c_bar", "pg_rho_bar")}.get(config["correction"], ())
        self.bounds = {name: float(config[name]) for name in bounds}
        if config["correction"] == "unclipped":
            self.bounds = dict.fromkeys(("rho_bar", "c_bar", "pg_rho_bar"), math.inf)
        self.refused, self.first_version = 0, 0
        self.source.start(self)

    def train(self) -> tuple[float, int]:
        """See :meth:`.agent.Agent.train`; workers end with it."""
        try:
            return super().train()
        finally:
            self.source.close()

    def learn(self) -> dict[str, Tensor | float]:
        """Take one rollout and pass over it, then let the source have the new policy."""
        scalars = super().learn()
        self.source.publish(self.epoch_num + 1, self.model.state_dict())
        return scalars | {
            "info/policy_lag": float(self.lag),
            "info/refused": float(self.refused),
            **self.source.scalars(),
        }

    def check_stop(self) -> None:
        """Raise :class:`.agent.StopRequest` if a signal has come; called while waiting for a rollout."""
        self._check_stop_alone()

    def collect(self) -> Rollout:
        """Take the oldest rollout that the source has."""
        experience = self.source.next(self)
        while True:
            broken = not bool(experience.steps.log_probs.isfinite().all())  # of a policy or a worker
            if not broken and experience.version >= self.first_version:
                break
            self.refused += broken
            if broken and self.refused % MOST_REFUSED == 0:
                raise UserError(
                    f"{self.refused} rollouts had log-probabilities that are not finite; something is wrong at the workers"
                )
            experience = self.source.next(self)
        self.lag = self.epoch_num - experience.version
        steps = experience.steps if experience.episodes is None else self.receive(experience)
        return prepare(steps, self.model, self.task_index)

    def receive(self, experience: Experience) -> Steps:
        """Do to the steps of a worker what :meth:`.agent.Agent.step` does to the learner's own."""
        steps, episodes = experience.steps, experience.episodes
        assert episodes is not None
        for t in range(len(steps.rewards)):
            finished = {name: episodes[name][t] for name in ("mask", "success", "return", "length")}
            extras = {"finished": finished, "diverged": episodes["diverged"][t], "overflow": episodes["overflow"][t]}
            self.observer.process_infos(extras, None)
        rewards = self.rewards_shaper(steps.rewards)
        self.not_finite += (~rewards.isfinite()).sum() + episodes["not_finite"].sum().long()
        return replace(steps, rewards=rewards.nan_to_num(0.0, 0.0, 0.0))

    @torch.no_grad()
    def targets(self, rollout: Rollout, update_statistics: bool) -> VTraceTargets:
        """V-trace for the present policy and critic."""
        update_statistics = update_statistics and not begin_value_statistics(rollout, self.model, self.gamma)
        values, following = evaluate_states(rollout, self.model.values)
        means = torch.cat([self.model.network.actor(rows) for rows in rollout.inputs.split(16384)])
        log_probs = gaussian_log_prob(rollout.actions, means, self.model.network.log_std[rollout.task])
        log_ratios = log_probs - rollout.log_probs
        corrected = torch.zeros_like(log_ratios) if self.config["correction"] == "none" else log_ratios
        shape = rollout.rewards.shape
        trace = vtrace(
            corrected.view(shape),
            rollout.rewards,
            values.view(shape),
            following.view(shape),
            rollout.dones,
            self.gamma,
            self.tau,
            **self.bounds,
        )
        returns = trace.targets.flatten()
        if update_statistics:
            self.model.update_value_statistics(returns, rollout.task)
        self.seen = self.measure(log_ratios, shape)
        return VTraceTargets(
            advantages=trace.advantages.flatten(),
            returns=self.model.normalize_value(returns, rollout.task),
            values=self.model.normalize_value(values, rollout.task),
            explained_variance=explained_variance(returns - values, returns, rollout.task, self.num_tasks),
            weights=trace.weights.flatten(),
            log_probs=log_probs,
        )

    def measure(self, log_ratios: Tensor, shape: torch.Size) -> dict[str, Tensor]:
        """How far the policy has moved since the rollout (n,) of ``shape`` (T, N) was made: the share of ratios that the
        bound of the policy gradient cuts, and of samples that importance sampling would be left with, of steps and of
        rollouts."""
        log_ratios = log_ratios.clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO).double()
        return {
            "info/rho_clipped": (log_ratios > math.log(self.config["pg_rho_bar"])).float().mean(),
            "info/ess": effective_sample_size(log_ratios).float(),
            "info/ess_rollout": effective_sample_size(log_ratios.view(shape).sum(0)).float(),
            "info/kl_behaviour": (log_ratios.exp() - 1.0 - log_ratios).mean().float(),
        }

    def actor_losses(
        self, mean: Tensor, rollout: Rollout, targets: Targets, rows: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Each task's policy gradient loss (K,) on the samples ``rows``, where the policy's means are ``mean`` (n,
        actions), and scalars to log.

        With ``clip_policy`` it is PPO's surrogate, around the policy that the targets were made for and weighted by
        V-trace's ratios; in a rollout's first step its gradient is the policy gradient, IMPALA's, and later it ends where
        the policy has moved far enough. Without, it is IMPALA's ``-weight A log pi`` in all of them, with log-probabilities
        counted from what they were when the targets were made.

        Losses are counted from the least that the surrogate can become on these samples, or from where each log-probability
        would have moved by one in the better direction: constants to the gradient, with which losses are above 0 as
        weightings of losses need.
        """
        assert isinstance(targets, VTraceTargets) and targets.weights is not None and targets.log_probs is not None
        log_std, weight = self.model.network.log_std, self.minibatches.weight
        shape = weight.shape
        advantages = targets.advantages[rows].view(shape)
        if self.config["normalize_advantage"]:
            advantages = advantages - distributed.average((weight * advantages).sum(1, keepdim=True))
            spread = distributed.average((weight * advantages.square()).sum(1, keepdim=True)).sqrt()
            advantages = advantages / (spread + 1e-8)
        gains = targets.weights[rows].view(shape) * advantages
        actions = rollout.actions[rows].view(*shape, -1)
        log_probs = gaussian_log_prob(actions, mean.view_as(actions), log_std.unsqueeze(1))
        moved = log_probs - targets.log_probs[rows].view(shape)
        if self.config["clip_policy"]:
            ratios = moved.exp()
            reached = torch.minimum(gains * ratios, gains * ratios.clamp(1.0 - self.e_clip, 1.0 + self.e_clip))
            policy = (weight * (gains + self.e_clip * gains.abs() - reached)).sum(1)
        else:
            policy = (weight * (gains.abs() - gains * moved)).sum(1)
        entropy, bounds = entropy_and_bounds(mean, log_std, weight)
        scalars = {
            "losses/a_loss": policy.detach().mean(),
            "losses/entropy": entropy.detach().mean(),
            "losses/bounds_loss": bounds.detach().mean(),
            **self.seen,
        }
        losses = policy - self.entropy_coef * (entropy - entropy.detach()) + self.bounds_loss_coef * bounds
        return losses, scalars

    def learner_state(self) -> dict[str, Any]:
        """What the source needs to go on exactly, if it can."""
        return super().learner_state() | {"source": self.source.state()}

    def load_learner_state(self, state: Mapping[str, Any]) -> None:
        """Go on with the policies of before."""
        super().load_learner_state(state)
        self.source.load_state(state["source"])
        if self.source.remote:
            self.first_version = self.epoch_num  # workers have begun with the policy of a new run
        self.source.publish(self.epoch_num, self.model.state_dict())
