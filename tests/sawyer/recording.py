"""What the package metaworld 3.1.1 did on MuJoCo 3.3.0: two episodes of each task of its MT50 with seed 1, the first with
scripted actions and the second with random ones, ten control steps of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

FILE = Path(__file__).parents[1] / "data" / "official_steps.npz"
GOALS = (0, 2)  #: which of the 50 goals of a task the two episodes have
STEPS = 10
V2, V1 = 0, 1  #: columns of ``reward`` and ``success``


@dataclass(frozen=True)
class Recording:
    """One task. E = 2 episodes, T = 10 steps, all float64 but ``action`` and ``frame``.

    Attributes:
        vector: (E, 3 or 6) reset vectors; goal: (E, 3); first_frame: (E, 18) first observed frame.
        start: by the name that a reset gives it, (E,) or (E, 3), what the package remembers of the start.
        qpos0, qvel0, mocap0: (E, T, nq), (E, T, nv), (E, T, 3) before the steps; qpos1, qvel1 after them.
        action: (E, T, 4); frame: (E, T, 18) observed after the steps.
        reward, success: (E, T, 2) of the steps, under V2 and V1.
    """

    vector: np.ndarray
    goal: np.ndarray
    first_frame: np.ndarray
    start: dict[str, np.ndarray]
    qpos0: np.ndarray
    qvel0: np.ndarray
    mocap0: np.ndarray
    qpos1: np.ndarray
    qvel1: np.ndarray
    action: np.ndarray
    frame: np.ndarray
    reward: np.ndarray
    success: np.ndarray


@cache
def _arrays() -> dict[str, np.ndarray]:
    with np.load(FILE) as file:
        return dict(file)


def recording(task: str) -> Recording:
    """The recording of a task, without the padding of those with fewer numbers."""
    arrays = _arrays()
    row = arrays["tasks"].tolist().index(task)

    def get(name: str) -> np.ndarray:
        values = arrays[name][row]
        return values if values.dtype == bool else values[..., ~np.isnan(values).all(tuple(range(values.ndim - 1)))]

    start = {name.removeprefix("start/"): arrays[name][row] for name in arrays if name.startswith("start/")}
    start = {name: values for name, values in start.items() if not np.isnan(values).any()}
    names = [name for name in Recording.__dataclass_fields__ if name != "start"]
    return Recording(start=start, **{name: get(name) for name in names})


@dataclass(frozen=True)
class Episode:
    """The first 100 steps of an episode with random actions, at the second of the two goals.

    Attributes:
        action: (100, 4); frame: (3, 18) observed after the steps ``after``.
    """

    action: np.ndarray
    frame: np.ndarray
    after = (1, 10, 100)


def episode(task: str) -> Episode:
    """The recorded episode of a task."""
    arrays = _arrays()
    row = arrays["tasks"].tolist().index(task)
    return Episode(arrays["open_action"][row], arrays["open_frame"][row])
