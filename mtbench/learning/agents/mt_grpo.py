"""Multi-task GRPO: PPO's actor without a critic."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mtbench.learning import distributed
from mtbench.learning.agents import settings as schema
from mtbench.learning.agents.gae import gae
from mtbench.learning.agents.mt_ppo import MTPPO
from mtbench.learning.agents.rollout import Rollout, Targets
from mtbench.learning.errors import UserError
from mtbench.learning.networks.model import ActorCriticModel


@dataclass
class GroupTargets(Targets):
    """What a rollout asks of the actor.

    Attributes:
        reference_mean: (n, actions), what the reference policy does in each observation; None where it is not asked.
    """

    reference_mean: Tensor | None = None


class MTGRPO(MTPPO):
    """PPO's clipped update of the actor, with the returns of a group of environments in the place of a critic (MTBench
    section 4.4 and Table 4; Guo et al., 2025).

    A rollout is as long as an episode and begins with a new one in every environment. The advantage of a step is the
    discounted sum of the rewards that follow it in its episode, standardized over all steps and environments of a group
    of one task. MTBench's group is the whole task; with ``group_size`` it is so many neighbouring environments, and with
    ``same_start`` those begin in the same state, so that they differ by their actions alone. Without a value function the
    sums are larger early in an episode than late whatever is done; ``per_step`` compares those of the same step.

    Nothing is bootstrapped. An episode that a termination lets begin within a rollout is cut off where the rollout ends:
    its returns count what was seen of it, and the next rollout does not go on with it. MTBench adds the discount to the
    reward at every time limit, with no value to go with it; here a time limit adds nothing.

    With ``kl_coef`` the loss of a task contains its mean divergence KL(policy, reference) times that, exactly, from the
    policy that the run started with: a new one, or that of ``pretrained``. MTBench has none.
    """

    name = "mt_grpo"
    settings = schema.MTGRPO

    @classmethod
    def model_settings(cls, params: Mapping[str, Any]) -> dict[str, Any]:
        """See :class:`~mtbench.learning.networks.model.ActorCriticModel`; there are no values to normalize."""
        return super(MTPPO, cls).model_settings(params)

    @classmethod
    def check_environments(cls, params: Mapping[str, Any], env: Mapping[str, Any], counts: Sequence[int]) -> None:
        """See :meth:`.agent.Agent.check_environments`."""
        super().check_environments(params, env, counts)
        size = params["config"]["group_size"]
        if env.get("randomInitialProgress"):
            raise UserError("mt_grpo learns from whole episodes; leave task.env.randomInitialProgress=false")
        for name, count in zip(env["tasks"], counts, strict=True):
            if size is not None and count % size:
                raise UserError(
                    f"group_size={size} must divide the {count} environments of {name}; choose num_envs= so"
                )

    def build(self) -> None:
        """Make what PPO has, the groups and the reference policy."""
        config = self.config
        if config["env_config"]["task"]["env"].get("randomInitialProgress"):
            raise UserError("mt_grpo learns from whole episodes; leave task.env.randomInitialProgress=false")
        super().build()
        self.kl_coef = float(config["kl_coef"])
        self.group, self.leader = make_groups(self.task_index, self.task_names, config["group_size"])
        self.num_groups = int(self.group.max()) + 1
        self.same_start = bool(config["same_start"])
        self.reference: ActorCriticModel | None = None
        if self.kl_coef > 0:
            self.reference = copy.deepcopy(self.model).requires_grad_(False)

    def before_training(self) -> None:
        """Let the first episodes of a group begin alike; those of a continued run do."""
        super().before_training()
        if self.frame == 0:
            self.share_starts()

    def share_starts(self) -> None:
        """Where groups start alike, put every environment to where the first one of its group begins."""
        if self.same_start:
            self.obs = self.vec_env.share_starts(self.leader)["obs"]

    def collect(self) -> Rollout:
        """Step the environments through one rollout, and leave all of them at the start of an episode."""
        rollout = super().collect()
        if not bool(rollout.dones[-1].all()):  # asked of the device once a rollout
            self.obs = self.vec_env.reset()["obs"]
        self.share_starts()
        return rollout

    @torch.no_grad()
    def targets(self, rollout: Rollout, update_statistics: bool) -> Targets:
        """Advantages of a rollout, and what the reference policy does on it."""
        zeros = torch.zeros_like(rollout.rewards)
        returns = gae(rollout.rewards, zeros, zeros, rollout.dones, self.gamma, 1.0)
        # A group of neighbours is on one rank; that of a whole task is on all of them.
        everywhere = self.config["group_size"] is None
        advantages = standardize(returns, self.group, self.num_groups, everywhere, self.config["per_step"])
        targets = GroupTargets(advantages.flatten())
        if self.reference is not None:
            inputs = self.reference.normalize_obs(rollout.obs, rollout.task)
            chunks = [self.reference.network.actor(rows) for rows in inputs.split(16384)]
            targets.reference_mean = torch.cat(chunks)
        return targets

    def actor_losses(
        self, mean: Tensor, rollout: Rollout, targets: Targets, rows: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """PPO's, and the divergence from the reference policy."""
        losses, scalars = super().actor_losses(mean, rollout, targets, rows)
        if self.reference is not None:
            assert isinstance(targets, GroupTargets) and targets.reference_mean is not None
            shape = (self.num_tasks, -1, mean.shape[1])
            kl = gaussian_kl(
                mean.view(shape),
                self.model.network.log_std.unsqueeze(1),
                targets.reference_mean[rows].view(shape),
                self.reference.network.log_std.unsqueeze(1),
            )
            kl = (self.minibatches.weight * kl).sum(1)
            losses = losses + self.kl_coef * kl
            scalars["losses/reference_kl"] = kl.detach().mean()
        return losses, scalars

    def learner_state(self) -> dict[str, Any]:
        """The reference policy, which a continued run keeps."""
        state = super().learner_state()
        return state if self.reference is None else state | {"reference": self.reference.state_dict()}

    def load_learner_state(self, state: Mapping[str, Any]) -> None:
        """Continue with the run's reference policy."""
        super().load_learner_state(state)
        if self.reference is not None:
            if "reference" not in state:
                raise UserError(
                    f"kl_coef={self.kl_coef}: the checkpoint is of a run without a reference; use kl_coef=0"
                )
            self.reference.load_state_dict(state["reference"])


def make_groups(task_index: Tensor, task_names: list[str], group_size: int | None) -> tuple[Tensor, Tensor]:
    """Divide the environments of each task into groups of neighbours.

    Args:
        task_index: (N,) long, sorted.
        task_names: K.
        group_size: environments of a group; None: all of the task.

    Returns:
        The group of each environment (N,), counted from 0, and the first environment of its group (N,).

    Raises:
        UserError: the size is none, or does not divide the environments of a task.
    """
    counts = torch.bincount(task_index, minlength=len(task_names))
    if group_size is not None:
        if isinstance(group_size, bool) or not isinstance(group_size, int) or group_size < 2:
            raise UserError(f"group_size={group_size} must be a whole number of at least 2, or null for a whole task")
        for name, count in zip(task_names, counts.tolist(), strict=True):
            if count % group_size:
                raise UserError(
                    f"group_size={group_size} does not divide the {count} environments of {name}; choose num_envs or "
                    "task_counts so that it does"
                )
    environment = torch.arange(len(task_index), device=task_index.device)
    first = (counts.cumsum(0) - counts)[task_index]
    leader = first if group_size is None else environment - (environment - first) % group_size
    return torch.unique_consecutive(leader, return_inverse=True)[1], leader


def standardize(returns: Tensor, group: Tensor, num_groups: int, everywhere: bool, per_step: bool = False) -> Tensor:
    """Shift and scale returns (T, N) to mean 0 and deviation 1 over the steps and environments of each group, or with
    ``per_step`` over its environments in each step.

    Args:
        returns: of the steps.
        group: (N,) long.
        num_groups: how many there are.
        everywhere: whether a group has environments on every rank.
        per_step: compare returns of the same step only.
    """

    def mean(values: Tensor) -> Tensor:
        rows = values if per_step else values.mean(0, keepdim=True)
        sums = torch.zeros(2, len(rows), num_groups, dtype=values.dtype, device=values.device)
        sums[0].index_add_(1, group, rows)
        sums[1].index_add_(1, group, torch.ones_like(rows))
        total, count = distributed.total(sums) if everywhere else sums
        return (total / count)[:, group]

    centred = returns - mean(returns)
    return centred / (mean(centred.square()).sqrt() + 1e-8)


def gaussian_kl(mean: Tensor, log_std: Tensor, other_mean: Tensor, other_log_std: Tensor) -> Tensor:
    """KL divergence (...) of one diagonal Gaussian from another; arguments (..., actions)."""
    ratio = (log_std - other_log_std).exp()
    distance = (mean - other_mean) * (-other_log_std).exp()
    return (other_log_std - log_std + 0.5 * (ratio.square() + distance.square() - 1.0)).sum(-1)
