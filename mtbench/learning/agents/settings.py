"""What the settings of the algorithms may be: ``train.params`` of a configuration, in rl-games' form.

An algorithm names its class here, or its own under :class:`Learner`, in its attribute ``settings``; a name means the same
in all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from annotated_types import Ge, Le
from pydantic import AfterValidator, model_validator

from mtbench.errors import UserError
from mtbench.learning.balancing import check_scheme
from mtbench.learning.networks import check_side
from mtbench.learning.networks.model import check_value_norm
from mtbench.schema import (
    Count,
    FilePath,
    Layers,
    Name,
    NotNegative,
    Number,
    Positive,
    Settings,
    Share,
    Some,
    Whole,
    Width,
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
        network: what ``params["network"]`` may be.
    """

    sides: ClassVar[type[Settings]] = Both
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


class MTPPOBC(MTPPO):
    """Of PPO that is reminded of demonstrations."""

    data: FilePath
    part: Some
    bc_coef: NotNegative
    bc_frames: Count
    bc_batch: Batch

    @model_validator(mode="after")
    def _cloned(self) -> Self:
        if self.bc_coef and not self.data:
            raise ValueError("bc_coef needs trajectories to clone: add data=datasets/NAME, or set bc_coef=0")
        return self


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
    def _has_data(self) -> Self:
        if not self.data:
            raise ValueError(
                "data='' must be trajectories to learn from: add data=datasets/NAME, which mtbench collect makes"
            )
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
