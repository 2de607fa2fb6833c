"""What it takes to set up and randomize many environments of one robot: python benchmarks/sim_setup.py [envs=64,4096]

Each environment holds the Go1 of ``assets/go1`` on a plane. Printed for every number of environments, in seconds and in
seconds of a processor (other work on the machine does not count there): creating them (``create_env``, ``create_actor`` and
``prepare_sim``), then randomizing every one after ``prepare_sim`` (masses, gains and friction, a call for each property and
environment) with the step that takes it over, twice, and a step. Then milliseconds of a processor to randomize one, and the
most memory that was resident (MB).
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import numpy as np

from mtbench.sim import gymapi

ASSETS = Path(__file__).resolve().parents[1] / "assets"


def create(count: int) -> tuple[gymapi.Gym, gymapi.Sim, list[gymapi.Env]]:
    """A prepared simulation of ``count`` robots, each in an environment of its own."""
    gym = gymapi.acquire_gym()
    params = gymapi.SimParams()
    params.dt, params.substeps, params.up_axis = 0.005, 1, gymapi.UP_AXIS_Z
    params.gravity = gymapi.Vec3(0.0, 0.0, -9.81)
    sim = gym.create_sim(0, -1, gymapi.SIM_PHYSX, params)
    plane = gymapi.PlaneParams()
    plane.normal = gymapi.Vec3(0.0, 0.0, 1.0)
    gym.add_ground(sim, plane)
    robot = gym.load_asset(sim, str(ASSETS / "go1"), "go1.xml", gymapi.AssetOptions())
    drives = gym.get_asset_dof_properties(robot)
    drives["driveMode"], drives["stiffness"], drives["damping"] = gymapi.DOF_MODE_POS, 50.0, 3.0
    pose = gymapi.Transform(gymapi.Vec3(0.0, 0.0, 0.42))
    envs = []
    for i in range(count):
        envs.append(gym.create_env(sim, gymapi.Vec3(), gymapi.Vec3(), 64))
        gym.create_actor(envs[-1], robot, pose, "go1", i, 1)
        gym.set_actor_dof_properties(envs[-1], 0, drives)
    gym.prepare_sim(sim)
    return gym, sim, envs


def randomize(gym: gymapi.Gym, sim: gymapi.Sim, envs: list[gymapi.Env], rng: np.random.Generator) -> None:
    """Other masses, gains and friction in every environment, and a step with them."""
    for env, factor in zip(envs, rng.uniform(0.8, 1.2, len(envs)), strict=True):
        bodies = gym.get_actor_rigid_body_properties(env, 0)
        bodies[0].mass *= factor
        gym.set_actor_rigid_body_properties(env, 0, bodies, True)
        drives = gym.get_actor_dof_properties(env, 0)
        drives["stiffness"] = 50.0 * factor
        gym.set_actor_dof_properties(env, 0, drives)
        shapes = gym.get_actor_rigid_shape_properties(env, 0)
        for shape in shapes:
            shape.friction = factor
        gym.set_actor_rigid_shape_properties(env, 0, shapes)
    gym.simulate(sim)


def now() -> tuple[float, float]:
    """Seconds, and seconds of a processor that this process has had."""
    return time.perf_counter(), time.process_time()


def memory() -> float:
    """Resident memory of this process at its most, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(counts: list[int]) -> None:
    print(f"{'envs':>6} {'create':>14} {'randomize':>14} {'again':>14} {'step':>14} {'ms an env':>10} {'MB':>6}")
    for count in counts:
        rng, times = np.random.default_rng(0), [now()]
        gym, sim, envs = create(count)
        times.append(now())
        for _ in range(2):
            randomize(gym, sim, envs, rng)
            times.append(now())
        gym.simulate(sim)
        times.append(now())
        parts = np.diff(times, axis=0)
        columns = " ".join(f"{wall:6.2f} ({processor:5.2f})" for wall, processor in parts)
        print(f"{count:6} {columns} {1000 * parts[2, 1] / count:10.2f} {memory():6.0f}", flush=True)
        gym.destroy_sim(sim)


if __name__ == "__main__":
    given = dict(argument.split("=") for argument in sys.argv[1:])
    main([int(n) for n in given.get("envs", "64,4096").split(",")])
