"""What the benchmarks of speed share: several variants in turns, so that a busy machine slows all of them."""

from __future__ import annotations

import csv
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


def resident() -> int:
    """Bytes of memory this process occupies (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def ratio(rows: Sequence[Mapping[str, float]], name: str, base: str) -> float:
    """Median over rounds of one figure divided by another of the same round."""
    return statistics.median(row[name] / row[base] for row in rows)


def save(rows: Sequence[Mapping[str, float]], name: str) -> None:
    """Write the figures of all rounds to ``benchmarks/results/NAME.csv``."""
    target = RESULTS / f"{name}.csv"
    target.parent.mkdir(exist_ok=True)
    with target.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["round", *rows[0]])
        writer.writeheader()
        writer.writerows({"round": i} | {k: round(v, 1) for k, v in row.items()} for i, row in enumerate(rows))
    print(f"raw figures: {target.relative_to(RESULTS.parents[1])}")


def breakdown(
    parts: Mapping[str, tuple[Any, str]],
    steps: int,
    run: Callable[[], Any],
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Milliseconds of ``run`` that methods (``parts``: by label, object and name) take; absent ones are left out."""
    parts = {label: part for label, part in parts.items() if hasattr(*part)}
    spent = dict.fromkeys(parts, 0.0)
    for label, (owner, name) in parts.items():
        call = getattr(owner, name)

        def timed(*args: Any, label: str = label, call: Callable = call, **kwargs: Any) -> Any:
            start = clock()
            result = call(*args, **kwargs)
            spent[label] += clock() - start
            return result

        setattr(owner, name, timed)
    for _ in range(steps):
        run()
    for owner, name in parts.values():
        delattr(owner, name)
    return {label: 1e3 * seconds / steps for label, seconds in spent.items()}
