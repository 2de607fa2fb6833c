"""What the ground costs: physics steps per second of a Go1 on a plane, on height fields, and on blocks, in one thread.

    python benchmarks/parkour_ground.py [steps=2000] [rounds=5] [out=FILE.csv]

The robot chases random joint targets (renewed every 0.02 s) from the start of the hardest terrain of each kind, and is put
back there every second, so that trunk and legs meet the ground as in learning. Every round runs all variants in turn; the
figures are medians, in time of the processor, so that a busy machine counts less.
"""

from __future__ import annotations

import csv
import statistics
import sys
import time
from pathlib import Path

import mujoco
import numpy as np
from scipy.ndimage import zoom

from isaacgymenvs_tasks.options import read_options, whole
from isaacgymenvs_tasks.parkour.terrain import TERRAINS
from isaacgymenvs_tasks.parkour.terrain.blocks import blocks
from isaacgymenvs_tasks.parkour.terrain.grid import roughness
from isaacgymenvs_tasks.parkour.terrain.tile import CELL, LENGTH, WIDTH

GO1 = Path(__file__).resolve().parents[1] / "assets" / "go1" / "go1.xml"
FAMILIES = ("flat", "box_jump_even", "sphere_bump", "staircase_walking_full_width")


def robot() -> mujoco.MjSpec:
    spec = mujoco.MjSpec.from_file(str(GO1))
    spec.option.timestep = 0.005
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_PYRAMIDAL
    for joint in spec.joints:
        if joint.type == mujoco.mjtJoint.mjJNT_HINGE:
            gains = {"gainprm": [50.0] + [0.0] * 9, "biasprm": [0.0, -50.0, -3.0] + [0.0] * 7}
            drive = {"trntype": mujoco.mjtTrn.mjTRN_JOINT, "biastype": mujoco.mjtBias.mjBIAS_AFFINE}
            spec.add_actuator(name=joint.name, target=joint.name, **drive, **gains)
    return spec


def on_plane() -> mujoco.MjModel:
    spec = robot()
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1])
    return spec.compile()


def on_field(heights: np.ndarray, cell: float, elliptic: bool = False, exact: bool = False) -> mujoco.MjModel:
    """``elliptic`` friction cones; ``exact``: MuJoCo's newer convex routine, which mtbench.sim does not use for these."""
    heights = zoom(heights, CELL / cell, order=1) if cell != CELL else heights
    spec, low = robot(), float(heights.min())
    n, m = heights.shape
    span = max(float(np.ptp(heights)), 1e-3)
    size = [(n - 1) * cell / 2, (m - 1) * cell / 2, span, 0.1]
    spec.add_hfield(name="ground", nrow=m, ncol=n, size=size, userdata=heights.T.ravel())
    pos = [LENGTH / 2, WIDTH / 2, low]
    if elliptic:
        spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    if not exact:
        spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_NATIVECCD
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_HFIELD, hfieldname="ground", pos=pos)
    return spec.compile()


def on_blocks(heights: np.ndarray) -> tuple[mujoco.MjModel, int]:
    spec = robot()
    found = blocks(heights, sloped=False)
    for x0, y0, x1, y1, top, *_ in found:
        low = -1.5
        size = [(x1 - x0) / 2, (y1 - y0) / 2, (top - low) / 2]
        pos = [(x0 + x1) / 2, (y0 + y1) / 2, (top + low) / 2]
        spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=size, pos=pos)
    return spec.compile(), len(found)


def rate(model: mujoco.MjModel, start: np.ndarray, steps: int) -> float:
    """Physics steps per second."""
    data, rng = mujoco.MjData(model), np.random.default_rng(0)
    stand = model.key_qpos[0].copy()
    stand[:3] = *start[:2], start[2] + 0.34
    taken = 0.0
    for step in range(steps):
        if step % 200 == 0:
            data.qpos[:], data.qvel[:] = stand, 0.0
        if step % 4 == 0:
            data.ctrl[:] = stand[7:] + 0.5 * rng.standard_normal(12)
        begin = time.thread_time()
        mujoco.mj_step(model, data)
        taken += time.thread_time() - begin
    return steps / taken


def main(arguments: list[str]) -> None:
    options = read_options(arguments, {"steps": "2000", "rounds": "5", "out": ""})
    variants: dict[tuple[str, str], tuple[mujoco.MjModel, np.ndarray]] = {}
    for name in FAMILIES:
        rng = np.random.default_rng(0)
        heights, goals = TERRAINS[name].generate(1.0, rng)
        start, rough = goals[3].astype(np.float64), heights + roughness(rng)
        variants[name, "plane"] = on_plane(), np.array([1.0, 2.0, 0.0])
        for cell in (0.025, 0.05, 0.1):
            variants[name, f"height field {cell} m"] = on_field(rough, cell), start
        variants[name, "height field 0.05 m, smooth"] = on_field(heights, 0.05), start
        variants[name, "height field 0.05 m, elliptic friction"] = on_field(rough, 0.05, elliptic=True), start
        variants[name, "height field 0.05 m, exact routine"] = on_field(rough, 0.05, exact=True), start
        model, count = on_blocks(heights)
        variants[name, f"{count} boxes, smooth"] = model, start
    rates: dict[tuple[str, str], list[float]] = {key: [] for key in variants}
    for _ in range(whole(options, "rounds", 1)):
        for key, (model, start) in variants.items():
            rates[key].append(rate(model, start, whole(options, "steps", 1)))
    rows = [(*key, round(statistics.median(values))) for key, values in rates.items()]
    for family, ground, median in rows:
        print(f"{family:30}{ground:40}{median:8d}")
    if options["out"]:
        with open(options["out"], "w", newline="") as file:
            csv.writer(file).writerows([("family", "ground", "physics_steps_per_s"), *rows])


if __name__ == "__main__":
    main(sys.argv[1:])
