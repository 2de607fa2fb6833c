"""Of what learns from its own last rollout."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from annotated_types import Ge, Le
from pydantic import model_validator

from mtbench.learning.agents.settings.common import (
    Actor,
    Batch,
    Critic,
    Learner,
    Passes,
)
from mtbench.schema import (
    Count,
    FilePath,
    NotNegative,
    Positive,
    Settings,
    Share,
    Some,
)


class OnPolicy(Learner):
    """Of PPO and GRPO."""

    normalize_advantage: bool
    e_clip: Positive
    adam_eps: NotNegative
    lr_schedule: Literal["constant", "adaptive"]
    kl_threshold: Positive
    entropy_coef: NotNegative
    bounds_loss_coef: NotNegative
    mini_epochs: Passes
    num_minibatches: Count
    recompute_advantages: bool


class MTPPO(OnPolicy):
    """Of MT-PPO and TOPPO."""

    value_norm: Any
    task_input: Literal["onehot", "none"] = "onehot"
    tau: Share
    clip_value: bool
    critic_coef: Positive


class MTIMPALA(MTPPO):
    """Of MT-IMPALA."""

    lr_schedule: Literal["constant"]
    source: Any
    correction: Literal["vtrace", "unclipped", "none"]
    rho_bar: Positive
    c_bar: Positive
    pg_rho_bar: Positive
    clip_policy: bool

    @model_validator(mode="after")
    def _fixed_point(self) -> Self:
        if self.rho_bar < self.c_bar:
            raise ValueError(
                f"rho_bar={self.rho_bar} must be at least c_bar={self.c_bar}, or V-trace has no fixed point"
            )
        return self


class MTGRPO(OnPolicy):
    """Of MT-GRPO."""

    sides: ClassVar[type[Settings]] = Actor

    balancing: Actor  # type: ignore[assignment]
    group_size: Annotated[int, Ge(2), Le(100_000)] | None
    same_start: bool
    per_step: bool
    kl_coef: NotNegative

    @model_validator(mode="after")
    def _groups(self) -> Self:
        if self.diagnose_interval:
            raise ValueError("diagnose_interval must be null: it compares actor and critic, and mt_grpo has no critic")
        if self.same_start and self.group_size is None:
            raise ValueError(
                "group_size=null must be a number, group_size=8, with same_start=true: how many begin alike"
            )
        return self


class MTPQN(Learner):
    """Of MT-PQN."""

    sides: ClassVar[type[Settings]] = Critic

    balancing: Critic  # type: ignore[assignment]
    q_lambda: Share
    bins_per_dim: Annotated[int, Ge(2), Le(1000)]
    start_e: Share
    end_e: Share
    exploration_fraction: Some
    anneal_lr: bool
    mini_epochs: Passes
    num_minibatches: Count
    recompute_targets: bool

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.max_frames is None:
            raise ValueError("max_frames=null must be a number: mt_pqn anneals exploration and learning rate over it")
        if self.diagnose_interval is not None:
            raise ValueError("diagnose_interval must be null: it records an actor's gradients too, and mt_pqn has none")
        return self


class MTPPOBC(MTPPO):
    """Of PPO that is reminded of demonstrations."""

    data: FilePath
    part: Some
    bc_coef: NotNegative
    bc_frames: Count
    bc_batch: Batch
