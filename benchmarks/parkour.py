"""Curves of Parkour runs from their TensorBoard events: progress and level of each family over frames.

    python benchmarks/parkour.py OUT [RUN ...]

writes ``OUT/<easy, hard or hard_cl>.csv``, means over fortieths of the run, and its configuration beside it; then draws
``OUT/curves.png`` from all that are there, and prints a table of the evaluations, ``OUT/<set>.<steps of an episode>.csv``.
Progress in the curves is that of training episodes, with exploration; a level is the mean over a family's environments.
"""

from __future__ import annotations

import csv
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
import yaml

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SETS = {"ParkourEasy": "easy", "ParkourHard": "hard", "ParkourHardCL": "hard_cl"}
PAPER = {"easy": 80.39, "hard": 54.51, "hard_cl": 68.12}  # MTBench, Table 1, vanilla
KINDS = {"progress": "Episode/success", "level": "Episode/terrain_level", "return": "Episode/return"}
ROWS = 40

Run = dict[str, np.ndarray]  #: columns of a file


def export(run: Path, out: Path) -> None:
    """Write the csv and the configuration of a run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    task = yaml.safe_load((run / "config.yaml").read_text())["task"]
    events = EventAccumulator(str(run / "summaries"), size_guidance={"scalars": 0})
    events.Reload()
    tags = {f"{kind}/{family}": f"{tag}/{family}" for kind, tag in KINDS.items() for family in task["env"]["tasks"]}
    known = set(events.Tags()["scalars"])
    columns = {
        name: np.array([(e.step, e.value) for e in (events.Scalars(tag) if tag in known else [])]).reshape(-1, 2)
        for name, tag in tags.items()
    }
    rows = []
    for low, high in pairwise(np.linspace(0, max(c[-1, 0] for c in columns.values() if len(c)), ROWS + 1)):
        within = [c[(c[:, 0] > low) & (c[:, 0] <= high), 1] for c in columns.values()]
        rows.append([round(high), *(f"{values.mean():.4f}" if len(values) else "" for values in within)])
    name = SETS[task["name"]]
    with open(out / f"{name}.csv", "w", newline="") as file:
        csv.writer(file).writerows([["frames", *columns], *rows])
    shutil.copy(run / "config.yaml", out / f"{name}.yaml")


def read(path: Path) -> Run:
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}


def of(kind: str, run: Run) -> Run:
    """Columns of one kind by family."""
    return {name.removeprefix(f"{kind}/"): values for name, values in run.items() if name.startswith(f"{kind}/")}


def draw(runs: dict[str, Run], target: Path) -> None:
    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=(15, 5), layout="constrained", width_ratios=(1, 1.3, 1.3)
    )
    for name, run in runs.items():
        values = np.ma.masked_invalid(list(of("progress", run).values()))
        left.plot(run["frames"] / 1e6, 100 * values.mean(0), label=name, linewidth=2)
    left.set(xlabel="million environment steps", title="progress in training episodes (%)", ylim=(0, None))
    left.legend()
    left.grid(alpha=0.3)
    pictures = [("easy", "progress", 100.0, 100.0), ("hard_cl", "level", 1.0, None)]
    for axes, (name, kind, factor, top) in zip((middle, right), pictures, strict=True):
        if name not in runs:
            axes.set_axis_off()
            continue
        table = of(kind, runs[name])
        image = axes.imshow(
            factor * np.array(list(table.values())),
            aspect="auto",
            extent=(0.0, runs[name]["frames"][-1] / 1e6, len(table) - 0.5, -0.5),
            vmin=0.0,
            vmax=top,
            interpolation="nearest",
        )
        axes.set_yticks(range(len(table)), list(table), fontsize=8)
        axes.set(xlabel="million environment steps", title=f"{name}: {kind}{' (%)' * (kind == 'progress')}")
        figure.colorbar(image, ax=axes)
    figure.savefig(target, dpi=100)


def table(out: Path) -> str:
    """The evaluations as Markdown, or nothing where there are none."""
    found = {(name, steps): out / f"{name}.{steps}.csv" for steps in (800, 2000) for name in SETS.values()}
    tables = {}
    for key, path in found.items():
        if path.exists():
            with path.open() as file:
                tables[key] = {row["task"]: 100 * float(row["success"]) for row in csv.DictReader(file)}
    if not tables:
        return ""
    lines = [["progress (%)", *(f"{name}, {steps} steps" for name, steps in tables)], ["---"] * (len(tables) + 1)]
    lines += [[family, *(f"{t[family]:.1f}" for t in tables.values())] for family in next(iter(tables.values()))]
    lines.append(["**mean**", *(f"{np.mean(list(t.values())):.1f}" for t in tables.values())])
    lines.append(["MTBench, Table 1 (250 M frames)", *(f"{PAPER[name]:.1f}" for name, _ in tables)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: list[str]) -> None:
    if not arguments:
        raise SystemExit(__doc__)
    out = Path(arguments[0])
    out.mkdir(parents=True, exist_ok=True)
    for run in arguments[1:]:
        export(Path(run), out)
    runs = {name: read(out / f"{name}.csv") for name in SETS.values() if (out / f"{name}.csv").exists()}
    if not runs:
        raise SystemExit(f"there are no curves in {out}; name the folders of runs as well")
    draw(runs, out / "curves.png")
    print(table(out))


if __name__ == "__main__":
    main(sys.argv[1:])
