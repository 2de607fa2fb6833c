"""Pictures of task gradients, several runs side by side (after Figures 2 and 3 of the TOPPO paper).

``records`` maps a run's label to its :class:`~mtbench.learning.gradient_record.GradientRecord`; all have the same tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from mtbench.learning.balancing import diagnostics

if TYPE_CHECKING:
    from mtbench.learning.gradient_record import GradientRecord

Records = Mapping[str, "GradientRecord"]
_SMALL = 8  # font size of what is not a title


def gram(records: Records, side: str) -> Figure:
    """The first snapshot of each run: above, ``G_ii`` of each task on a log scale; below, the cosines and their effective
    rank."""
    tasks = _tasks(records)
    size = _width(tasks)
    figure = Figure(figsize=(1.9 + (size + 0.2) * len(records), 1.6 * size + 2.6), layout="constrained")
    axes = figure.subplots(2, len(records), squeeze=False, height_ratios=(0.55, 1.0))
    _share_y(axes[0])
    places = np.arange(len(tasks))
    image: Any = None
    for (upper, lower), (label, record) in zip(axes.T, records.items(), strict=True):
        matrix = record.gram(side)[0]
        diagonal = matrix.diagonal().numpy()
        upper.plot(places, np.where(diagonal > 0, diagonal, np.nan), "o", markersize=4)
        upper.set(yscale="log", xlim=(-0.5, len(tasks) - 0.5), xticks=places, xticklabels=[])
        upper.grid(alpha=0.3)
        upper.set_title(f"{label}\nnorm spread {float(diagnostics.norm_spread(matrix)):,.3g}", fontsize=10)
        image = lower.imshow(diagnostics.cosines(matrix).numpy(), cmap="RdBu_r", vmin=-1, vmax=1)
        rank = float(diagnostics.effective_rank(diagnostics.cosines(matrix)))
        cosine = float(diagnostics.mean_cosine(matrix, absolute=True))
        lower.set_title(f"mean |cos| {cosine:.2f}, rank {rank:.1f}", fontsize=10)
        _name_tasks(lower, tasks)
        first = lower is axes[1, 0]
        lower.set_yticks(places, tasks if first else [], fontsize=_font(tasks))
    axes[0, 0].set_ylabel(f"{side} $G_{{ii}}$", fontsize=10)
    figure.colorbar(image, ax=list(axes[1]), label="cosine", shrink=0.8)
    return figure


def weights(records: Records) -> Figure:
    """The first snapshot of each run: each task's weight, and its share of the combined direction."""
    tasks = _tasks(records)
    size = max(2.6, _width(tasks))
    figure = Figure(figsize=(1.0 + size * len(records), 5.6), layout="constrained")
    axes = figure.subplots(2, len(records), squeeze=False)
    for row, side in zip(axes, ("critic", "actor"), strict=True):
        _share_y(row)
        for axis, (label, record) in zip(row, records.items(), strict=True):
            weight, share = record[f"{side}_weights"][0], record[f"{side}_shares"][0]
            places = np.arange(len(tasks))
            axis.bar(places, 100 * weight / weight.sum(), color="C7", alpha=0.6, label="weight")
            axis.plot(places, 100 * share, "o", color="C3", markersize=4, label="share of the direction")
            axis.axhline(100 / len(tasks), color="k", linewidth=0.7, linestyle=":")
            axis.set_title(f"{label}, {side}", fontsize=10)
            axis.grid(alpha=0.3, axis="y")
            _name_tasks(axis, tasks if side == "actor" else [""] * len(tasks))
        row[0].set_ylabel("% of the total", fontsize=10)
    axes[0, 0].legend(fontsize=_SMALL)
    return figure


def norms(records: Records) -> Figure:
    """Over training: the norm of every task's gradient, without loss coefficients, and of PPO the Jacobian of the value; a
    line a task, or with more than ten tasks a row."""
    tasks = _tasks(records)
    lines = len(tasks) <= 10
    seen = {
        side: ([diagnostics.norms(record.gram(side)).numpy() for record in records.values()], r"$\Vert g_i \Vert$")
        for side in ("critic", "actor")
    }
    jacobians = [record["critic_jacobian"] for record in records.values()]
    if np.isfinite(np.concatenate(jacobians)).any():
        seen["value"] = jacobians, r"$\Vert \partial z / \partial \theta \Vert$"
    height = (2.6 if lines else 0.11 * len(tasks) + 0.5) * len(seen)
    figure = Figure(figsize=(2.6 + 2.6 * len(records), height), layout="constrained")
    axes = figure.subplots(len(seen), len(records), squeeze=False)
    for row, (side, (sizes, symbol)) in zip(axes, seen.items(), strict=True):
        sizes = [np.where(size > 0, size, np.nan) for size in sizes]
        every = np.concatenate(sizes)
        colours = LogNorm(np.nanmin(every), np.nanmax(every))
        _share_y(row)
        for axis, (label, record), size in zip(row, records.items(), sizes, strict=True):
            frames = record["frames"] / 1e6
            if lines:
                axis.plot(frames, size, label=tasks)
                _log_scale(axis)
                axis.grid(alpha=0.3)
            else:
                image = axis.pcolormesh(frames, np.arange(len(tasks)), size.T, norm=colours, shading="nearest")
                axis.set_yticks(np.arange(len(tasks)), tasks, fontsize=_font(tasks))
                axis.set_ylim(len(tasks) - 0.5, -0.5)
            axis.set_title(f"{label}, {side}", fontsize=10)
            axis.xaxis.set_major_locator(MaxNLocator(4))
        if lines:
            row[0].set_ylabel(symbol, fontsize=10)
        else:
            figure.colorbar(image, ax=list(row), label=symbol)
    figure.supxlabel("million environment steps", fontsize=10)
    if lines:
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right center", fontsize=_SMALL)
    return figure


def training(records: Records) -> Figure:
    """Over training, one line a run, full for the critic and dashed for the actor: the paper's spread of norms, mean
    absolute cosine and norm of the critic's combined direction over the actor's; conditioning of the cosines, their
    effective rank, and the spread of the value's Jacobians."""
    figure = Figure(figsize=(12, 7.6), layout="constrained")
    axes = figure.subplots(2, 3)
    panels = {
        "spread": "largest over smallest gradient norm",
        "abs_cosine": "mean |cosine| between tasks",
        "norm_ratio": r"combined norms, $\Vert d^c \Vert / \Vert d^a \Vert$",
        "condition_cosine": "condition number of the cosines",
        "rank_cosine": "effective rank of the cosines",
        "critic_jacobian_spread": r"largest over smallest $\Vert \partial z / \partial \theta \Vert$",
    }
    for k, (label, record) in enumerate(records.items()):
        frames, figures = record["frames"] / 1e6, record.figures()
        for axis, name in zip(axes.flat, panels, strict=True):
            if name in figures:
                axis.plot(frames, figures[name], color=f"C{k}", label=label)
                continue
            for side, style in (("critic", "-"), ("actor", "--")):
                axis.plot(frames, figures[f"{side}_{name}"], style, color=f"C{k}")
    for axis, (name, title) in zip(axes.flat, panels.items(), strict=True):
        axis.set_title(title, fontsize=11)
        axis.grid(alpha=0.3)
        axis.xaxis.set_major_locator(MaxNLocator(5))
        if name in ("abs_cosine", "rank_cosine"):
            axis.set_ylim(0, None)
        elif np.isfinite(axis.dataLim.get_points()).all():  # not where nothing was recorded
            _log_scale(axis)
    for axis in axes[1]:
        axis.set_xlabel("million environment steps")
    for style, side in (("-", "critic"), ("--", "actor")):
        axes[0, 0].plot([], [], style, color="k", label=side)
    axes[0, 0].legend(fontsize=_SMALL)
    figure.legend(*axes[0, 2].get_legend_handles_labels(), loc="outside lower center", ncols=len(records), fontsize=9)
    return figure


def _tasks(records: Records) -> list[str]:
    return next(iter(records.values())).tasks


def _width(tasks: list[str]) -> float:
    """Inches that the tasks need side by side."""
    return max(2.3, 0.13 * len(tasks))


def _font(tasks: list[str]) -> float:
    return _SMALL if len(tasks) <= 20 else 6


def _name_tasks(axis: Axes, tasks: list[str]) -> None:
    axis.set_xticks(np.arange(len(tasks)), tasks, rotation=90, fontsize=_font(tasks))


def _log_scale(axis: Axes) -> None:
    """Decades, and 2 and 5 between them while there are few, as plain numbers."""
    axis.set_yscale("log")
    low, high = axis.get_ylim()
    subs = (1.0, 2.0, 5.0) if np.log10(high / low) < 2.5 else (1.0,)
    axis.yaxis.set_major_locator(LogLocator(subs=subs))
    axis.yaxis.set_major_formatter(lambda value, place: f"{value:g}")
    axis.minorticks_off()


def _share_y(row: np.ndarray) -> None:
    for axis in row[1:]:
        axis.sharey(row[0])
        axis.tick_params(labelleft=False)
