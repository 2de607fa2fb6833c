"""What the settings of a run may be that are no part's own: the flags of ``cfg/config.yaml``, and where a run is written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator

from isaacgymenvs_tasks.settings import Environments
from mtbench.errors import UserError
from mtbench.learning.agents.settings import Device, Passes, Steps
from mtbench.schema import Count, FilePath, Name, NotNegative, Seed, Settings, Share, Some, check, show

LONGEST = 200  #: bytes of one folder's name


def folder_name(name: str) -> str:
    """A name that a run's folder may have.

    Raises:
        ValueError: it may not.
    """
    parts = Path(name).parts
    if not name.isprintable() or name.startswith(("/", "~")) or ".." in parts or (name and not parts):
        raise ValueError("must be the name of a folder in runs/, such as first or study/first")
    if any(len(part.encode()) > LONGEST or part != part.strip() for part in parts):
        raise ValueError(f"must be the name of a folder, of at most {LONGEST} letters without spaces around it")
    if parts[-1:] == ("nn",):
        raise ValueError("must not end in nn, the folder of a run's checkpoints")
    return name


class Schedule(Settings):
    """``cfg/schedule``; null: that of the machine."""

    num_envs: Environments | None
    horizon_length: Steps | None
    mini_epochs: Passes | None
    num_minibatches: Count | None
    recompute_advantages: bool | None
    clip_value: bool | None
    gamma: Share | None = None
    entropy_coef: NotNegative | None = None


class Run(Settings):
    """``cfg/config.yaml``; the parts' own settings are checked with the parts."""

    experiment: int | Annotated[str, AfterValidator(folder_name)]
    seed: Seed
    torch_deterministic: bool
    physics_engine: Literal["mujoco", "warp", "isaacgym"]
    sim_device: Device | None
    rl_device: Device | None
    headless: bool
    multi_gpu: bool
    task_id: list[int | str] | int | str | None
    task_counts: list[Environments] | None
    task_name: int | str | None
    reward: Literal["v2", "v2_metaworld", "v1", "sparse"]
    num_envs: Environments | None
    max_iterations: Count | None
    max_frames: Count | None
    max_minutes: Annotated[float, Gt(0), Le(1e7)] | None
    checkpoint: FilePath
    pretrained: FilePath
    pretrained_task: Name | None
    data: FilePath
    part: Some
    test: bool
    eval_interval: Count | None
    eval_first: bool
    eval_protocol: Literal["metaworld", "mtbench"]
    eval_goals: Annotated[int, Ge(1), Le(1000)] | None
    capture_video: bool
    save_interval: Count
    diagnose_interval: Count | None
    wandb_activate: bool
    wandb_project: Name
    wandb_entity: Name | None
    wandb_group: Name | None
    schedule: Schedule
    task: dict[Any, Any]
    train: dict[Any, Any]
    train_name: Name
    network_name: Name
    actor: Any = None
    critic: Any = None
    balancing: Any = None
    normalize_input: Any = None
    value_norm: Any = None
    task_input: Literal["onehot", "none"] | None = None
    sequence: Any = None
    harmony: Any = None
    source: Any = None
    correction: Literal["vtrace", "unclipped", "none"] | None = None


#: what has to be as another setting is: the parts' names for the flags
FOLLOWS = {
    "task.env.numEnvs": "num_envs",
    "task.env.taskCounts": "task_counts",
    "task.sim.engine": "physics_engine",
    "train.params.seed": "seed",
    "train.params.config.num_actors": "num_envs",
    "train.params.config.device": "rl_device",
    "train.params.config.multi_gpu": "multi_gpu",
    "train.params.config.max_epochs": "max_iterations",
    "train.params.config.max_frames": "max_frames",
    "train.params.config.diagnose_interval": "diagnose_interval",
    "train.params.config.save_frequency": "save_interval",
    "train.params.config.pretrained": "pretrained",
    "train.params.config.pretrained_task": "pretrained_task",
    "train.params.config.full_experiment_name": "experiment",
}


def check_flags(config: dict[str, Any]) -> None:
    """Compare the settings of a run, interpolations resolved, with what they may be, but for the parts' own.

    Raises:
        UserError: one sentence.
    """
    check(Run, config)


def check_followers(config: dict[str, Any]) -> None:
    """Compare the parts' names for the flags with the flags, once those are settled.

    Raises:
        UserError: one sentence.
    """
    for key, source in FOLLOWS.items():
        value = _at(config, key)
        if value is not _MISSING and value != config[source]:
            raise UserError(
                f"{key}={show(value)} must be what {source} is, {show(config[source])}; set {source}= instead"
            )


_MISSING = object()


def _at(config: Any, key: str) -> Any:
    for name in key.split("."):
        if not isinstance(config, dict) or name not in config:
            return _MISSING
        config = config[name]
    return config
