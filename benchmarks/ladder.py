"""The ablation ladder as one table and one plot, and its diagnosis as another table, from what ``ladder.sh`` left in OUT.

    python benchmarks/ladder.py OUT [FRAMES]

takes what lies within the first FRAMES of each run, so that runs of different lengths compare. Prints and writes
OUT/ladder.md: success of the last evaluation of each rung, mean over tasks and over the k worst, one figure a seed, and
the mean over the last three evaluations; then medians over the snapshots of the first, second and last third of
training and over seeds (their columns: ``GradientRecord.figures``). Draws OUT/ladder.png.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
from learning_curves import read, worst
from matplotlib.figure import Figure

from mtbench.learning.errors import UserError
from mtbench.learning.gradient_record import GradientRecord

WORST = (1, 3, 5)
Run = dict[str, np.ndarray]


def find(folder: Path) -> dict[str, dict[int, Path]]:
    """Rung -> seed -> its ``metrics.csv``, in the order of the ladder."""
    rungs: dict[str, dict[int, Path]] = {}
    for path in sorted(folder.glob("*.metrics.csv")):
        match = re.fullmatch(r"(?P<place>\w)_(?P<rung>.+)_s(?P<seed>\d+)\.metrics", path.stem)
        if match:
            label = match["rung"].replace("-alone", " alone") if match["place"] in "0x" else f"+{match['rung']}"
            rungs.setdefault(label, {})[int(match["seed"])] = path
    return rungs


def until(run: Run, limit: int) -> Run:
    """The evaluations of a run within the first ``limit`` frames."""
    return {name: values[run["frames"] <= limit] for name, values in run.items()}


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def success_table(runs: dict[str, dict[int, Run]]) -> str:
    rows = []
    for rung, seeds in runs.items():
        each = list(seeds.values())
        last_three = [s["mean_success"][-3:].mean() for s in each]
        cells = [[s["mean_success"][-1] for s in each], *([worst(s, k)[-1] for s in each] for k in WORST), last_three]
        frames = ", ".join(f"{s['frames'][-1] / 1e6:.2f}" for s in each)
        figures = [f"{100 * np.mean(c):.1f} ({', '.join(f'{100 * v:.1f}' for v in c)})" for c in cells]
        rows.append([rung, ", ".join(map(str, seeds)), frames, *figures])
    header = [
        "rung",
        "seeds",
        "M frames",
        "mean success, % (each seed)",
        *(f"worst {k}" for k in WORST),
        "mean, last 3",
    ]
    return table(header, rows)


def gradient_table(records: dict[str, list[GradientRecord]]) -> str:
    rows = []
    for rung, seeds in records.items():
        figures = [record.figures() for record in seeds]
        for third, stage in enumerate(("early", "mid", "late")):
            cells = []
            for name in figures[0]:
                parts = [np.array_split(f[name], 3)[third] for f in figures]
                cells.append(f"{np.median(np.concatenate(parts)):.3g}")
            rows.append([rung, stage, *cells])
    return table(["rung", "stage", *next(iter(records.values()))[0].figures()], rows)


def plot(runs: dict[str, dict[int, Run]]) -> Figure:
    """Left: mean success over frames, a thin line a seed. Right: mean and worst k at the end, a dot a seed."""
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.1, 1))
    kinds = ["mean", *(f"worst {k}" for k in WORST[::-1])]
    width = 0.8 / len(runs)
    for i, (rung, seeds) in enumerate(runs.items()):
        each, colour = list(seeds.values()), f"C{i}"
        length = min(len(s["frames"]) for s in each)
        for s in each:
            left.plot(s["frames"] / 1e6, 100 * s["mean_success"], color=colour, alpha=0.35, linewidth=1)
        mean = np.mean([s["mean_success"][:length] for s in each], axis=0)
        left.plot(each[0]["frames"][:length] / 1e6, 100 * mean, color=colour, linewidth=2, label=rung)
        final = 100 * np.array([[s["mean_success"][-1], *(worst(s, k)[-1] for k in WORST[::-1])] for s in each])
        places = np.arange(len(kinds)) + (i - (len(runs) - 1) / 2) * width
        right.bar(places, final.mean(0), 0.9 * width, color=colour, label=rung)
        for values in final:
            right.plot(places, values, ".", color="k", markersize=5)
    left.set(xlabel="million environment steps", ylabel="success of the mean policy (%)", ylim=(0, 100))
    right.set(ylabel="success in the last evaluation (%)", ylim=(0, 100))
    right.set_xticks(np.arange(len(kinds)), kinds)
    left.grid(alpha=0.3)
    right.grid(alpha=0.3, axis="y")
    left.legend(title="each rung with all before it", fontsize=9, title_fontsize=9)
    return figure


def main(arguments: list[str]) -> None:
    if len(arguments) not in (1, 2):
        raise SystemExit(__doc__)
    folder, limit = Path(arguments[0]), int(arguments[1]) if len(arguments) == 2 else sys.maxsize
    paths = find(folder)
    if not paths:
        raise SystemExit(f"there is no <rung>_s<seed>.metrics.csv in {folder}; benchmarks/ladder.sh writes them")
    runs = {rung: {seed: until(read(path), limit) for seed, path in seeds.items()} for rung, seeds in paths.items()}
    records = {
        rung: [GradientRecord.read(path.with_suffix("").with_suffix(".gradients.npz")) for path in seeds.values()]
        for rung, seeds in paths.items()
    }
    for record in (record for seeds in records.values() for record in seeds):
        record.rows = [row for row in record.rows if row["frames"] <= limit]
    text = f"{success_table(runs)}\n\n{gradient_table(records)}\n"
    print(text)
    (folder / "ladder.md").write_text(text)
    plot(runs).savefig(folder / "ladder.png", dpi=110)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.exit(f"error: {error}")
