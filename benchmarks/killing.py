"""Kill each process of a run in turn: a worker is replaced, and a learner's workers go with it.

    python benchmarks/killing.py [rounds=10] [source=processes] [out=FILE] [...]

A round kills (SIGKILL) one worker after the other while the learner learns, and waits for an update after each; the last
round kills the learner, and waits for its workers to end. Rows of benchmarks/results/killing.csv: what was killed, the
seconds until the next rollouts were learned from, or until all were gone. Further key=value are settings of the run.
"""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

LIMIT = 300.0  #: seconds, after which a hang is one


def main() -> None:
    options = dict(item.split("=", 1) for item in sys.argv[1:])
    rounds, source = int(options.pop("rounds", "10")), options.pop("source", "processes")
    out = Path(options.pop("out", f"benchmarks/results/killing_{source}.csv"))
    more = [f"{key}={value}" for key, value in options.items()]
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        command = ["train", "task=MT10", "task_id=[reach,push]", "train=MTIMPALA", f"source={{name: {source}, n: 2}}"]
        command += ["network=mlp_small", "eval_interval=null", f"train.params.config.train_dir={folder}", *more]
        with log.open("w") as file:
            run = subprocess.Popen([sys.executable, "-m", "mtbench", *command], stdout=file, stderr=subprocess.STDOUT)
        learner = psutil.Process(run.pid)
        wait_for(lambda: epochs(log) >= 2, run, log)
        for number in range(rounds):
            for place in range(2):
                victim = workers(learner, source)[place]
                before, started = epochs(log), time.monotonic()
                os.kill(victim.pid, signal.SIGKILL)
                wait_for(
                    lambda before=before: epochs(log) >= before + 3 and len(workers(learner, source)) == 2, run, log
                )
                rows.append([number, f"worker {place + 1}", f"{time.monotonic() - started:.1f}", "learned on"])
                write(out, rows)
        left, started = learner.children(recursive=True), time.monotonic()
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        wait_for(lambda: not any(alive(process) for process in left), None, log)
        rows.append([rounds, "learner", f"{time.monotonic() - started:.1f}", "no process is left"])
        write(out, rows)
    print(out.read_text())


def workers(learner: psutil.Process, source: str) -> list[psutil.Process]:
    """The processes that act, oldest first."""
    sign = "spawn_main" if source == "processes" else "ray::Worker"
    found = [p for p in learner.children(recursive=True) if alive(p) and any(sign in part for part in p.cmdline())]
    return sorted(found, key=lambda process: process.create_time())


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def epochs(log: Path) -> int:
    return sum(line.startswith("epoch") for line in log.read_text().splitlines())


def wait_for(condition, run: subprocess.Popen[bytes] | None, log: Path) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > end or (run is not None and run.poll() is not None):
            sys.exit(f"it hangs, or ended:\n{log.read_text()[-2000:]}")
        time.sleep(0.2)


def write(out: Path, rows: list[list[object]]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["round", "killed", "seconds", "then"], *rows])


if __name__ == "__main__":
    main()
