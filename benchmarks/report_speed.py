"""How long a report of many runs takes: python benchmarks/report_speed.py [runs=100] [rows=1000] [tasks=50]

Writes runs of made-up success rates (ten seeds a scheme) to a temporary folder, reports them and prints the seconds.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from mtbench.report.report import report


def write_run(folder: Path, scheme: str, seed: int, rows: int, tasks: int, rng: np.random.Generator) -> None:
    """Write a run as training leaves it."""
    folder.mkdir(parents=True)
    names = [f"task_{i}" for i in range(tasks)]
    frames = 100_000 * np.arange(1, rows + 1)
    level = 1 / (1 + np.exp(-(np.linspace(-3, 3, rows)[:, None] - rng.normal(0, 2, tasks))))
    success = rng.binomial(50, level) / 50
    returns = 1000 * success + rng.normal(0, 10, success.shape)
    table = np.column_stack((frames, frames / 1000, success.mean(1), success, returns))
    header = ["frames", "wall_clock", "mean_success", *(f"{k}/{n}" for k in ("success", "return") for n in names)]
    body = "\n".join(",".join(f"{value:.10g}" for value in row) for row in table)
    (folder / "metrics.csv").write_text(",".join(header) + "\n" + body + "\n")
    (folder / "config.yaml").write_text(
        f"seed: {seed}\ntrain_name: {scheme}\neval_goals: 50\ntask:\n  name: MADE_UP\n  env:\n    episodeLength: 150\n"
    )
    record = {
        "schema": 1,
        "name": folder.name,
        "status": "complete",
        "error": "",
        "frames": int(frames[-1]),
        "sessions": [],
    }
    (folder / "run.json").write_text(json.dumps(record))


def main(arguments: list[str]) -> None:
    options = {"runs": 100, "rows": 1000, "tasks": 50}
    for item in arguments:
        key, _, value = item.partition("=")
        if key not in options or not value.isdigit():
            raise SystemExit(__doc__)
        options[key] = int(value)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        for i in range(options["runs"]):
            scheme, seed = f"scheme_{i // 10}", i % 10
            write_run(Path(name) / "runs" / f"{scheme}_s{seed}", scheme, seed, options["rows"], options["tasks"], rng)
        started = time.perf_counter()
        report([Path(name) / "runs"], Path(name) / "report")
        seconds = time.perf_counter() - started
    print(f"{options['runs']} runs of {options['rows']} evaluations of {options['tasks']} tasks: {seconds:.1f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
