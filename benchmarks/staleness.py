"""How old may a rollout be? MT-IMPALA on four easy tasks of MT10 with rollouts of so many updates ago, and three corrections.

    python benchmarks/staleness.py [lags=0,4,16,64] [corrections=vtrace,none,unclipped] [seeds=1,2,3] [frames=300_000]
    [out=FILE] [...]

A row for each run in benchmarks/results/staleness.csv: success of the mean policy at the end and over the frames, and means
over the run of what tells how far policies were apart (effective sample size, KL divergence, share of ratios at the bound).
Runs are in ``runs/staleness``; a complete one is not run again. Further key=value are settings of the runs.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mtbench.learning import run_record

TASKS = "[reach,drawer_close,button_press_topdown,window_close]"
LOGGED = ("info/policy_lag", "info/ess", "info/ess_rollout", "info/kl_behaviour", "info/rho_clipped")


def main() -> None:
    options = dict(item.split("=", 1) for item in sys.argv[1:])
    lags, seeds = (options.pop(key, default).split(",") for key, default in (("lags", "0,4,16,64"), ("seeds", "1,2,3")))
    corrections = options.pop("corrections", "vtrace,none,unclipped").split(",")
    frames = int(options.pop("frames", "300_000"))
    out = Path(options.pop("out", "benchmarks/results/staleness.csv"))
    more = [f"{key}={value}" for key, value in options.items()]
    rows = []
    for seed in seeds:
        for lag in lags:
            for correction in corrections:
                name = f"staleness/{correction}_lag{lag}_s{seed}"
                run = Path("runs") / name
                record = run_record.read(run) or {}
                if record.get("status") != "complete" or record["frames"] < frames:
                    what = [f"source={{name: inline, lag: {lag}}}", f"correction={correction}", f"seed={seed}"]
                    last = run / "nn" / "last.pth"
                    what += [f"checkpoint={last}"] if last.exists() else []
                    limits = [f"max_frames={frames}", f"eval_interval={max(1, frames // 10)}", f"experiment={name}"]
                    command = ["train", "task=MT10", f"task_id={TASKS}", "train=MTIMPALA", *what, *limits, *more]
                    subprocess.run([sys.executable, "-m", "mtbench", *command], check=True)
                rows.append([correction, lag, seed, *measure(run)])
                write(out, rows)


def measure(run: Path) -> list[str]:
    """Final success, mean success over the frames, and means of what was logged."""
    with (run / "metrics.csv").open() as file:
        table = list(csv.DictReader(file))
    frames, success = (np.array([float(row[name]) for row in table]) for name in ("frames", "mean_success"))
    area = np.trapezoid(np.r_[0.0, success], np.r_[0.0, frames]) / frames[-1]
    events = EventAccumulator(str(run / "summaries"))
    events.Reload()
    means = [np.mean([event.value for event in events.Scalars(name)]) for name in LOGGED]
    return [f"{frames[-1]:.0f}", f"{success[-1]:.4f}", f"{area:.4f}", *(f"{value:.4g}" for value in means)]


def write(out: Path, rows: list[list[str]]) -> None:
    """Write the table so far."""
    out.parent.mkdir(parents=True, exist_ok=True)
    header = ["correction", "lag", "seed", "frames", "final_success", "area", *(name.split("/")[1] for name in LOGGED)]
    with out.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


if __name__ == "__main__":
    main()
