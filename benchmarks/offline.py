"""Success of offline learners as one table, from what ``offline.sh`` left in OUT.

    python benchmarks/offline.py OUT

Prints and writes OUT/offline.md: for every learner the success of the last evaluation, mean over tasks and seeds, with a
95 % interval of a bootstrap over seeds and, inside each, over tasks' episodes (50 a task); of single seeds; and of each task.
"""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path

import numpy as np

EPISODES, DRAWS = 50, 10_000


def read(folder: Path) -> dict[str, dict[int, dict[str, float]]]:
    """Learner -> seed -> task -> success of the last evaluation."""
    found: dict[str, dict[int, dict[str, float]]] = {}
    for path in sorted(folder.glob("*.csv")):
        match = re.fullmatch(r"(?P<name>.+)_s(?P<seed>\d+)", path.stem)
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        if match and rows:
            tasks = {k.removeprefix("success/"): float(v) for k, v in rows[-1].items() if k.startswith("success/")}
            found.setdefault(match["name"], {})[int(match["seed"])] = tasks
    return found


def interval(success: np.ndarray, generator: np.random.Generator) -> tuple[float, float]:
    """95 % of the bootstrap of the mean of (seeds, tasks): seeds are drawn, then episodes of each task."""
    seeds = generator.integers(len(success), size=(DRAWS, len(success)))
    means = generator.binomial(EPISODES, success[seeds]).mean((1, 2)) / EPISODES
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def main(folder: Path) -> None:
    """Print and write the table."""
    runs, generator = read(folder), np.random.default_rng(0)
    if not runs:
        raise SystemExit(f"{folder} has no NAME_sSEED.csv; bash benchmarks/offline.sh makes them")
    lines = ["| learner | success (%) | 95 % | seeds |", "|---|---|---|---|"]
    for name, seeds in runs.items():
        success = np.array([list(tasks.values()) for tasks in seeds.values()])
        low, high = interval(success, generator)
        single = ", ".join(f"{100 * value:.1f}" for value in success.mean(1))
        lines.append(f"| {name} | {100 * success.mean():.1f} | {100 * low:.1f} to {100 * high:.1f} | {single} |")
    for name, seeds in runs.items():
        tasks = {task: np.mean([each[task] for each in seeds.values()]) for task in next(iter(seeds.values()))}
        lines.append("\n" + f"{name}: " + ", ".join(f"{task} {100 * value:.0f}" for task, value in tasks.items()))
    (folder / "offline.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
