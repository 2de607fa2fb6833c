"""What all algorithms have in common, and the check of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from annotated_types import Ge, Le
from pydantic import AfterValidator, model_validator

from mtbench.errors import UserError
from mtbench.learning.balancing import check_scheme, weighs_losses
from mtbench.learning.networks import check_side
from mtbench.learning.networks.model import check_value_norm
from mtbench.schema import (
    Count,
    FilePath,
    Name,
    Number,
    Positive,
    Settings,
    Share,
    Some,
    check,
    show,
)

LogStd = Annotated[float, Ge(-20), Le(5)]
Steps = Annotated[int, Ge(1), Le(1_000_000)]  #: of an environment
Passes = Annotated[int, Ge(1), Le(10_000)]  #: over what was collected
Batch = Annotated[int, Ge(1), Le(10_000_000)]  #: transitions
Support = Annotated[float, Ge(-1e9), Le(1e9)]


def _device(value: str) -> str:
    kind, colon, index = value.partition(":")
    if kind not in ("cpu", "cuda") or (colon and not (kind == "cuda" and index.isdecimal() and index.isascii())):
        raise ValueError("must be cpu, or a GPU, such as cuda:0")
    return value


Device = Annotated[str, AfterValidator(_device)]


class Actor(Settings):
    """Whose gradients are balanced."""

    actor: Any


class Critic(Settings):
    """Whose gradients are balanced."""

    critic: Any


class Both(Actor):
    """Whose gradients are balanced."""

    critic: Any


class RewardShaper(Settings):
    """rl-games': ``clip(scale_value (reward + shift_value), min_val, max_val)``, the bounds infinite where they are not
    given."""

    scale_value: Positive = 1.0
    shift_value: Number = 0.0
    min_val: Number = 0.0
    max_val: Number = 0.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if {"min_val", "max_val"} <= self.model_fields_set and self.min_val >= self.max_val:
            raise ValueError(f"min_val={self.min_val} must be below max_val={self.max_val}")
        return self


class Algorithm(Settings):
    """Which one."""

    name: Name


class Network(Settings):
    """Which one; the settings of its sides are its own."""

    name: Name
    actor: Any = None
    critic: Any = None
    init_log_std: LogStd = 0.0


class Learner(Settings):
    """Of all algorithms.

    Attributes:
        sides: what is balanced.
        signed: those of them whose losses may be negative.
        network: what ``params["network"]`` may be.
    """

    sides: ClassVar[type[Settings]] = Both
    signed: ClassVar[tuple[str, ...]] = ()
    network: ClassVar[type[Settings]] = Network

    name: Name
    full_experiment_name: str | int
    train_dir: FilePath
    env_name: Literal["mtbench", "mtbench_data"]
    num_actors: Count
    device: Device
    multi_gpu: bool
    torch_compile: bool
    max_epochs: Count | None
    max_frames: Count | None
    diagnose_interval: Count | None
    save_frequency: Count
    pretrained: FilePath
    pretrained_task: Name | None
    reward_shaper: RewardShaper
    normalize_input: Literal["per_task", "shared", "none"] | bool
    balancing: Both
    gamma: Share
    learning_rate: Some
    truncate_grads: bool
    grad_norm: Positive | dict[str, Positive]
    horizon_length: Steps

    @model_validator(mode="after")
    def _limits(self) -> Self:
        sides = list(self.sides.model_fields)
        if isinstance(self.grad_norm, dict) and set(self.grad_norm) != set(sides):
            wanted = ", ".join(f"{side}: 1.0" for side in sides)
            raise ValueError(f"grad_norm={show(self.grad_norm)} must be one number, or one a side: {{{wanted}}}")
        if not self.train_dir:
            raise ValueError("train_dir='' must be the folder of the runs, such as runs")
        return self


class Params(Settings):
    """rl-games' parameters."""

    seed: Annotated[int, Ge(0), Le(2**32 - 1)]
    torch_threads: Literal["auto"] | Annotated[int, Ge(0), Le(1024)]
    algo: Algorithm
    network: Any
    config: Any


#: what launch() and rl-games add
ADDED = ("env_config", "eval_interval", "eval_first", "max_minutes", "features")


def check_params(settings: type[Learner], params: Mapping[str, Any]) -> None:
    """Compare the parameters of an algorithm with what they may be.

    Args:
        settings: of the algorithm.
        params: rl-games' parameters.

    Raises:
        UserError: the first value that cannot be, and what can.
    """
    place = "train.params"
    check(Params, params, place)
    check(settings.network, params["network"], f"{place}.network" if settings.network is Network else "sequence")
    config = params["config"]
    if isinstance(config, Mapping):
        config = {name: value for name, value in config.items() if name not in ADDED}
        if not isinstance(config.get("reward_shaper", {}), Mapping):
            config["reward_shaper"] = {}  # rl-games made an object of it
        check(settings.sides, config.get("balancing"), "balancing")  # by the name that is typed
    check(settings, config, f"{place}.config")
    for side, scheme in config["balancing"].items():
        check_scheme(scheme, f"balancing.{side}")
        if side in settings.signed and weighs_losses(scheme):
            raise UserError(
                f"balancing.{side}={show(scheme)} weighs losses, which have to be at least 0, and those of "
                f"{params['algo']['name']}'s {side} may be negative; choose one that weighs gradients alone, such as pcgrad, "
                "cagrad or fairgrad"
            )
    if "value_norm" in config:
        check_value_norm(config["value_norm"])
    network = params["network"]
    if settings.network is not Network:
        return
    for side in ("actor", "critic"):
        if side in config["balancing"]:
            check_side(network["name"], side, network.get(side))
        elif network.get(side) is not None:
            raise UserError(f"{place}.network.{side} must be null: {params['algo']['name']} has no {side}")
