"""Do processes or Ray actors that act while the learner learns pay? Frames per second, and success at equal frames and
minutes.

    python benchmarks/acting_apart.py [minutes=5] [seed=1] [sources=sync,inline,processes,ray] [out=FILE] [...]

MT-PPO acts and learns in turn (``sync``); MT-IMPALA does too (``inline``), or with two workers. All runs get the same
minutes of the machine. A row for each in benchmarks/results/acting_apart.csv: frames learned from, frames per second,
success at the end and at the frames that the slowest one came to. Further key=value are settings of the runs.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np

SOURCES = {
    "sync": ["train=MTPPO"],
    "inline": ["train=MTIMPALA"],
    "processes": ["train=MTIMPALA", "source={name: processes, n: 2}"],
    "processes_wait": ["train=MTIMPALA", "source={name: processes, n: 2, when_full: wait}"],
    "ray": ["train=MTIMPALA", "source={name: ray, n: 2}"],
}
TASKS = "[reach,drawer_close,button_press_topdown,window_close]"


def main() -> None:
    options = dict(item.split("=", 1) for item in sys.argv[1:])
    minutes, seed = options.pop("minutes", "5"), options.pop("seed", "1")
    sources = options.pop("sources", "sync,inline,processes,processes_wait,ray").split(",")
    out = Path(options.pop("out", "benchmarks/results/acting_apart.csv"))
    more = [f"{key}={value}" for key, value in options.items()]
    curves = {}
    for source in sources:
        name = f"acting_apart/{source}_s{seed}"
        limits = [f"max_minutes={minutes}", "eval_interval=40_000", f"seed={seed}", f"experiment={name}"]
        command = ["train", "task=MT10", f"task_id={TASKS}", *SOURCES[source], *limits, *more]
        subprocess.run([sys.executable, "-m", "mtbench", *command], check=True)
        with (Path("runs") / name / "metrics.csv").open() as file:
            rows = list(csv.DictReader(file))
        keys = ("frames", "wall_clock", "mean_success")
        curves[source] = [np.array([float(row[key]) for row in rows]) for key in keys]
    least = min(frames[-1] for frames, _, _ in curves.values())
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(
            ["source", "minutes", "frames", "frames_per_second", "success", f"success_at_{least:.0f}_frames"]
        )
        for source, (frames, seconds, success) in curves.items():
            rate = f"{frames[-1] / seconds[-1]:.0f}"
            there = f"{np.interp(least, frames, success):.4f}"
            table.writerow([source, minutes, f"{frames[-1]:.0f}", rate, f"{success[-1]:.4f}", there])
    print(out.read_text())


if __name__ == "__main__":
    main()
