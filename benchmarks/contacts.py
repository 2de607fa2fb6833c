"""Sliding, dropping and stacking against what mechanics says: python benchmarks/contacts.py

A cube of 10 cm and 1 kg on the ground at Isaac Gym's default step (1/60 s, two substeps). Printed as CSV: what is measured,
and the exact value for rigid bodies and Coulomb's friction.
"""

from __future__ import annotations

import math

import torch

from mtbench.sim import gymapi, gymtorch

SIDE, MASS, FRICTION, GRAVITY = 0.1, 1.0, 0.5, 9.81


def cubes(heights: list[float], tilt: float = 0.0) -> tuple[gymapi.Gym, gymapi.Sim, torch.Tensor]:
    """A simulation of one environment with cubes at these heights (m) over a ground that gravity meets at ``tilt`` (rad)."""
    gym, params = gymapi.acquire_gym(), gymapi.SimParams()
    params.up_axis = gymapi.UP_AXIS_Z
    params.gravity = gymapi.Vec3(GRAVITY * math.sin(tilt), 0.0, -GRAVITY * math.cos(tilt))
    sim, plane = gym.create_sim(0, -1, gymapi.SIM_PHYSX, params), gymapi.PlaneParams()
    plane.normal, plane.static_friction, plane.dynamic_friction = gymapi.Vec3(0, 0, 1), FRICTION, FRICTION
    gym.add_ground(sim, plane)
    options = gymapi.AssetOptions()
    options.density, options.angular_damping = MASS / SIDE**3, 0.0
    env = gym.create_env(sim, gymapi.Vec3(), gymapi.Vec3(), 1)
    for k, height in enumerate(heights):
        cube = gym.create_box(sim, SIDE, SIDE, SIDE, options)
        handle = gym.create_actor(env, cube, gymapi.Transform(gymapi.Vec3(0, 0, height)), f"cube{k}", 0, 0)
        shapes = gym.get_actor_rigid_shape_properties(env, handle)
        shapes[0].friction = FRICTION
        gym.set_actor_rigid_shape_properties(env, handle, shapes)
    gym.prepare_sim(sim)
    return gym, sim, gymtorch.wrap_tensor(gym.acquire_actor_root_state_tensor(sim))


def run(gym: gymapi.Gym, sim: gymapi.Sim, seconds: float) -> None:
    for _ in range(round(60 * seconds)):
        gym.simulate(sim)
    gym.refresh_actor_root_state_tensor(sim)


def main() -> None:
    print("what,measured,exact")
    gym, sim, root = cubes([SIDE / 2])
    run(gym, sim, 1.0)
    start = root.clone()
    start[0, 7] = 2.0
    gym.set_actor_root_state_tensor(sim, gymtorch.unwrap_tensor(start))
    run(gym, sim, 2.0)
    print(f"sliding distance from 2 m/s (m),{root[0, 0] - start[0, 0]:.4f},{2.0**2 / (2 * FRICTION * GRAVITY):.4f}")
    for degrees in (20, 30):
        tilt = math.radians(degrees)
        gym, sim, root = cubes([SIDE / 2], tilt)
        run(gym, sim, 2.0)
        exact = max(0.0, 0.5 * GRAVITY * (math.sin(tilt) - FRICTION * math.cos(tilt)) * 2.0**2)
        print(f"way down a slope of {degrees} degrees in 2 s (m),{root[0, 0]:.4f},{exact:.4f}")
    gym, sim, root = cubes([0.5 + SIDE / 2])
    deepest, fall = 1.0, 0
    for step in range(120):
        run(gym, sim, 1 / 60)
        fall = fall or (step + 1) * (root[0, 2].item() <= SIDE / 2)
        deepest = min(deepest, root[0, 2].item())
    print(f"time of a drop of 0.5 m (s),{fall / 60:.3f},{math.sqrt(2 * 0.5 / GRAVITY):.3f}")
    print(f"deepest after the drop (mm),{1000 * (SIDE / 2 - deepest):.2f},0")
    print(f"at rest 2 s later (mm deep),{1000 * (SIDE / 2 - root[0, 2]):.3f},0")
    gym, sim, root = cubes([SIDE * (k + 0.5) for k in range(5)])
    force = gymtorch.wrap_tensor(gym.acquire_net_contact_force_tensor(sim))
    run(gym, sim, 10.0)
    print(f"a stack of five after 10 s: top lower by (mm),{1000 * (4.5 * SIDE - root[4, 2]):.3f},0")
    print(f"and aside by (mm),{1000 * root[4, :2].norm():.4f},0")
    gym.refresh_net_contact_force_tensor(sim)
    print(f"largest net force on a cube beside its weight (N),{(force[:, 2] - MASS * GRAVITY).abs().max():.4f},0")


if __name__ == "__main__":
    main()
