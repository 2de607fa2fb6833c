"""Kills a small training run at random moments, continues it, and compares it with one that nobody disturbed.

    python benchmarks/kills.py --kills 200                # on point masses, whose steps cost nothing
    python benchmarks/kills.py --kills 20 --task MT1      # the same with the simulator

Every run is killed (SIGKILL) five times and then left to end. Three kills of four come after a random time, at start-up or
in training; every fourth comes while a checkpoint is written: after a random number of its bytes, before it has its name, or
just after. What must be as if nothing had been: metrics.csv but for its wall clock, TensorBoard's scalars but for speeds,
gradients.npz, config.yaml but for ``checkpoint``, and both checkpoints bit for bit. Every kill is a row of the CSV file, and
every difference a sentence; the exit code is 1 where there is one.

A process is forked for each session, after the imports, which take longer than the session.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import csv
import itertools
import json
import logging
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import rl_games.torch_runner  # noqa: F401  # this and others only for the processes to be forked
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from mtbench.commands.launch import launch
from mtbench.learning import evaluate, observers, player, run_record, vec_env  # noqa: F401
from mtbench.learning.agents import checkpoint
from mtbench.resources import CFG

KILLS_A_RUN = 5
SMALL = [
    "sim_device=cpu",
    "rl_device=cpu",
    "num_envs=4",
    "task.env.episodeLength=8",
    "schedule.horizon_length=8",
    "schedule.mini_epochs=2",
    "schedule.num_minibatches=2",
    "actor.units=[8]",
    "critic.units=[8]",
    "max_iterations=8",
    "save_interval=1",
    "eval_interval=64",
    "eval_goals=2",
    "diagnose_interval=64",
]
TASKS = {
    "toy": ["task=metaworld", "task.factory=tests.learning.toy_env:make", "task.env.tasks=[near,far]"],
    "MT1": ["task=MT1", "task_name=reach", "num_envs=2"],
}
CLOCK = ("performance/", "rewards/time", "episode_lengths/time")  #: scalars that are not the same twice


class Dying:
    """A file whose writer is killed after some bytes.

    Args:
        file: written through.
        survives: bytes after which the process dies; more than come: it dies in :meth:`end`.
    """

    def __init__(self, file: BinaryIO, survives: int) -> None:
        self.file, self.left = file, survives

    def write(self, data: Any) -> int:
        """Write what comes before the end."""
        size = len(memoryview(data).cast("B"))
        if size > self.left:
            self.file.write(memoryview(data).cast("B")[: self.left])
            self.file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= size
        return self.file.write(data)

    def flush(self) -> None:
        """As of any file; torch calls it."""
        self.file.flush()


def die_in_save(number: int, part: float) -> None:
    """Let this process die in its ``number``-th save of a checkpoint: at ``part`` of the bytes of the save before; beyond 1,
    when the file has its name, and from 0.9 to 1, when it is whole and does not have it yet."""
    write, saves, size = checkpoint.write_atomically, itertools.count(), 20_000

    def write_and_die(path: Path, content: Any) -> None:
        nonlocal size
        if next(saves) < number:
            write(path, content)
            size = path.stat().st_size
            return

        def dying(file: BinaryIO) -> None:
            content(Dying(file, int(size * part / 0.9) if part < 0.9 else 1 << 60))
            if part <= 1:
                os.kill(os.getpid(), signal.SIGKILL)

        write(path, dying)
        os.kill(os.getpid(), signal.SIGKILL)

    checkpoint.write_atomically = write_and_die


@contextlib.contextmanager
def session(folder: Path, config: DictConfig, save: tuple[int, float] | None = None) -> Iterator[int]:
    """Fork a process that trains in ``folder``, from where the run there is; yield its id. Its output goes to
    ``folder/log.txt``, and it dies in the save ``save``, see :func:`die_in_save`.
    """
    last = Path("runs/run/nn/last.pth")
    config = copy.deepcopy(config)
    config.checkpoint = str(last) if (folder / last).exists() else ""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        yield pid
        return
    code = 70
    try:
        os.chdir(folder)
        log = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        torch.set_num_threads(1)
        if save:
            die_in_save(*save)
        launch(config, [])
        sys.stdout.flush()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def wait(pid: int, seconds: float | None = None) -> tuple[int | None, float]:
    """The exit code, negative for a signal, and the processor time that it took; the code is None where the process is still
    there after so many seconds of its processor time, which unlike the clock's say how far it is on a busy machine."""
    while True:
        ended, status, usage = os.wait4(pid, os.WNOHANG if seconds is not None else 0)
        if ended:
            return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        spent = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        if seconds is not None and spent >= seconds:
            return None, spent
        time.sleep(0.002)


def killed_run(
    folder: Path, config: DictConfig, kills: int, before: int, seconds: float, saves: int, rng: random.Random
) -> tuple[list[dict[str, Any]], float]:
    """Make a run, killed so many times; return a row for each kill, and the processor time of the last session.

    Args:
        folder: where it runs.
        config: of the run.
        kills: to make before it is left alone.
        before: kills of earlier runs; every fourth is within a save.
        seconds: of processor time that an undisturbed session takes.
        saves: of checkpoints in one.
        rng: of the moments.

    Raises:
        RuntimeError: a session that was left alone did not end well.
    """
    rows: list[dict[str, Any]] = []
    run, last = folder / "runs" / "run", folder / "runs" / "run" / "nn" / "last.pth"
    while len(rows) < kills:
        in_save = (before + len(rows)) % 4 == 3
        save = (rng.randrange(max(1, saves // 2)), rng.uniform(0, 1.1)) if in_save else None
        with session(folder, config, save) as pid:
            code, spent = wait(pid, None if in_save else rng.uniform(0, 0.8 * seconds))
            if code is None:
                os.kill(pid, signal.SIGKILL)
                code, spent = wait(pid)
        if code == 0:
            return rows, spent  # it was through before its next kill came
        if code != -signal.SIGKILL:
            raise RuntimeError(f"exit code {code}: {(folder / 'log.txt').read_text()[-1000:]}")
        record = run / "run.json"
        sessions = json.loads(record.read_text()) if record.exists() else {"frames": 0}
        kind = f"save {save[0] + 1} at {100 * save[1]:.0f} %" if save else "time"
        rows.append({"kind": kind, "seconds": f"{spent:.2f}", "frames": sessions["frames"], "saved": last.exists()})
    with session(folder, config) as pid:
        code, spent = wait(pid)
    if code:
        raise RuntimeError(f"exit code {code}: {(folder / 'log.txt').read_text()[-1000:]}")
    return rows, spent


def scalars(run: Path) -> dict[tuple[str, int], set[float]]:
    """What TensorBoard shows of a run: values by name and step. The last epochs before a kill may be there twice."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "summaries"), size_guidance={"scalars": 0})
    events.Reload()
    found: dict[tuple[str, int], set[float]] = {}
    for name in events.Tags()["scalars"]:
        if not name.startswith(CLOCK):
            for event in events.Scalars(name):
                found.setdefault((name, event.step), set()).add(event.value)
    return found


def same(a: Any, b: Any) -> bool:
    """Whether nested containers of tensors and plain data are the same, bit for bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(itertools.starmap(same, zip(a, b, strict=True)))
    return bool(a == b)


def differences(run: Path, whole: Path) -> list[str]:
    """Sentences about what in ``run`` is not as in ``whole``."""
    found = []
    tables = [list(csv.DictReader((folder / "metrics.csv").open())) for folder in (run, whole)]
    for row in itertools.chain(*tables):
        del row["wall_clock"]
    if tables[0] != tables[1]:
        found.append(f"metrics.csv has {len(tables[0])} rows, and not the {len(tables[1])} of the other run")
    ours, theirs = scalars(run), scalars(whole)
    wrong = [key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)]
    if wrong:
        found.append(f"{len(wrong)} of {len(theirs)} scalars are lost or others, such as {min(wrong)}")
    configs: list[Any] = [OmegaConf.to_container(OmegaConf.load(folder / "config.yaml")) for folder in (run, whole)]
    if configs[0] | {"checkpoint": ""} != configs[1]:
        found.append("config.yaml is another")
    for name in ("last.pth", "best.pth"):
        ours, theirs = (checkpoint.load_checkpoint(folder / "nn" / name) for folder in (run, whole))
        wrong = [key for key in theirs if key != "wall_clock" and not same(ours.get(key), theirs[key])]
        if wrong:
            found.append(f"{name} differs in {', '.join(wrong)}")
    with np.load(run / "gradients.npz") as ours, np.load(whole / "gradients.npz") as theirs:
        if any(not np.array_equal(ours[key], theirs[key], equal_nan=ours[key].dtype.kind == "f") for key in theirs):
            found.append("gradients.npz is another")
    record = json.loads((run / "run.json").read_text())
    if (record["status"], record["frames"]) != ("complete", json.loads((whole / "run.json").read_text())["frames"]):
        found.append(f"run.json says {record['status']} at {record['frames']} frames")
    leftovers = [path.name for path in run.rglob(".*.tmp")]
    return found + [f"{name} was left" for name in leftovers]


def trial(kills: int, task: str, trains: Sequence[str], seed: int, out: Path | None) -> tuple[int, list[str]]:
    """Kill so many times; return how many runs that were, and sentences about what was lost."""
    rng, rows, lost, runs = random.Random(seed), [], [], 0
    with tempfile.TemporaryDirectory() as scratch:
        wholes: dict[str, tuple[DictConfig, Path, float, int]] = {}
        while len(rows) < kills:
            train = trains[runs % len(trains)]
            if train not in wholes:
                overrides = [*TASKS[task], *SMALL, *TASKS[task][2:], f"train={train}", "experiment=run"]
                with initialize_config_dir(str(CFG), version_base="1.3"):
                    config = compose("config", overrides)
                folder = Path(scratch) / train
                folder.mkdir()
                _, seconds = killed_run(folder, config, 0, 0, 0.0, 0, rng)
                whole = folder / "runs" / "run"
                saves = len(list(csv.DictReader((whole / "metrics.csv").open()))) + config.max_iterations
                wholes[train] = config, whole, seconds, saves
            config, whole, seconds, saves = wholes[train]
            folder = Path(scratch) / f"{runs}"
            folder.mkdir()
            try:
                made, _ = killed_run(
                    folder, config, min(KILLS_A_RUN, kills - len(rows)), len(rows), seconds, saves, rng
                )
                found = differences(folder / "runs" / "run", whole)
            except Exception as error:
                made, found = [], [f"{type(error).__name__}: {error}"]
            rows += [{"run": runs, "train": train, **row} for row in made]
            lost += [f"run {runs} ({train}): {sentence}" for sentence in found]
            print(f"run {runs}, {train}: {len(made)} kills; {'; '.join(found) or 'as if nothing had been'}", flush=True)
            runs += 1
            if not made and len(lost) > 20:
                break
            if out is not None and rows:
                out.parent.mkdir(parents=True, exist_ok=True)
                with out.open("w", newline="") as file:
                    table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
                    table.writeheader()
                    table.writerows(rows)
    in_save = sum(row["kind"] != "time" for row in rows)
    print(f"{len(rows)} kills, {in_save} of them within a save, in {runs} runs: {len(lost)} differences")
    return runs, lost


def main() -> int:
    """Read the command line."""
    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it tells of each restart
    run_record._git = lambda: ""  # which takes longer than a session
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--task", choices=TASKS, default="toy")
    parser.add_argument("--train", nargs="+", default=["MTPPO", "TOPPO"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=None, help="CSV file, a row a kill")
    options = parser.parse_args()
    _, lost = trial(options.kills, options.task, options.train, options.seed, options.out)
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main())
