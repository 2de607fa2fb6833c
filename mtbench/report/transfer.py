"""What prior experience buys a new task: measures, a table and a figure of runs that start from different priors.

Measures of a learning curve of success against frames (Taylor and Stone, 2009, section 2.1):

- zero-shot: success before the first update; jump-start: that minus the zero-shot of learning from scratch.
- area: mean success over the frames, the area under the curve (trapezoids) divided by its width.
- final: success in the last evaluation.
- frames to reach: the first frame, between evaluations linearly, at which a curve has come to :data:`SHARE` of the mean final
  success of learning from scratch.

Means are over seeds, with percentile bootstrap intervals of 95 %.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from mtbench.learning.errors import UserError
from mtbench.report import figures, statistics
from mtbench.report.page import Page
from mtbench.report.runs import Run, read_runs

Array = np.ndarray
SCRATCH, FILE, SHARE = "scratch", "transfer.json", 0.8


@dataclass(frozen=True)
class Measures:
    """Of the runs that start from one prior, (seeds,) each; ``frames_to`` is NaN for a run that did not get there."""

    zero_shot: Array
    area: Array
    final: Array
    frames_to: Array


def measure(curves: Sequence[tuple[Array, Array]], threshold: float) -> Measures:
    """Measure curves (frames, success), (T) each and from frame 0 on, against a success that is to be reached."""
    return Measures(
        zero_shot=np.array([success[0] for _, success in curves]),
        area=np.array([np.trapezoid(success, frames) / (frames[-1] - frames[0]) for frames, success in curves]),
        final=np.array([success[-1] for _, success in curves]),
        frames_to=np.array([reach(frames, success, threshold) for frames, success in curves]),
    )


def reach(frames: Array, success: Array, threshold: float) -> float:
    """The first frame at which the curve is at the threshold, between evaluations linearly; NaN: never."""
    there = np.nonzero(success >= threshold)[0]
    if not len(there):
        return float("nan")
    i = int(there[0])
    if i == 0:
        return float(frames[0])
    part = (threshold - success[i - 1]) / (success[i] - success[i - 1])
    return float(frames[i - 1] + part * (frames[i] - frames[i - 1]))


def difference(x: Array, y: Array, repetitions: int = statistics.REPETITIONS) -> tuple[float, float, float]:
    """Mean of x minus mean of y (seeds,), and its interval from resampling both; NaN with one seed of either."""
    value = float(x.mean() - y.mean())
    if min(len(x), len(y)) < 2:
        return value, float("nan"), float("nan")
    rng = np.random.default_rng(0)
    drawn = [v[rng.integers(len(v), size=(repetitions, len(v)))].mean(1) for v in (x, y)]
    tail = (1 - statistics.CONFIDENCE) / 2
    low, high = np.quantile(drawn[0] - drawn[1], (tail, 1 - tail))
    return value, float(low), float(high)


def is_transfer(folder: Path) -> bool:
    """Whether a folder holds the runs of one target."""
    return (folder / FILE).is_file()


def _read_plan(path: Path) -> dict[str, Any]:
    try:
        plan: dict[str, Any] = json.loads(path.read_text())
        notes = [prior.get("note", "") for prior in plan["priors"].values()]
        if not all(isinstance(text, str) for text in (plan["target"], *notes)):
            raise TypeError
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged; the same mtbench transfer writes it anew") from error
    return plan


def write_section(page: Page, folder: Path) -> list[str]:
    """Add the target of a folder of runs to a page: a table, a figure and a CSV file; return what is missing.

    Raises:
        UserError: there are no runs to measure, or it is not known of what.
    """
    plan = _read_plan(folder / FILE)
    runs, problems = read_runs([folder])
    by_prior: dict[str, list[Run]] = {}
    for prior in plan["priors"]:
        by_prior[prior] = [run for run in runs if run.path.name.rpartition("_s")[0] == prior and run.frames[0] == 0]
    by_prior = {prior: found for prior, found in by_prior.items() if found}
    if not by_prior:
        raise UserError(f"{folder} has no run with an evaluation at frame 0; mtbench transfer makes them")
    end = min(run.frames[-1] for found in by_prior.values() for run in found)
    curves = {prior: [_until(run, end) for run in found] for prior, found in by_prior.items()}
    title = f"What prior experience buys {plan['target']}"
    page.heading(title)
    sizes = ", ".join(f"{prior} {len(found)}" for prior, found in by_prior.items())
    page.text(
        f"Fine-tuning for {end:,.0f} frames with the same settings; runs: {sizes}. Means over seeds with 95 % bootstrap "
        "intervals over seeds; area is the mean success over the frames. The zero-shot success of a given network is the "
        f"same for all seeds, so it has no interval. Frames to reach {SHARE:.0%} of scratch's final success: the median of "
        "the runs that came there."
    )
    rows = table(curves)
    name = "transfer_" + "".join(c if c.isalnum() else "_" for c in plan["target"].lower())
    page.table(name, HEADER, rows)
    page.figure(
        f"{name}_curves", figure(curves), f"Success on {plan['target']} against frames, by what learning starts from"
    )
    notes = [plan["priors"][prior]["note"] for prior in by_prior if plan["priors"][prior].get("note")]
    if notes:
        page.bullets(notes)
    return problems


HEADER = ["from", "seeds", "zero-shot %", "jump-start", "area %", "area over scratch", "final %", "frames to reach"]


def table(curves: Mapping[str, Sequence[tuple[Array, Array]]]) -> list[list[str]]:
    """A row for each prior, in percent; what is relative to scratch is empty without it."""
    scratch = curves.get(SCRATCH)
    threshold = SHARE * float(np.mean([success[-1] for _, success in scratch])) if scratch else float("nan")
    base = measure(scratch, threshold) if scratch else None
    rows = []
    for prior, own in curves.items():
        m = measure(own, threshold)
        other = base is not None and prior != SCRATCH
        rows.append(
            [
                prior,
                str(len(own)),
                f"{100 * m.zero_shot.mean():.1f}",
                f"{100 * (m.zero_shot.mean() - base.zero_shot.mean()):+.1f}" if other and base else "",
                _with_interval(m.area),
                _signed(*difference(m.area, base.area)) if other and base else "",
                _with_interval(m.final),
                _frames(m.frames_to, threshold),
            ]
        )
    return rows


def figure(curves: Mapping[str, Sequence[tuple[Array, Array]]]) -> Figure:
    """Mean success against frames with intervals over seeds, a line for each prior."""
    colour = figures.colours(list(curves))
    drawing, axis = plt.subplots(figsize=(0.7 * figures.WIDTH, 4.0), layout="constrained")
    for prior, own in curves.items():
        frames = own[0][0]
        success = np.stack([np.interp(frames, x, y) for x, y in own], axis=1)[:, :, None]  # (T, seeds, 1)
        low, high = statistics.mean_curve_interval(success)
        axis.plot(frames / 1e3, 100 * success.mean((1, 2)), color=colour[prior], label=prior, linewidth=2)
        axis.fill_between(frames / 1e3, 100 * low, 100 * high, color=colour[prior], alpha=0.2, linewidth=0)
    axis.set(xlabel="thousand frames on the new task", ylabel="success (%)", ylim=(-2, 102))
    axis.set_xlim(left=0)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=9)
    return drawing


def _until(run: Run, end: float) -> tuple[Array, Array]:
    """A run's curve up to a frame, which all runs have."""
    success = run.success.mean(1)
    inside = run.frames < end
    return np.append(run.frames[inside], end), np.append(success[inside], np.interp(end, run.frames, success))


def _with_interval(values: Array) -> str:
    low, high = statistics.interval(values[:, None], statistics.mean)
    return f"{100 * values.mean():.1f}" + ("" if np.isnan(low) else f" ({100 * low:.1f} to {100 * high:.1f})")


def _signed(value: float, low: float, high: float) -> str:
    return f"{100 * value:+.1f}" + ("" if np.isnan(low) else f" ({100 * low:+.1f} to {100 * high:+.1f})")


def _frames(frames_to: Array, threshold: float) -> str:
    if not threshold > 0:  # scratch did not learn, or there is none
        return ""
    there = frames_to[~np.isnan(frames_to)]
    return f"{np.median(there):,.0f} ({len(there)} of {len(frames_to)})" if len(there) else f"none of {len(frames_to)}"


def plan_of(target: str, priors: Mapping[str, Mapping[str, Any]]) -> str:
    """The content of :data:`FILE`: the target and what the runs start from, in the order of the table."""
    return json.dumps({"target": target, "priors": dict(priors)}, indent=1) + "\n"
