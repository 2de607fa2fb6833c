"""What is in a dataset, on one picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from mtbench.data.trajectories import Trajectories

MOMENTS = 5  #: pictures of an episode
SHOWN = 5  #: tasks of which an episode is drawn


def overview(data: Trajectories, path: Path, make_env: Callable[[int], Any] | None = None) -> None:
    """Draw success by competence, returns by task, and a strip of pictures of an episode of some tasks.

    Args:
        data: the dataset.
        path: of the picture.
        make_env: seed -> the environments of a round, to simulate its last one again; None: no strips.
    """
    strips = replay(data, make_env) if make_env is not None else []
    height = 0.35 * max(len(data.tasks), 8)
    figure = plt.figure(figsize=(11.0, height + 1.1 * len(strips) + 0.6), layout="constrained")
    rows = figure.add_gridspec(1 + len(strips), 1, height_ratios=[height, *[1.1] * len(strips)])
    top = rows[0].subgridspec(1, 2)
    left, right = figure.add_subplot(top[0, 0]), figure.add_subplot(top[0, 1])
    _success(left, data)
    _returns(right, data)
    for row, (name, pictures) in enumerate(strips, 1):
        axes = figure.add_subplot(rows[row])
        axes.imshow(np.concatenate(pictures, 1))
        axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
        axes.set_xticks([])
        axes.set_yticks([])
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _success(axes: Any, data: Trajectories) -> None:
    """Success of ten equal groups of trajectories, in the order of their competence, of each task and on average."""
    groups = min(10, *(len(data.of_task(name)) for name in data.tasks))
    curves = []
    for name in data.tasks:
        rows = data.of_task(name)
        parts = [part for part in np.array_split(rows, groups) if len(part)]
        curves.append(([p["competence"].mean() for p in parts], [100 * p["success"].mean() for p in parts]))
        axes.plot(*curves[-1], color="0.75", lw=0.8)
    axes.plot(*np.mean(curves, 0), color="C0", lw=2.0, marker="o", ms=3, label="mean over tasks")
    axes.set(xlabel="competence", ylabel="success (%)", ylim=(-3, 103), xlim=(0, 1.03))
    axes.legend(frameon=False)


def _returns(axes: Any, data: Trajectories) -> None:
    spread = [data.of_task(name)["return"] for name in data.tasks]
    axes.boxplot(spread, orientation="horizontal", widths=0.6, showfliers=False, whis=(5, 95), manage_ticks=False)
    axes.set_yticks(range(1, 1 + len(spread)), data.tasks, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("return (quartiles, 5 to 95 %)")


def replay(data: Trajectories, make_env: Callable[[int], Any]) -> list[tuple[str, list[Any]]]:
    """Pictures of the last episode of some tasks, simulated again from the recorded actions: (task, pictures)."""
    from isaacgymenvs_tasks import drawing

    last = [data.episodes["task"] == k for k in range(len(data.tasks))]
    chosen = [int(np.flatnonzero(rows)[-1]) for rows in last[:SHOWN]]
    seed = int(data.episodes["seed"][chosen[0]])
    env = make_env(int(data.about["seed"]))
    if seed != int(data.about["seed"]):  # of another round than the first
        env.generator.manual_seed(seed)
    env.reset()
    watched = [int(data.episodes["row"][index]) for index in chosen]
    module = drawing(env)
    length = int(data.episodes["length"][chosen[0]])
    moments = set(np.linspace(0, length - 2, MOMENTS).round().astype(int).tolist())
    strips: list[list[Any]] = [[] for _ in chosen]
    actions = env.zero_actions()
    try:
        for step in range(length - 1):
            if step in moments:
                for strip, row in zip(strips, watched, strict=True):
                    with module.Camera(env, row) as camera:
                        strip.append(np.asarray(camera.shoot()))
            for index, row in zip(chosen, watched, strict=True):
                actions[row] = torch.from_numpy(data.actions[data.steps(index)][step].copy())
            env.step(actions)
    except RuntimeError:  # nothing to draw with
        return []
    return [(data.tasks[k], strip) for k, strip in enumerate(strips)]
