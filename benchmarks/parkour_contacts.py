"""What contacts with rough ground are worth: the walking checkpoint on it, with MuJoCo's choices and with ours.

    python benchmarks/parkour_contacts.py [num_envs=100] [steps=400] [out=FILE.csv]

Ground of difficulty 0 with 2 to 4 cm of roughness, the same robots and commands for every variant. Speed is a share of what
is asked, after the first second; a foot is in the ground when its centre is below all four heights around it. The time is
that of the processor for a control step (20 ms) of one robot.
"""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path

import mujoco
import torch

import isaacgymenvs_tasks
from isaacgymenvs_tasks.options import read_options, whole
from isaacgymenvs_tasks.parkour.env import Parkour
from isaacgymenvs_tasks.parkour.terrain.tile import CELL
from mtbench.learning.player import load_policy, mean_policy

WALKING = Path(__file__).resolve().parents[1] / "assets" / "go1" / "walking.pth"
EXACT = int(mujoco.mjtDisableBit.mjDSBL_NATIVECCD)
#: name -> plane, MuJoCo's newer convex routine, time constant of a contact (s), friction cone
VARIANTS = {
    "MuJoCo's defaults": (False, True, 0.02, "elliptic"),
    "harder": (False, True, 0.01, "elliptic"),
    "the other convex routine": (False, False, 0.02, "elliptic"),
    "both": (False, False, 0.01, "elliptic"),
    "both, pyramidal friction (as it is)": (False, False, 0.01, "pyramidal"),
    "a plane": (True, False, 0.01, "pyramidal"),
}


def build(num_envs: int, plane: bool, exact: bool, hardness: float, cone: str) -> Parkour:
    settings = {"task.env.terrain.plane": plane, "task.sim.friction_cone": cone, "task.sim.num_threads": 1}
    env = isaacgymenvs_tasks.make(
        "ParkourFlat", num_envs, seed=0, **settings, **{"task.env.randomInitialProgress": False}
    )
    assert isinstance(env, Parkour)
    for batch in env.sim.engine._batches:
        for model in batch.models:
            model.opt.disableflags = model.opt.disableflags & ~EXACT | EXACT * (not exact)
            model.geom_solref[:, 0] = hardness
        batch.batch.set_models(batch.models)
    env.reset()
    return env


def walk(env: Parkour, steps: int) -> tuple[float, float, int, float]:
    """Share of the commanded speed, share of feet in the ground, robots that fell, and seconds of the processor per step."""
    n, act, heights = (
        env.num_envs,
        mean_policy(load_policy(str(WALKING))[1]),
        torch.from_numpy(env.terrain.heights).float(),
    )
    speed, deep, fell, taken = torch.zeros(n), 0.0, torch.zeros(n, dtype=torch.bool), 0.0
    for step in range(steps):
        actions = act(env)
        begin = time.process_time()
        env.step(actions)
        taken += time.process_time() - begin
        fell |= env.fell
        speed += env.speed / env.asked if step >= 50 else 0.0
        feet = env.rigid_body_states.view(n, -1, 13)[:, env._robots.feet, :3]
        i, j = (((feet[..., k] + env.terrain.border) / CELL - 0.5).long() for k in (0, 1))
        around = torch.stack([heights[i + a, j + b] for a in (0, 1) for b in (0, 1)]) * env.terrain.vertical_scale
        deep += float((feet[..., 2] < around.amin(0)).float().mean())
    return float(speed.mean()) / (steps - 50), deep / steps, int(fell.sum()), taken / steps / n


def main(arguments: list[str]) -> None:
    options = read_options(arguments, {"num_envs": "100", "steps": "400", "out": ""})
    torch.set_num_threads(1)
    rows = []
    for name, variant in VARIANTS.items():
        speed, deep, fell, taken = walk(build(whole(options, "num_envs", 1), *variant), whole(options, "steps", 1))
        rows.append((name, round(speed, 3), round(deep, 4), fell, round(1e6 * taken)))
        print(
            f"{name:40}speed {speed:5.2f}  feet in the ground {100 * deep:6.2f} %  fell {fell:3d}  {1e6 * taken:4.0f} us",
            flush=True,
        )
    if options["out"]:
        with open(options["out"], "w", newline="") as file:
            csv.writer(file).writerows([("contacts", "speed", "feet_in_the_ground", "fell", "us_per_step"), *rows])


if __name__ == "__main__":
    main(sys.argv[1:])
