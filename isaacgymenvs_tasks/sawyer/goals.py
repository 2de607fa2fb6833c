"""The goals of an official benchmark, and how episodes begin at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
import torch

from isaacgymenvs_tasks.sawyer.reading import Reader
from isaacgymenvs_tasks.sawyer.scene import Scene
from isaacgymenvs_tasks.sawyer.task import SawyerTask

GOALS = 50  #: of each task


def goal_vectors(specs: Sequence[SawyerTask], seed: int) -> list[np.ndarray]:
    """The reset vectors (50, 3 or 6) of each task, as the package's benchmark of these tasks in this order draws them.

    It draws from numpy's old global generator while it builds its tasks, and each of its resets places the scene twice:
    of two accepted draws the second one counts.
    """
    random = np.random.RandomState(seed)
    return [np.array([(_draw(spec, random), _draw(spec, random))[1] for _ in range(GOALS)]) for spec in specs]


def _draw(spec: SawyerTask, random: np.random.RandomState) -> np.ndarray:
    low, high = np.array(spec.low), np.array(spec.high)
    while True:
        vector = random.uniform(low, high, size=low.size)
        if not spec.min_distance:
            return vector
        other = vector[3:5] if spec.keep_off is None else np.array(spec.keep_off)
        if np.linalg.norm(vector[:2] - other) >= spec.min_distance:
            return vector


@dataclass(frozen=True)
class Starts:
    """How episodes of one task begin at ``n`` goals. An official start depends on the task and the goal alone.

    Attributes:
        qpos, qvel: (n, nq) and (n, nv) float64, like everything here.
        frame: (n, 18) the first observed frame.
        goal, obj, tcp: (n, 3) what rewards call goal, ``obj_init`` and ``tcp_init``.
        extra: by name (n,) or (n, 3), what else rewards need.
        body: which body of the model stands elsewhere, 0 for none, and ``place``: (n, 3) where.
    """

    qpos: np.ndarray
    qvel: np.ndarray
    frame: np.ndarray
    goal: np.ndarray
    obj: np.ndarray
    tcp: np.ndarray
    extra: dict[str, np.ndarray]
    body: int
    place: np.ndarray


_begun: dict[tuple[str, int, bytes], Starts] = {}


def starts_of(spec: SawyerTask, model: mujoco.MjModel, vectors: np.ndarray, threads: int = 0) -> Starts:
    """:func:`begin`, done once in a process: the environments of an evaluation have the goals of training."""
    key = spec.name, id(model), vectors.tobytes()
    if key not in _begun:
        _begun[key] = begin(spec, model, vectors, threads)
    return _begun[key]


def begin(spec: SawyerTask, model: mujoco.MjModel, vectors: np.ndarray, threads: int = 0) -> Starts:
    """Begin an episode at every reset vector (n, 3 or 6); 0 threads: all cores. Takes 250 physics steps each."""
    scene = Scene(model, len(vectors), spec.hand, threads)
    start = spec.reset(scene, vectors)
    goal, obj = start.pop("goal"), start.pop("obj")
    n = len(vectors)
    read = Reader([spec], [model], [n], dtype=torch.float64)
    xpos, xquat = (torch.tensor(scene.batch.bind(name).reshape(n * model.nbody, -1)) for name in ("xpos", "xquat"))
    frame = read(xpos, xquat, torch.zeros(n * model.nq + 1)).frame.numpy()
    body = 0 if scene.moved is None else model.body(scene.moved).id
    place = scene.body_pos[:, body].copy()
    return Starts(scene.qpos.copy(), scene.qvel.copy(), frame, goal, obj, scene.tcp, start, body, place)
