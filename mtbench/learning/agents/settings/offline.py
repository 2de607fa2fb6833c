"""Of what learns from trajectories alone."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from annotated_types import Ge, Le
from pydantic import model_validator

from mtbench.learning.agents.settings.common import (
    Actor,
    Batch,
    Learner,
    Steps,
)
from mtbench.schema import (
    Count,
    FilePath,
    Layers,
    NotNegative,
    Positive,
    Settings,
    Share,
    Some,
    Whole,
    Width,
)


class MTBC(Learner):
    """Of learners from trajectories."""

    sides: ClassVar[type[Settings]] = Actor

    balancing: Actor  # type: ignore[assignment]
    data: FilePath
    part: Some
    lr_schedule: Literal["constant"]
    warmup_updates: Whole
    weight_decay: NotNegative
    batch_size: Batch

    @model_validator(mode="after")
    def _no_record(self) -> Self:
        if self.diagnose_interval:
            raise ValueError("diagnose_interval must be null: it records the gradients of online learners only")
        return self


class Sequence(Settings):
    """Of a decision transformer."""

    width: Width
    layers: Layers
    heads: Width
    context: Steps
    prompt: Annotated[int, Ge(0), Le(1_000_000)]
    returns: bool
    task_id: bool
    max_steps: Steps
    return_scale: Positive
    dropout: Share
    masked: bool = False

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width={self.width} must be a multiple of heads={self.heads}")
        return self


class DecisionTransformer(MTBC):
    """Of MTDT and Prompt-DT."""

    network: ClassVar[type[Settings]] = Sequence

    target_quantile: Share
    target_factor: Positive
    prompt_share: Some


class Harmony(Settings):
    """Of HarmoDT's masks."""

    variant: Literal["F", "M", "R"]
    density: Some
    interval: Count
    exchanged: Share
    weight: NotNegative


class HarmoDT(DecisionTransformer):
    """Of HarmoDT."""

    harmony: Harmony

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.harmony.variant != "R" and self.max_frames is None and self.max_epochs is None:
            raise ValueError("the schedule of HarmoDT's masks needs to know its end; set max_frames or max_iterations")
        return self
