"""Many runs from one command through Hydra's ``--multirun``: complete ones are skipped, interrupted ones resume, failed
ones are listed at the end and stop no other.

Hydra's launchers start the jobs: one after the other (``basic``), several at once (``joblib``), each in a process of its
own or on a cluster (``submitit_local``, ``submitit_slurm``). A job may run anywhere, so it leaves what became of it as a
file ``<number>.json`` in the sweep's folder, ``hydra.sweep.dir``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from mtbench.commands.prepare import check_folder, check_machine, settle
from mtbench.composing import composed
from mtbench.learning import run_record
from mtbench.learning.errors import UserError
from mtbench.learning.files import write_atomically

#: settings that say where, when and how long, not what is learned
LIMITS = {"max_iterations", "max_frames", "max_minutes", "experiment", "checkpoint", "sim_device", "rl_device"}
LIMITS |= {"save_interval", "wandb_activate", "wandb_project", "wandb_entity", "wandb_group", "headless"}
LIMITS |= {"task.sim.num_threads", "train.params.torch_threads", "train.params.config.train_dir"}
_LONGEST_NAME = 120


class Refused(BaseException):
    """A sweep of which one run cannot work does not start. Hydra makes warnings of exceptions in callbacks, if they are an
    :class:`Exception`. The cause is the mistake."""


class SweepFolder(Callback):
    """Hydra tells a callback where a sweep writes and what it is to run, and nobody else."""

    path: Path | None = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the settings of all runs, and remember the folder.

        Raises:
            Refused: one of them cannot work.
        """
        try:
            for overrides in _runs(config.hydra):
                check_job(overrides)
        except (UserError, HydraException, OmegaConfBaseException) as error:
            raise Refused from error
        SweepFolder.path = Path(config.hydra.sweep.dir)


def _runs(hydra: DictConfig) -> list[list[str]]:
    """The overrides of every run of a sweep; none where a sweeper of another kind finds them as it goes."""
    if not str(hydra.sweeper["_target_"]).endswith("BasicSweeper"):
        return []
    named = [f"{key}={value}" for key, value in (hydra.sweeper.params or {}).items()]
    parsed = OverridesParser.create().parse_overrides([*named, *hydra.overrides.task])
    (batch,) = BasicSweeper.split_arguments(parsed, None)
    return [[*hydra.overrides.hydra, *run] for run in batch]


def check_job(overrides: Sequence[str]) -> None:
    """Check the settings of one run as the run itself does, but for checkpoints, which other runs may leave.

    Raises:
        UserError: they cannot work; or an exception of Hydra.
    """
    cfg = composed(*overrides)
    if cfg.get("test") is True:
        raise UserError("test=True evaluates one checkpoint; start it without --multirun")
    check_machine(cfg)
    settle(cfg)
    plain = [item for item in overrides if not item.lstrip("+~").startswith("hydra")]
    check_folder(Path(cfg.train.params.config.train_dir), cfg.experiment or run_name(cfg, plain))


def is_sweep() -> bool:
    """Whether the running job is one of a sweep."""
    return HydraConfig.get().mode == RunMode.MULTIRUN


def run_job(
    launch: Callable[[DictConfig, list[str]], None],
    cfg: DictConfig,
    overrides: list[str],
    sentence: Callable[[Exception], str],
) -> None:
    """Do one job of a sweep and note what became of it.

    Args:
        launch: trains.
        cfg: the job's configuration.
        overrides: the job's.
        sentence: says what is wrong.

    Raises:
        KeyboardInterrupt: the run was stopped by a signal, so the sweep is to stop as well.
    """
    name = cfg.experiment = str(cfg.experiment or run_name(cfg, overrides))
    directory = Path(cfg.train.params.config.train_dir) / name
    status, error = "failed", ""
    try:
        record = run_record.read(directory)
        _check_same_settings(record, name, overrides)
        if record is not None and is_complete(record, cfg.max_frames, cfg.max_iterations):
            status = "skipped"
            print(f"run '{name}' is complete after {record['frames']:,d} frames: skipped", flush=True)
        else:
            cfg.checkpoint = newest_checkpoint(directory)
            print(f"run '{name}' {'continues' if cfg.checkpoint else 'starts'}", flush=True)
            launch(cfg, overrides)
            after = run_record.read(directory) or {}
            status, error = after["status"], after["error"]
    except Exception as caught:
        error = sentence(caught)
        if not isinstance(caught, UserError):
            traceback.print_exc()
        print(f"run '{name}' failed: {error}", file=sys.stderr, flush=True)
        if run_record.read(directory) is None:  # it never began; a report shall miss it all the same
            never = run_record.RunRecord(directory, overrides)
            never.begin(fresh=True)
            never.end("failed", error)
    hydra = HydraConfig.get()
    path = Path(hydra.sweep.dir) / f"{hydra.job.num}.json"
    text = json.dumps({"name": name, "status": status, "error": error, "overrides": overrides}) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))
    if status == "stopped" and error.startswith("SIG"):
        raise KeyboardInterrupt


def summary(folder: Path) -> tuple[str, int]:
    """What became of a sweep's jobs, in lines to print, and how many failed."""
    jobs = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    kinds = [job["status"] for job in jobs]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in ("complete", "skipped", "stopped", "failed"))
    lines = [f"{len(jobs)} runs: {counts}"]
    lines += [f"  failed: {job['name']}: {job['error']}" for job in jobs if job["status"] == "failed"]
    return "\n".join(lines), kinds.count("failed")


def run_name(cfg: DictConfig, overrides: Sequence[str]) -> str:
    """``<task>_<train>_<other settings typed>_s<seed>``: the same for the same settings, so that a command that is given
    again finds its runs. Where the middle is too long for a folder's name, it is a digest.
    """
    others = sorted(item for item in _settings(overrides) if item.split("=")[0] not in ("task", "train", "seed"))
    middle = re.sub(r"[^\w.,=+-]+", "-", ",".join(others))
    if len(middle) > _LONGEST_NAME:
        middle = hashlib.sha256(middle.encode()).hexdigest()[:8]
    return "_".join(part for part in (cfg.task.name, cfg.train_name, middle, f"s{cfg.seed}") if part)


def _settings(overrides: Sequence[str], limits: Set[str] = LIMITS) -> set[str]:
    return {item for item in overrides if item.split("=")[0] not in limits}


def difference(record: Mapping[str, Any], overrides: Sequence[str], limits: Set[str] = LIMITS) -> str:
    """What a run's last command line says otherwise than ``overrides``, besides ``limits``; empty: nothing."""
    before, now = _settings(record["sessions"][-1]["overrides"], limits), _settings(overrides, limits)
    if before == now:
        return ""
    return f"{', '.join(sorted(before - now)) or 'without'}, now {', '.join(sorted(now - before)) or 'without'}"


def _check_same_settings(record: dict[str, Any] | None, name: str, overrides: Sequence[str]) -> None:
    if record is None or not record["sessions"]:
        return
    differ = difference(record, overrides)
    if differ and record.get("epochs"):
        raise UserError(
            f"run '{name}' has other settings ({differ}); leave experiment= out or name in it all that is swept, "
            "as experiment='${train_name}_s${seed}'"
        )


def is_complete(record: dict[str, Any], max_frames: int | None, max_iterations: int | None = None) -> bool:
    """Whether a run came to its end, as asked now, so that a larger ``max_frames`` continues a complete one."""
    limits = [(record.get("frames", 0), max_frames), (record.get("epochs", 0), max_iterations)]
    reached = [done >= limit for done, limit in limits if limit is not None]
    return record["status"] == "complete" and (any(reached) or not reached)


def newest_checkpoint(directory: Path) -> str:
    """What a run is continued from, empty if there is nothing: ``last.pth``, or ``best.pth`` where it was killed after an
    evaluation and before its first save."""
    there = [path for path in (directory / "nn" / "last.pth", directory / "nn" / "best.pth") if path.exists()]
    return str(max(there, key=os.path.getmtime)) if there else ""
