"""Reads runs from disk and sorts them into what may be compared. Whatever is wrong with one becomes a sentence."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mtbench.composing import composed
from mtbench.learning import run_record
from mtbench.learning.errors import UserError
from mtbench.report.metrics import read_table

REACHED = 0.95  # of the longest run of a section: from there on a last evaluation counts as final
_NOT_A_SCHEME: tuple[str, ...] = (
    "seed",
    "experiment",
    "checkpoint",
    "test",
    "headless",
    "max_",
    "eval_",
    "save_",
    "wandb",
    "capture_",
)
_NOT_A_SCHEME += ("sim_device", "rl_device", "multi_gpu", "torch_deterministic", "physics_engine", "reward")
_NOT_A_SCHEME += (
    "task_id",
    "task_name",
    "task_counts",
    "task.env.tasks",
    "task.env.numEnvs",
    "task.sim.num_threads",
    "task.sim.engine",
    "task.sim.warp",
)
_NOT_A_SCHEME += ("train_name", "train.params.seed", "train.params.torch_threads", "train.params.config.name")
_NOT_A_SCHEME += tuple(
    f"train.params.config.{name}"
    for name in ("full_experiment", "train_dir", "max_", "save_", "eval_", "env_config", "device", "multi_gpu")
)
#: Of ``task.``, what does not change what is to be learned.
_NOT_THE_ENVIRONMENT = (*_NOT_A_SCHEME, "task.env.taskCounts", "task.env.randomInitialProgress")
_PROTOCOL = ("task.env.episodeLength", "task.env.reward")
_COPIES: tuple[str, ...] = ("train.params.network.actor", "train.params.network.critic", "train.params.network.name")
_COPIES += ("train.params.config.balancing.", "train.params.config.value_norm", "train.params.config.num_actors")


@dataclass
class Run:
    """One run.

    Attributes:
        path: where it was read from.
        scheme: ``train_name``, and what else tells it from the others (see :func:`name_schemes`).
        seed: its seed.
        tasks: names, K.
        frames: (T) environment steps at each evaluation.
        wall_clock: (T) seconds.
        success: (T, K) fractions.
        status: see :mod:`mtbench.learning.run_record`; empty for runs from before it existed.
        protocol: what an evaluation was.
        environment: what else of the task's settings decides what a success is worth.
        settings: of the configuration, dotted.
        record: ``run.json``, or empty.
    """

    path: Path
    scheme: str
    seed: int
    tasks: list[str]
    frames: np.ndarray
    wall_clock: np.ndarray
    success: np.ndarray
    status: str
    protocol: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, str], ...]
    settings: dict[str, Any]
    record: dict[str, Any]

    @property
    def task_set(self) -> str:
        """Name of the task set."""
        return str(self.settings.get("task.name", ""))


@dataclass
class Section:
    """Runs that may be compared: the same tasks of the same benchmark with the same settings, evaluated in the same way.

    Attributes:
        title: of the task set.
        tasks: names in order.
        protocol: what an evaluation was, as a sentence, and in what the environment differs from other sections.
        schemes: name -> runs, ordered by seed.
        final: name -> the runs that came far enough to count in tables of the last evaluation.
        notes: sentences about what is missing or left out.
    """

    title: str
    tasks: list[str]
    protocol: str
    schemes: dict[str, list[Run]]
    final: dict[str, list[Run]]
    notes: list[str]


def read_runs(paths: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """Read folders of runs, folders that hold such folders at any depth, or CSV files with a YAML file beside; return what
    could be read, and a sentence for each thing that could not.
    """
    runs: list[Run] = []
    problems: list[str] = []
    seen: set[Path] = set()
    for path in paths:
        found = list(_find(path, problems))
        if not found and not os.path.lexists(path):
            problems.append(f"{path} is missing.")
        elif not found:
            problems.append(f"{path} has no run in it (no metrics.csv or run.json).")
        for metrics, config, folder in found:
            if metrics.resolve() in seen:
                continue  # named twice
            seen.add(metrics.resolve())
            try:
                runs.append(_read(metrics, config, folder, problems))
            except Exception as error:  # whatever is wrong with one run, the others are reported
                kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
                why = error.strerror if isinstance(error, OSError) else error
                problems.append(f"{folder or metrics}: {kind}{' '.join(str(why).split()).rstrip('.')}; left out.")
    return runs, problems


def _find(path: Path, problems: list[str]) -> Iterator[tuple[Path, Path, Path | None]]:
    """Yield metrics, configuration and the run's folder (None for a bare CSV file)."""
    if path.is_file():
        yield path, path.with_suffix(".yaml"), None

    def closed(error: OSError) -> None:
        problems.append(f"{error.filename}: {error.strerror}; left out.")

    visited = set()
    for name, inner, files in os.walk(path, onerror=closed, followlinks=True):
        folder = Path(name)
        visited.add(folder.resolve())
        is_run = bool({"metrics.csv", run_record.FILE} & {*files, *inner})
        own = ("nn", "summaries", "metrics.csv", run_record.FILE) if is_run else ()
        inner[:] = sorted(
            n for n in inner if n[0] != "." and n not in own and (folder / n).resolve() not in visited
        )  # links in a circle end
        if is_run:
            yield folder / "metrics.csv", folder / "config.yaml", folder
            continue
        for file in sorted(files):
            if file.endswith(".csv") and f"{file[:-4]}.yaml" in files:
                yield folder / file, folder / f"{file[:-4]}.yaml", None


def _read(metrics: Path, config: Path, folder: Path | None, problems: list[str]) -> Run:
    record = _read_record(folder) if folder else {}
    name = str(folder or metrics)
    why = f" ({record['error']})" if record.get("error") else ""
    if not metrics.exists():
        raise UserError(f"no evaluations yet{why}")
    table, broken = read_table(metrics)
    if not len(table["frames"]):
        raise UserError(f"{broken or 'no evaluations yet'}{why}")
    settings = _read_settings(config)
    if broken:
        problems.append(f"{name}: {broken}")
    tasks = [column.removeprefix("success/") for column in table if column.startswith("success/")]
    status = str(record.get("status", ""))
    if status in ("failed", "stopped", "running"):
        word = {"failed": "failed", "stopped": "was stopped", "running": "is running, or was killed,"}[status]
        problems.append(
            f"{name} {word} at {record['frames']:,d} frames{why}; "
            f"its evaluations up to {int(table['frames'][-1]):,d} are used."
        )
    protocol = {
        "protocol": settings.get("eval_protocol", "metaworld"),
        "episodes a task": settings.get("eval_goals"),
        "steps": settings.get("task.env.episodeLength"),
    }
    if not any(key.startswith("task.env.reward.") for key in settings):  # weights, see the environment
        protocol["reward"] = settings.get("task.env.reward", "v2")
    return Run(
        path=folder or metrics,
        scheme=str(settings.get("train_name", "run")),
        seed=settings["seed"],
        tasks=tasks,
        frames=table["frames"],
        wall_clock=table["wall_clock"],
        success=np.stack([table[f"success/{task}"] for task in tasks], axis=1).clip(0.0, 1.0),
        status=status,
        protocol=tuple((key, str(value)) for key, value in protocol.items()),
        environment=tuple(
            (key, str(value))
            for key, value in sorted(settings.items())
            if key.startswith("task.") and not key.startswith(_NOT_THE_ENVIRONMENT) and key not in _PROTOCOL
        ),
        settings=settings,
        record=record,
    )


def _read_settings(config: Path) -> dict[str, Any]:
    """A run's configuration, dotted, with a whole number as its ``seed``."""
    if not config.exists():
        raise UserError(f"its configuration {config.name} is missing")
    try:
        content = OmegaConf.to_container(OmegaConf.load(config))
    except OSError:
        raise
    except Exception as error:  # of the YAML parser, of OmegaConf, or of decoding
        raise UserError(f"its configuration {config.name} is not YAML that can be read") from error
    if not isinstance(content, dict) or not any(value is not None for value in content.values()):
        raise UserError(f"its configuration {config.name} holds no settings")
    settings = dict(run_record.flatten(content))
    seed = settings.setdefault("seed", -1)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise UserError(f"its seed in {config.name} is {seed!r}, which is not a whole number")
    return settings


def _read_record(folder: Path) -> dict[str, Any]:
    """``run.json``, or nothing; :class:`UserError` where it is not as :mod:`mtbench.learning.run_record` writes it."""
    record = run_record.read(folder) or {}
    frames, sessions = record.setdefault("frames", 0), record.setdefault("sessions", [])
    if isinstance(frames, bool) or not isinstance(frames, int) or frames < 0:
        raise UserError(f"{run_record.FILE} has {frames!r} frames")
    if not isinstance(sessions, list) or not all(isinstance(session, dict) for session in sessions):
        raise UserError(f"{run_record.FILE} does not list the run's sessions")
    return record


def name_schemes(runs: Sequence[Run]) -> None:
    """Set ``scheme`` to the ``train_name``, with the settings in which runs of the same name differ. A setting that a
    run does not know is younger than the run, which did what has been the default since."""
    for name in {run.scheme for run in runs}:
        same = [run for run in runs if run.scheme == name]
        keys = {key for run in same for key in run.settings if not key.startswith(_NOT_A_SCHEME)}
        keys = {key for key in keys if not key.startswith(_COPIES)}
        young = any(key not in run.settings for run in same for key in keys)
        default = _defaults(same[0].task_set, name) if young else {}
        values = {key: [str(run.settings.get(key, default.get(key))) for run in same] for key in sorted(keys)}
        values = {key: found for key, found in values.items() if len(set(found)) > 1}
        for k, run in enumerate(same):
            own = [f"{key.removeprefix('train.params.config.')}={found[k]}" for key, found in values.items()]
            run.scheme = " ".join([name, *own])


@cache
def _defaults(task: str, train: str) -> dict[str, Any]:
    """The settings of today, dotted; none where there is no such task or preset."""
    try:
        content = OmegaConf.to_container(composed(f"task={task}", f"train={train}"), resolve=True)
    except (HydraException, OmegaConfBaseException):
        return {}
    return dict(run_record.flatten(content))


def sections(runs: Sequence[Run]) -> tuple[list[Section], list[str]]:
    """Sort runs into sections, largest first, and say what keeps them apart."""
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.task_set, tuple(sorted(run.tasks)), run.protocol, run.environment), []).append(run)
    ordered = sorted(groups.values(), key=len, reverse=True)
    notes = []
    if len({key[:2] for key in groups}) > 1:
        kinds = ", ".join(f"{group[0].task_set} ({len(group[0].tasks)} tasks, {_runs(group)})" for group in ordered)
        notes.append(f"Runs have different tasks or benchmarks and are never averaged together: {kinds}.")
    protocols = Counter(key[2] for key in groups)
    if len(protocols) > 1:
        kinds = "; ".join(_sentence(protocol) for protocol in protocols)
        notes.append(f"Runs were evaluated by {len(protocols)} protocols and are reported apart: {kinds}.")
    parts = []
    for group in ordered:
        alike = [other[0].environment for other in ordered if other[0].task_set == group[0].task_set]
        own = [(key, value) for key, value in group[0].environment if any((key, value) not in env for env in alike)]
        if own:
            described = _sentence((key.removeprefix("task."), value) for key, value in own)
            notes.append(
                f"{group[0].task_set} has runs with other settings, reported apart: {_runs(group)} with {described}."
            )
        parts.append(_section(group, [*group[0].protocol, *own]))
    return parts, notes


def _section(runs: list[Run], described: Sequence[tuple[str, str]]) -> Section:
    name_schemes(runs)
    tasks = runs[0].tasks
    for run in runs:
        run.success, run.tasks = run.success[:, [run.tasks.index(task) for task in tasks]], tasks
    notes = []
    schemes: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.scheme, run.seed)):
        schemes.setdefault(run.scheme, []).append(run)
    seeds = {run.seed for run in runs}
    for scheme, members in schemes.items():
        missing = sorted(seeds - {run.seed for run in members})
        if missing:
            notes.append(f"{scheme} has no run with seed {', '.join(map(str, missing))}, which others have.")
        for seed, count in Counter(run.seed for run in members).items():
            if count > 1:
                notes.append(f"{scheme} has {count} runs with seed {seed}; each counts.")
        lengths = {len(run.frames) for run in members}
        if len(lengths) > 1:
            notes.append(
                f"{scheme}: runs have {min(lengths)} to {max(lengths)} evaluations; curves end with the shortest."
            )
    longest = max(run.frames[-1] for run in runs)
    final = {}
    for scheme, members in schemes.items():
        final[scheme] = [run for run in members if run.frames[-1] >= REACHED * longest]
        for run in members:
            if run not in final[scheme]:
                notes.append(
                    f"{run.path.name} ended at {run.frames[-1]:,.0f} of {longest:,.0f} frames: in the curves, not in the "
                    "tables of final results."
                )
    if len(seeds) < 5:
        notes.append(f"{len(seeds)} seed{'s are' if len(seeds) > 1 else ' is'} too few to tell schemes apart.")
    return Section(runs[0].task_set, tasks, _sentence(described), schemes, final, notes)


def _sentence(settings: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings)


def _runs(group: Sequence[Run]) -> str:
    return f"{len(group)} run{'s' * (len(group) > 1)}"
