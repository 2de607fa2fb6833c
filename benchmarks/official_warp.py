"""The official models on MuJoCo Warp beside MuJoCo: the same random actions from the same start, in single precision.

    python benchmarks/official_warp.py [steps=20] [worlds=2] [device=cpu] [files=36]

Each of the 36 models begins at the first goal of a task that uses it, in ``worlds`` worlds with actions of their own, and
takes so many control steps, with the collision settings of the package's MuJoCo and with MuJoCo's present ones
(``task.sim.compatible``). Writes benchmarks/results/official_warp.csv: the largest difference of a coordinate (m, rad or
part of a quaternion) over the steps and after the last one, and the largest between MuJoCo and itself from a start moved by
1e-7, which is what single precision alone would do. The kernels of a model's structure are compiled when it is first met, up
to half a minute each; results are written as they come.
"""

from __future__ import annotations

import copy
import csv
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import warp as wp

from isaacgymenvs_tasks.options import read_options, whole
from isaacgymenvs_tasks.sawyer import wheel
from isaacgymenvs_tasks.sawyer.env import STEP
from isaacgymenvs_tasks.sawyer.goals import Starts, goal_vectors, starts_of
from isaacgymenvs_tasks.sawyer.physics import Physics
from isaacgymenvs_tasks.sawyer.task import SawyerTask
from isaacgymenvs_tasks.sawyer.tasks import TASKS
from isaacgymenvs_tasks.vec_task import Rows

ROOT = Path(__file__).resolve().parents[1]
NUDGE = 1e-7  #: m or rad, about the spacing of single precision at 1


def commands(spec: SawyerTask, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the mocap body is (steps, worlds, 3) and what the fingers are asked (steps, worlds, 2) under actions
    (steps, worlds, 4)."""
    mocap = np.empty_like(actions[..., :3])
    at = np.broadcast_to(spec.hand, mocap.shape[1:])
    for step, action in enumerate(actions):
        at = mocap[step] = np.clip(at + STEP * action[:, :3], spec.mocap_low, spec.mocap_high)
    return mocap, np.stack((actions[..., 3], -actions[..., 3]), -1)


def roll(physics: Physics, hand: np.ndarray, start: Starts, mocap: np.ndarray, ctrl: np.ndarray) -> np.ndarray:
    """Coordinates (steps, worlds, nq) from one start, whose hand is at (3,)."""
    worlds, of = ctrl.shape[1], {"dtype": physics.dtype, "device": physics.qpos.device}
    states = (torch.tensor(x, **of).expand(worlds, -1) for x in (start.qpos[0], start.qvel[0], hand))
    body = torch.zeros(worlds, dtype=torch.long, device=of["device"])
    place = torch.zeros(worlds, 3, **of)  # the model already has it where it is to stand
    physics.begin(Rows(torch.arange(worlds, device=of["device"])), *states, body, place)
    path = []
    for at, asked in zip(mocap, ctrl, strict=True):
        physics.mocap.copy_(torch.from_numpy(at))
        physics.ctrl.copy_(torch.from_numpy(asked))
        physics.step()
        path.append(physics.qpos[:-1].view(worlds, -1).double().cpu().numpy().copy())
    physics.close()
    return np.stack(path)


def main(arguments: list[str]) -> None:
    options = read_options(arguments, {"steps": "20", "worlds": "2", "device": "cpu", "files": "36"})
    steps, worlds = whole(options, "steps", 1), whole(options, "worlds", 1)
    users: dict[str, SawyerTask] = {}
    for spec in TASKS.values():
        users.setdefault(spec.file, spec)
    # Models of one structure one after the other: the first of each compiles.
    order = sorted(users.values(), key=lambda spec: (wheel.load(spec.file).nv, spec.file))[: whole(options, "files", 1)]
    path = ROOT / "benchmarks" / "results" / "official_warp.csv"
    wp.config.quiet = True
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        header = ["file", "task", "dofs", "compatible", "worst", "last_step", "mujoco_nudged"]
        writer.writerow([*header, "seconds"])
        for k, spec in enumerate(order):
            for compatible in (True, False):
                begin = time.perf_counter()
                row = compare(spec, compatible, steps, worlds, options["device"], np.random.default_rng(k))
                writer.writerow([spec.file, spec.name, *row, f"{time.perf_counter() - begin:.0f}"])
                file.flush()
                print(spec.name, *row, flush=True)
    print(f"written to {path.relative_to(ROOT)}")


def compare(
    spec: SawyerTask, compatible: bool, steps: int, worlds: int, device: str, random: np.random.Generator
) -> list[str]:
    """A row of the table after its names, without the seconds."""
    model = wheel.load(spec.file, compatible)
    start = starts_of(spec, model, goal_vectors([spec], 0)[0][:1], 1)
    model = copy.copy(model)
    model.body_pos[start.body] = start.place[0]
    driven = commands(spec, random.uniform(-1.0, 1.0, (steps, worlds, 4)))
    nudged = replace(start, qpos=start.qpos + NUDGE * random.standard_normal(start.qpos.shape))
    told, alone = (roll(Physics([model], [worlds], 1), np.array(spec.hand), s, *driven) for s in (start, nudged))
    shown = roll(Physics([model], [worlds], device=device, warp={}), np.array(spec.hand), start, *driven)
    apart = np.abs(shown - told).max((1, 2))
    figures = (f"{value:.1e}" for value in (apart.max(), apart[-1], np.abs(alone - told).max()))
    return [str(model.nv), "yes" if compatible else "no", *figures]


if __name__ == "__main__":
    main(sys.argv[1:])
