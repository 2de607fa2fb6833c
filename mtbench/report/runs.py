"""Reads runs from disk and sorts them into what may be compared. Whatever is wrong with one becomes a sentence."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from mtbench.learning import run_record
from mtbench.learning.errors import UserError

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
_NOT_A_SCHEME += ("sim_device", "rl_device", "multi_gpu", "torch_deterministic", "physics_engine", "task", "reward")
_NOT_A_SCHEME += ("train_name", "train.params.seed", "train.params.torch_threads", "train.params.config.name")
_NOT_A_SCHEME += tuple(
    f"train.params.config.{name}"
    for name in ("full_experiment", "train_dir", "max_", "save_", "eval_", "env_config", "device", "multi_gpu")
)
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
    protocol: tuple[tuple[str, Any], ...]
    settings: dict[str, Any]
    record: dict[str, Any]

    @property
    def task_set(self) -> str:
        """Name of the task set."""
        return str(self.settings.get("task.name", ""))


@dataclass
class Section:
    """Runs that may be compared: the same tasks, evaluated in the same way.

    Attributes:
        title: of the task set.
        tasks: names in order.
        protocol: what an evaluation was, as a sentence.
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
    """Read folders of runs, folders of such folders, or CSV files with a YAML file beside; return what could be read, and a
    sentence for each thing that could not.
    """
    runs, problems = [], []
    for path in paths:
        found = list(_find(path))
        if not found:
            problems.append(
                f"{path} is missing." if not path.exists() else f"{path} has no run in it (no metrics.csv or run.json)."
            )
        for metrics, config, folder in found:
            try:
                runs.append(_read(metrics, config, folder, problems))
            except (UserError, ValueError, OSError) as error:
                problems.append(f"{folder or metrics}: {' '.join(str(error).split()).rstrip('.')}; left out.")
    return runs, problems


def _find(path: Path) -> Iterator[tuple[Path, Path, Path | None]]:
    """Yield metrics, configuration and the run's folder (None for a bare CSV file)."""
    if path.is_file():
        yield path, path.with_suffix(".yaml"), None
    elif (path / "metrics.csv").exists() or (path / run_record.FILE).exists():
        yield path / "metrics.csv", path / "config.yaml", path
    elif path.is_dir():
        for inner in sorted(path.iterdir()):
            if (inner / "metrics.csv").exists() or (inner / run_record.FILE).exists():
                yield from _find(inner)
            elif inner.suffix == ".csv" and inner.with_suffix(".yaml").exists():
                yield from _find(inner)


def _read(metrics: Path, config: Path, folder: Path | None, problems: list[str]) -> Run:
    record = (run_record.read(folder) or {}) if folder else {}
    name = str(folder or metrics)
    why = f" ({record['error']})" if record.get("error") else ""
    if not metrics.exists():
        raise UserError(f"no evaluations yet{why}")
    if not config.exists():
        raise UserError(f"its configuration {config.name} is missing")
    table, broken = _read_table(metrics)
    if broken:
        problems.append(f"{name}: {broken}")
    if not len(table["frames"]):
        raise UserError(f"no evaluations yet{why}")
    settings = dict(_flatten(OmegaConf.to_container(OmegaConf.load(config))))
    tasks = [column.removeprefix("success/") for column in table if column.startswith("success/")]
    status = str(record.get("status", ""))
    if status in ("failed", "stopped", "running"):
        word = {"failed": "failed", "stopped": "was stopped", "running": "is running, or was killed,"}[status]
        problems.append(
            f"{name} {word} at {record.get('frames', 0):,d} frames{why}; "
            f"its evaluations up to {int(table['frames'][-1]):,d} are used."
        )
    return Run(
        path=folder or metrics,
        scheme=str(settings.get("train_name", "run")),
        seed=int(settings.get("seed", -1)),
        tasks=tasks,
        frames=table["frames"],
        wall_clock=table["wall_clock"],
        success=np.stack([table[f"success/{task}"] for task in tasks], axis=1),
        status=status,
        protocol=(
            ("protocol", settings.get("eval_protocol", "metaworld")),
            ("episodes a task", settings.get("eval_goals")),
            ("steps", settings.get("task.env.episodeLength")),
            ("reward", settings.get("task.env.reward", "v2")),
        ),
        settings=settings,
        record=record,
    )


def _read_table(path: Path) -> tuple[dict[str, np.ndarray], str]:
    """The complete rows of a ``metrics.csv`` by column, and a sentence about the others."""
    import pandas

    with path.open(newline="") as file:
        header = next(csv.reader(file), [])
    if not {"frames", "wall_clock"} <= set(header) or not any(name.startswith("success/") for name in header):
        raise UserError("metrics.csv has no columns frames, wall_clock and success/<task>")
    wanted = [name for name in header if name in ("frames", "wall_clock") or name.startswith("success/")]
    whole = path.read_bytes().endswith(b"\n")
    try:
        table = pandas.read_csv(path, on_bad_lines="error")
        table = table if whole else table.iloc[:-1]  # a last number that was cut is a number still
        values = table[wanted].apply(pandas.to_numeric, errors="coerce")
    except pandas.errors.ParserError as error:
        raise UserError(f"metrics.csv cannot be read ({error})") from error
    good = values.notna().all(axis=1) & table.notna().all(axis=1)
    lost = int((~good).sum()) + (not whole)
    values = values[good].sort_values("frames")
    sentence = f"metrics.csv is truncated or damaged: {lost} incomplete row{'s' * (lost > 1)} left out." if lost else ""
    return {name: values[name].to_numpy(float) for name in wanted}, sentence


def _flatten(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _flatten(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node


def name_schemes(runs: Sequence[Run]) -> None:
    """Set ``scheme`` to the ``train_name``, with the settings in which runs of the same name differ from the first."""
    for name in {run.scheme for run in runs}:
        same = [run for run in runs if run.scheme == name]
        keys = {key for run in same for key in run.settings if not key.startswith(_NOT_A_SCHEME)}
        differ = sorted(
            key for key in keys if len({str(run.settings.get(key)) for run in same}) > 1 and not key.startswith(_COPIES)
        )
        for run in same:
            own = [f"{key.removeprefix('train.params.config.')}={run.settings.get(key)}" for key in differ]
            run.scheme = " ".join([name, *own])


def sections(runs: Sequence[Run]) -> tuple[list[Section], list[str]]:
    """Sort runs into sections, largest first, and say what keeps them apart."""
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault((tuple(sorted(run.tasks)), run.protocol), []).append(run)
    ordered = sorted(groups.values(), key=len, reverse=True)
    notes = []
    if len({key[0] for key in groups}) > 1:
        kinds = ", ".join(f"{group[0].task_set} ({len(group[0].tasks)} tasks, {_runs(group)})" for group in ordered)
        notes.append(f"Runs have different tasks and are never averaged together: {kinds}.")
    protocols = Counter(key[1] for key in groups)
    if len(protocols) > 1:
        kinds = "; ".join(_protocol(protocol) for protocol in protocols)
        notes.append(f"Runs were evaluated by {len(protocols)} protocols and are reported apart: {kinds}.")
    return [_section(group) for group in ordered], notes


def _section(runs: list[Run]) -> Section:
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
    return Section(runs[0].task_set, tasks, _protocol(runs[0].protocol), schemes, final, notes)


def _protocol(protocol: tuple[tuple[str, Any], ...]) -> str:
    return ", ".join(f"{name} {value}" for name, value in protocol)


def _runs(group: Sequence[Run]) -> str:
    return f"{len(group)} run{'s' * (len(group) > 1)}"
