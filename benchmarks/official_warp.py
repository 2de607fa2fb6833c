"""The official models on MuJoCo Warp beside MuJoCo: the same random actions from the same start, in single precision.

    python benchmarks/official_warp.py [steps=20] [worlds=2] [device=cpu] [files=36]

Each of the 36 models begins at the first goal of a task that uses it, in ``worlds`` worlds with actions of their own, and
takes so many control steps. Writes benchmarks/results/official_warp.csv: the largest difference of a coordinate (m or rad)
after the first and after the last step, and contacts there on either side. The kernels of a model's structure are compiled
when it is first met, half a minute to minutes each; results are written as they come.
"""

from __future__ import annotations

import copy
import csv
import sys
import time
from pathlib import Path

import mujoco
import mujoco_warp as mjw
import numpy as np
import warp as wp

from isaacgymenvs_tasks.options import read_options, whole
from isaacgymenvs_tasks.sawyer import wheel
from isaacgymenvs_tasks.sawyer.env import STEP
from isaacgymenvs_tasks.sawyer.goals import Starts, goal_vectors, starts_of
from isaacgymenvs_tasks.sawyer.task import SawyerTask
from isaacgymenvs_tasks.sawyer.tasks import TASKS

ROOT = Path(__file__).resolve().parents[1]
CONTACTS, CONSTRAINTS = 128, 512  #: room for each world


def commands(spec: SawyerTask, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the mocap body is (steps, worlds, 3) and what the fingers are asked (steps, worlds, 2) under actions
    (steps, worlds, 4)."""
    mocap = np.empty_like(actions[..., :3])
    at = np.broadcast_to(spec.hand, mocap.shape[1:])
    for step, action in enumerate(actions):
        at = mocap[step] = np.clip(at + STEP * action[:, :3], spec.mocap_low, spec.mocap_high)
    return mocap, np.stack((actions[..., 3], -actions[..., 3]), -1)


def on_mujoco(model: mujoco.MjModel, start: Starts, mocap: np.ndarray, ctrl: np.ndarray) -> tuple[np.ndarray, int]:
    """Coordinates (steps, worlds, nq), and contacts of all worlds after the last step."""
    path, contacts = np.empty((*ctrl.shape[:2], model.nq)), 0
    for world in range(ctrl.shape[1]):
        data = mujoco.MjData(model)
        data.qpos[:], data.qvel[:] = start.qpos[0], start.qvel[0]
        data.mocap_quat[0] = wheel.MOCAP_QUAT
        for step in range(len(ctrl)):
            data.mocap_pos[0], data.ctrl[:] = mocap[step, world], ctrl[step, world]
            mujoco.mj_step(model, data, wheel.SUBSTEPS)
            path[step, world] = data.qpos
        contacts += data.ncon
    return path, contacts


def on_warp(model: mujoco.MjModel, start: Starts, mocap: np.ndarray, ctrl: np.ndarray) -> tuple[np.ndarray, int]:
    """The same on MuJoCo Warp."""
    worlds = ctrl.shape[1]
    m = copy.copy(model)
    m.opt.disableflags &= ~int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)  # MuJoCo Warp has no such reset
    warp_model = mjw.put_model(m)
    data = mjw.make_data(m, nworld=worlds, nconmax=CONTACTS, njmax=CONSTRAINTS)

    data.qpos.assign(np.tile(start.qpos[:1], (worlds, 1)).astype(np.float32))
    data.qvel.assign(np.tile(start.qvel[:1], (worlds, 1)).astype(np.float32))
    data.mocap_quat.assign(np.tile(wheel.MOCAP_QUAT, (worlds, 1, 1)).astype(np.float32))
    path = np.empty((*ctrl.shape[:2], model.nq))
    for step in range(len(ctrl)):
        data.mocap_pos.assign(mocap[step, :, None].astype(np.float32))
        data.ctrl.assign(ctrl[step].astype(np.float32))
        for _ in range(wheel.SUBSTEPS):
            mjw.step(warp_model, data)
        path[step] = data.qpos.numpy()
    return path, int(data.nacon.numpy()[0])


def main(arguments: list[str]) -> None:
    options = read_options(arguments, {"steps": "20", "worlds": "2", "device": "cpu", "files": "36"})
    steps, worlds = whole(options, "steps", 1), whole(options, "worlds", 1)
    users: dict[str, SawyerTask] = {}
    for spec in TASKS.values():
        users.setdefault(spec.file, spec)
    # Models of one structure one after the other: the first of each compiles.
    order = sorted(users.values(), key=lambda spec: (wheel.load(spec.file).nv, spec.file))
    path = ROOT / "benchmarks" / "results" / "official_warp.csv"
    wp.config.quiet = True
    worst = 0.0
    with path.open("w", newline="") as file, wp.ScopedDevice(options["device"]):
        writer = csv.writer(file)
        writer.writerow(
            ["file", "task", "dofs", "first_step", "last_step", "contacts_mujoco", "contacts_warp", "seconds"]
        )
        for k, spec in enumerate(order[: whole(options, "files", 1)]):
            begin = time.perf_counter()
            model = wheel.load(spec.file)
            start = starts_of(spec, model, goal_vectors([spec], 0)[0][:1], 1)
            model = copy.copy(model)
            model.body_pos[start.body] = start.place[0]
            random = np.random.default_rng(k)
            mocap, ctrl = commands(spec, random.uniform(-1.0, 1.0, (steps, worlds, 4)))
            told, contacts = on_mujoco(model, start, mocap, ctrl)
            shown, found = on_warp(model, start, mocap, ctrl)
            apart = np.abs(shown - told).max((1, 2))
            worst = max(worst, float(apart[-1]))
            seconds = time.perf_counter() - begin
            row = [
                spec.file,
                spec.name,
                model.nv,
                f"{apart[0]:.1e}",
                f"{apart[-1]:.1e}",
                contacts,
                found,
                f"{seconds:.0f}",
            ]
            writer.writerow(row)
            file.flush()
            print(*row, flush=True)
    print(f"{len(order)} models, {steps} steps: worst difference {worst:.1e}; written to {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main(sys.argv[1:])
