"""Learning curves of several runs in one picture, from their ``metrics.csv``.

    python benchmarks/learning_curves.py TARGET.png LABEL=FILE[,FILE...] [LABEL=...]

Left: mean success of the deterministic evaluations over frames, one thin line a seed and their mean, and with more than
ten tasks, dashed, that of the ten worst in each evaluation. Right: success of each task in the last evaluation, mean over
seeds. Prints the same figures as a table.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def read(path: Path) -> dict[str, np.ndarray]:
    """Columns of a ``metrics.csv``, one row an evaluation."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise SystemExit(f"{path} has no evaluations")
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def worst(run: dict[str, np.ndarray], k: int) -> np.ndarray:
    """Mean success of the ``k`` tasks that are worst in each evaluation."""
    success = np.stack([values for name, values in run.items() if name.startswith("success/")])
    return np.sort(success, axis=0)[:k].mean(0)


def main(arguments: list[str]) -> None:
    if len(arguments) < 2 or any("=" not in a for a in arguments[1:]):
        raise SystemExit(__doc__)
    target = Path(arguments[0])
    runs = {}
    for argument in arguments[1:]:
        label, _, files = argument.partition("=")
        runs[label] = [read(Path(f)) for f in files.split(",")]
    tasks = [name.removeprefix("success/") for name in next(iter(runs.values()))[0] if name.startswith("success/")]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, max(4, 0.18 * len(tasks))), layout="constrained")
    height = 0.8 / len(runs)
    for k, (label, seeds) in enumerate(runs.items()):
        colour = f"C{k}"
        frames = max((s["frames"] for s in seeds), key=len)
        shortest = min(len(s["frames"]) for s in seeds)
        for s in seeds:
            left.plot(s["frames"] / 1e6, 100 * s["mean_success"], color=colour, alpha=0.35, linewidth=1)
        mean = np.mean([s["mean_success"][:shortest] for s in seeds], axis=0)
        left.plot(
            frames[:shortest] / 1e6,
            100 * mean,
            color=colour,
            linewidth=2,
            label=f"{label} ({len(seeds)} seed{'s' * (len(seeds) > 1)})",
        )
        if len(tasks) > 10:
            tail = np.mean([worst(s, 10)[:shortest] for s in seeds], axis=0)
            left.plot(frames[:shortest] / 1e6, 100 * tail, color=colour, linestyle="--", label=f"{label}, worst 10")
            for size in (5, 10, 20):
                print(f"{label}: worst-{size} {', '.join(f'{100 * worst(s, size)[-1]:.1f}' for s in seeds)} %")
        final = np.array([np.mean([s[f"success/{task}"][-1] for s in seeds]) for task in tasks])
        right.barh(np.arange(len(tasks)) + k * height, 100 * final, height, color=colour, label=label)
        last = ", ".join(f"{100 * s['mean_success'][-1]:.1f}" for s in seeds)
        at = ", ".join(f"{s['frames'][-1]:,.0f}" for s in seeds)
        print(f"{label}: mean success {last} % after {at} frames")
        for task, value in zip(tasks, final, strict=True):
            print(f"  {task:<24}{100 * value:>6.1f} %")
    left.set(xlabel="million environment steps", ylabel="success of the mean policy (%)", ylim=(0, 100))
    left.legend()
    left.grid(alpha=0.3)
    right.margins(y=0.01)
    right.set_yticks(np.arange(len(tasks)) + 0.4 - height / 2, tasks)
    right.invert_yaxis()
    right.set(xlabel="success in the last evaluation (%)", xlim=(0, 100))
    right.grid(alpha=0.3, axis="x")
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    main(sys.argv[1:])
