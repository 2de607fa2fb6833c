"""What the settings of the benchmarks may be: the group ``task`` of a configuration, ``cfg/task``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Len
from pydantic import AfterValidator

from mtbench.errors import unknown
from mtbench.schema import Count, Name, NotNegative, Number, Positive, Seed, Settings, Whole, check

Range = Annotated[list[NotNegative], Len(2, 2)]
Environments = Annotated[int, Ge(1), Le(100_000)]
Threads = Annotated[int, Ge(0), Le(1024)] | None  #: null or 0: all cores
Duration = Annotated[float, Ge(1e-5), Le(0.1)]  #: s, of a step of the physics
Steps = Annotated[int, Ge(1), Le(1000)]  #: of the physics, that make one longer step
EpisodeLength = Annotated[int, Ge(2), Le(1_000_000)]


def _ordered(bounds: list[float]) -> list[float]:
    if bounds[0] > bounds[1]:
        raise ValueError("must be two numbers, the lower one first")
    return bounds


Ordered = Annotated[Range, AfterValidator(_ordered)]


class Warp(Settings):
    """Of MuJoCo Warp; ``WarpParams`` of :mod:`mtbench.sim` says what they mean."""

    merge: bool
    contacts: Whole
    constraints: Whole
    jacobian: Literal["auto", "dense", "sparse"] = "auto"


class Sim(Settings):
    """Of the physics."""

    num_threads: Threads
    engine: Literal["mujoco", "warp", "isaacgym"]


class TensorSim(Sim):
    """Of the physics behind the Tensor API."""

    dt: Duration
    substeps: Annotated[int, Ge(1), Le(100)]
    warp: Warp
    friction_cone: Literal["pyramidal", "elliptic"] = "pyramidal"
    implicit_contacts: bool = False


class SawyerSim(Sim):
    """Of the official tasks' physics."""

    compatible: bool


class Env(Settings):
    """Of the environments of any benchmark."""

    tasks: Annotated[list[int | str], Len(1, 1000)]
    taskCounts: Annotated[list[Environments], Len(1, 1000)] | None
    numEnvs: Environments | None
    episodeLength: EpisodeLength
    randomInitialProgress: bool


class ManipulationEnv(Env):
    """Of Meta-World's, on either robot."""

    fixed: bool
    terminateOnSuccess: bool
    rewardScale: Positive


class MetaWorldEnv(ManipulationEnv):
    """:class:`isaacgymenvs_tasks.metaworld.env.MetaWorld`."""

    reward: Literal["v2", "v2_metaworld", "v1", "sparse"]
    controlFrequencyInv: Steps
    actionScale: Annotated[float, Gt(0), Le(1)]
    resetNoise: Annotated[float, Ge(0), Le(3.2)]


class SawyerEnv(ManipulationEnv):
    """:class:`isaacgymenvs_tasks.sawyer.env.OfficialMetaWorld`."""

    reward: Literal["v2", "v1", "sparse"]
    goalSeed: Seed


class Randomize(Settings):
    """What differs between robots."""

    friction: Ordered
    mass: Ordered
    centreOfMass: Annotated[list[Annotated[float, Ge(-1), Le(1)]], Len(2, 2), AfterValidator(_ordered)]
    motorStrength: Ordered


class Weights(Settings):
    """Of the terms of Parkour's reward."""

    goalVelocity: Number
    yaw: Number
    energy: Number
    collision: Number
    overspeed: Number


class Terrain(Settings):
    """Of Parkour's ground."""

    rows: Annotated[int, Ge(1), Le(1000)]
    difficulty: Annotated[list[Annotated[float, Ge(0), Le(1)]], Len(2, 2)]
    seed: Seed
    plane: bool


class ParkourEnv(Env):
    """:class:`isaacgymenvs_tasks.parkour.env.Parkour`."""

    controlFrequencyInv: Steps
    actionScale: Annotated[float, Gt(0), Le(10)]
    terminateOnFall: bool
    resetNoise: Annotated[float, Ge(0), Le(3.2)]
    resetHeight: Annotated[float, Gt(0), Le(10)]
    command: Annotated[list[Annotated[float, Ge(0), Le(10)]], Len(2, 2), AfterValidator(_ordered)]
    commandInterval: Count
    pushInterval: Count
    pushSpeed: Annotated[float, Ge(0), Le(100)]
    randomize: Randomize
    reward: Weights
    advanceOnly: bool
    terrain: Terrain
    curriculum: bool


class Task(Settings):
    """Of any benchmark."""

    name: Name
    factory: Name
    benchmark: Name


class MetaWorldTask(Task):
    """The Franka's Meta-World."""

    gamma: Annotated[float, Ge(0), Le(1)] = 0.97
    env: MetaWorldEnv
    sim: TensorSim


class SawyerTask(Task):
    """The official Meta-World."""

    env: SawyerEnv
    sim: SawyerSim


class ParkourTask(Task):
    """The Go1 on terrains."""

    env: ParkourEnv
    sim: TensorSim


#: by ``task.benchmark``
BENCHMARKS: dict[str, type[Task]] = {"metaworld": MetaWorldTask, "sawyer": SawyerTask, "parkour": ParkourTask}


def other_robots(benchmark: object, task: Mapping[str, Any]) -> bool:
    """Whether something of a ``benchmark`` is of other robots than the group ``task``; not where either is unknown."""
    return benchmark in BENCHMARKS and task["benchmark"] in BENCHMARKS and benchmark != task["benchmark"]


def check_task(task: Mapping[str, Any], partial: bool = False, others: bool = False) -> None:
    """Compare the group ``task`` of a configuration with what it may be.

    Args:
        task: with its interpolations resolved.
        partial: the environments have defaults for what is missing, and a setting that nobody knows is another version's.
        others: a setting that nobody knows is another factory's.

    Raises:
        UserError: one sentence.
    """
    benchmark = task.get("benchmark", "metaworld") if isinstance(task, Mapping) else "metaworld"
    if benchmark not in BENCHMARKS:
        raise unknown("task.benchmark", benchmark, BENCHMARKS)
    check(BENCHMARKS[benchmark], task, "task", partial, others)
