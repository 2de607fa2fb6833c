"""Frames per second and memory of every algorithm on MT10, over numbers of environments.

    python benchmarks/algorithms_speed.py [num_envs=1024,2048,4096,8192] [train=MTPPO,TOPPO,...] [iterations=3] [minutes=1.5]
        [out=FILE.csv] [further overrides of train.py ...]

Each run is ``python train.py`` with the settings of its preset, in a process of its own, which stops after ``iterations``
epochs or with the first epoch that ends after ``minutes``. The rate leaves out the first epoch where there is another (random
actions of replay-buffer methods, first allocations). Memory is the most main memory the process had in use; of a replay
buffer, which has its preset's size, that is the part filled so far.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from isaacgymenvs_tasks.options import read_options

ROOT = Path(__file__).resolve().parents[1]
ALGORITHMS = "MTPPO,TOPPO,MTGRPO,MTSAC,ARS,MTPQN,FastTD3"
LINE = re.compile(r"^epoch +\d+ +frames +([\d,]+) +([\d,]+) frames/s", re.MULTILINE)


def measure(train: str, num_envs: int, options: dict[str, str], overrides: list[str]) -> dict[str, float]:
    """Train for a moment: frames per second and MiB at the most."""
    name = f"speed_{train}_{num_envs}"
    shutil.rmtree(ROOT / "runs" / name, ignore_errors=True)
    limits = [f"max_iterations={options['iterations']}", f"max_minutes={options['minutes']}", "eval_interval=null"]
    settings = ["task=MT10", f"train={train}", f"num_envs={num_envs}", f"experiment={name}", *limits, *overrides]
    process = subprocess.Popen(
        [sys.executable, "train.py", *settings], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    epochs = [(int(a.replace(",", "")), float(b.replace(",", ""))) for a, b in LINE.findall(output)]
    if process.returncode or not epochs:
        raise SystemExit(f"train={train} num_envs={num_envs} failed:\n{output[-2000:]}")
    shutil.rmtree(ROOT / "runs" / name)
    (first, first_rate), (last, last_rate) = epochs[0], epochs[-1]
    seconds = last / last_rate - (first / first_rate if len(epochs) > 1 else 0.0)
    frames = last - (first if len(epochs) > 1 else 0)
    return {"frames/s": frames / seconds, "MiB": usage.ru_maxrss / 1024, "frames": last}


def main(arguments: list[str]) -> None:
    known = {"num_envs": "1024,2048,4096,8192", "train": ALGORITHMS, "iterations": "3", "minutes": "1.5"}
    known["out"] = str(ROOT / "benchmarks" / "results" / "algorithms_speed.csv")
    mine = [a for a in arguments if a.partition("=")[0] in known]
    options = read_options(mine, known)
    overrides = [a for a in arguments if a not in mine]
    rows = []
    for num_envs in map(int, options["num_envs"].split(",")):
        for train in options["train"].split(","):
            row = {"train": train, "num_envs": num_envs} | measure(train, num_envs, options, overrides)
            rows.append({k: round(v, 1) if isinstance(v, float) else v for k, v in row.items()})
            print(", ".join(f"{k} {v}" for k, v in rows[-1].items()), flush=True)
            with open(options["out"], "w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
