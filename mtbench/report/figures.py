"""The figures of a report. Each takes what :mod:`mtbench.report.report` has computed and returns a matplotlib figure;
schemes keep their colour in all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

Array = np.ndarray
Colours = Mapping[str, tuple[float, ...]]
WIDTH = 9.0  # inches, 990 pixels
plt.rcParams["text.parse_math"] = False  # a dollar in the name of a run is a dollar


def short(name: str, longest: int = 48) -> str:
    """A name that fits into a figure; tables have the whole one."""
    half = longest // 2 - 1
    return name if len(name) <= longest else f"{name[:half]} ... {name[-half:]}"


def colours(schemes: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """A colour for each scheme."""
    table = plt.get_cmap("tab10" if len(schemes) <= 10 else "tab20")
    return {name: table(i % table.N) for i, name in enumerate(schemes)}


def curves(
    by_frames: Mapping[str, tuple[Array, ...]], by_time: Mapping[str, tuple[Array, ...]], colour: Colours
) -> Figure:
    """Mean success against frames and against wall-clock.

    Args:
        by_frames: scheme -> x, mean, low, high.
        by_time: the same over seconds.
        colour: of each scheme.
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 4.0), sharey=True, layout="constrained")
    hours = max(x[-1] for x, *_ in by_time.values()) / 3600
    unit, seconds = ("hours", 3600) if hours >= 2 else ("minutes", 60) if hours >= 2 / 60 else ("seconds", 1)
    panels = ((by_frames, 1e6, "million environment steps"), (by_time, seconds, f"wall-clock ({unit})"))
    for axis, (data, scale, label) in zip(axes, panels, strict=True):
        for scheme, (x, mean, low, high) in data.items():
            mark = "o" if len(x) == 1 else ""
            axis.plot(x / scale, 100 * mean, color=colour[scheme], label=short(scheme), linewidth=2, marker=mark)
            axis.fill_between(x / scale, 100 * low, 100 * high, color=colour[scheme], alpha=0.2, linewidth=0)
        axis.set(xlabel=label, ylim=(0, 100))
        axis.set_xlim(left=0)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("success, mean over tasks (%)")
    axes[0].legend(loc="upper left", fontsize=9)
    return figure


def intervals(values: Mapping[str, Mapping[str, tuple[float, float, float]]], colour: Colours) -> Figure:
    """Aggregates as points with intervals, a panel each.

    Args:
        values: aggregate -> scheme -> value, low, high.
        colour: of each scheme.
    """
    schemes = list(next(iter(values.values())))
    figure, axes = plt.subplots(
        1, len(values), figsize=(WIDTH, 0.8 + 0.35 * len(schemes)), sharey=True, layout="constrained", squeeze=False
    )
    for axis, (name, data) in zip(axes[0], values.items(), strict=True):
        for row, (scheme, (value, low, high)) in enumerate(data.items()):
            _interval(axis, row, 100 * value, 100 * low, 100 * high, colour[scheme])
        axis.set(title=f"{name} (%)", ylim=(len(schemes) - 0.5, -0.5))
        axis.set_yticks(range(len(schemes)), [short(name) for name in schemes])
        axis.grid(alpha=0.3, axis="x")
    return figure


def _interval(axis: Axes, row: int, value: float, low: float, high: float, colour: object) -> None:
    """A mark at ``value`` and a bar from ``low`` to ``high``, which are NaN where there is no interval."""
    if np.isfinite(low):
        axis.plot([low, high], [row, row], color=colour, linewidth=8, alpha=0.35, solid_capstyle="butt")
    axis.plot(value, row, "|", color=colour, markersize=14, markeredgewidth=2.5)


def worst(values: Mapping[str, Array], colour: Colours) -> Figure:
    """Mean success of the k worst tasks for every k.

    Args:
        values: scheme -> (runs, K), a run's mean over its k worst tasks at [k - 1].
        colour: of each scheme.
    """
    figure, axis = plt.subplots(figsize=(0.7 * WIDTH, 3.6), layout="constrained")
    for scheme, each in values.items():
        k = np.arange(1, each.shape[1] + 1)
        axis.plot(k, 100 * each.mean(0), ".-", color=colour[scheme], linewidth=2, label=short(scheme))
        if len(each) > 1:
            axis.fill_between(k, 100 * each.min(0), 100 * each.max(0), color=colour[scheme], alpha=0.15, linewidth=0)
    axis.set(xlabel="k", ylabel="mean over the k worst tasks (%)", ylim=(-2, 102), xlim=(0.9, k[-1] + 0.1))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid(alpha=0.3)
    axis.legend(fontsize=9)
    return figure


def heat_map(scores: Mapping[str, Array], tasks: Sequence[str]) -> Figure:
    """Success of each task and scheme, mean over runs; tasks sorted by their mean.

    Args:
        scores: scheme -> (K).
        tasks: K names.
    """
    values = 100 * np.stack(list(scores.values()), axis=1)
    order = np.argsort(values.mean(1), kind="stable")
    values = values[order]
    width = min(WIDTH, 3.0 + 1.1 * len(scores))
    longest = max(len(scheme) for scheme in scores)
    upright = longest > 12 and len(scores) > 2
    figure, axis = plt.subplots(
        figsize=(width, 0.8 + 0.24 * len(tasks) + (0.07 * longest if upright else 0)), layout="constrained"
    )
    image = axis.imshow(values, vmin=0, vmax=100, cmap="viridis", aspect="auto")
    axis.set_xticks(range(len(scores)), [short(name) for name in scores], rotation=90 if upright else 0, fontsize=9)
    axis.set_yticks(range(len(tasks)), [short(tasks[i]) for i in order], fontsize=8)
    axis.xaxis.tick_top()
    for (row, column), value in np.ndenumerate(values):
        shade = "black" if value > 60 else "white"
        axis.text(column, row, f"{value:.0f}", ha="center", va="center", color=shade, fontsize=8)
    figure.colorbar(image, label="success (%)", shrink=0.6, pad=0.02)
    return figure


def profiles(data: Mapping[str, tuple[Array, Array, Array]], thresholds: Array, colour: Colours) -> Figure:
    """Performance profiles.

    Args:
        data: scheme -> fraction of runs and tasks above each threshold, low, high.
        thresholds: fractions.
        colour: of each scheme.
    """
    figure, axis = plt.subplots(figsize=(0.7 * WIDTH, 3.6), layout="constrained")
    for scheme, (value, low, high) in data.items():
        axis.step(100 * thresholds, 100 * value, where="post", color=colour[scheme], linewidth=2, label=short(scheme))
        axis.fill_between(
            100 * thresholds, 100 * low, 100 * high, step="post", color=colour[scheme], alpha=0.2, linewidth=0
        )
    axis.set(xlabel="success above (%)", ylabel="runs and tasks (%)", xlim=(0, 100), ylim=(0, 100))
    axis.grid(alpha=0.3)
    axis.legend(fontsize=9)
    return figure


def improvement(pairs: Mapping[tuple[str, str], tuple[float, float, float]]) -> Figure:
    """P(X beats Y) for pairs of schemes: value, low, high."""
    figure, axis = plt.subplots(figsize=(0.8 * WIDTH, 0.9 + 0.32 * len(pairs)), layout="constrained")
    for row, (value, low, high) in enumerate(pairs.values()):
        _interval(axis, row, value, low, high, "C0")
    axis.axvline(0.5, color="black", linewidth=1, linestyle="--")
    axis.set(xlim=(0, 1), ylim=(len(pairs) - 0.5, -0.5), xlabel="P(X beats Y)")
    axis.set_yticks(range(len(pairs)), [f"{short(x)}  over  {short(y)}" for x, y in pairs], fontsize=9)
    axis.grid(alpha=0.3, axis="x")
    return figure
