"""Of what learns from a replay buffer."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from annotated_types import Ge, Le
from pydantic import model_validator

from mtbench.learning.agents.settings.common import (
    Batch,
    Device,
    Learner,
    Support,
)
from mtbench.schema import (
    Count,
    NotNegative,
    Positive,
    Share,
    Some,
    Whole,
)


class OffPolicy(Learner):
    """Of what learns from a replay buffer."""

    nstep: Annotated[int, Ge(1), Le(1000)]
    batch_size: Batch
    replay_buffer_size: Count
    replay_device: Device | None
    save_replay_buffer: bool
    gradient_steps_per_itr: Annotated[int, Ge(1), Le(10_000)]
    warmup_steps: Whole

    @model_validator(mode="after")
    def _fits(self) -> Self:
        steps = self.replay_buffer_size // self.num_actors
        if steps <= self.nstep:
            raise ValueError(
                f"replay_buffer_size={self.replay_buffer_size} must be at least {(self.nstep + 1) * self.num_actors}: "
                f"nstep={self.nstep} and one more of {self.num_actors} environments"
            )
        if self.warmup_steps > steps:
            raise ValueError(
                f"warmup_steps={self.warmup_steps} must be at most {steps}, the steps of {self.num_actors} environments "
                f"that replay_buffer_size={self.replay_buffer_size} holds"
            )
        if self.save_replay_buffer and self.multi_gpu:
            raise ValueError("save_replay_buffer=true must be false with multi_gpu=true: it is of one process only")
        return self


class MTSAC(OffPolicy):
    """Of MT-SAC and ARS."""

    signed: ClassVar[tuple[str, ...]] = ("actor",)

    alpha_lr: Some
    adam_eps: NotNegative
    target_entropy_coef: Annotated[float, Ge(-1e3), Le(1e3)]
    critic_tau: Some
    reward_scaling: Literal["none", "ars"]
    reward_target: Positive
    reset_interval: Count | None


class FastTD3(OffPolicy):
    """Of FastTD3."""

    normalize_reward: bool
    normalized_max_return: Positive
    tau: Some
    num_atoms: Annotated[int, Ge(2), Le(10_000)]
    v_min: Support
    v_max: Support
    clipped_double_q: bool
    policy_delay: Annotated[int, Ge(1), Le(10_000)]
    policy_noise: NotNegative
    noise_clip: NotNegative
    std_min: NotNegative
    std_max: NotNegative
    lr_schedule: Literal["constant", "cosine"]
    learning_rate_end: Share
    weight_decay: NotNegative

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.lr_schedule == "cosine" and self.max_frames is None and self.max_epochs is None:
            raise ValueError("lr_schedule=cosine ends with the run; give max_frames or max_iterations")
        if self.std_min > self.std_max:
            raise ValueError(f"std_min={self.std_min} must be at most std_max={self.std_max}")
        if self.v_min >= self.v_max:
            raise ValueError(f"v_min={self.v_min} must be below v_max={self.v_max}")
        return self
