"""The robots, one an environment, each a little different."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from isaacgym import gymapi
from torch import Tensor

from isaacgymenvs_tasks.simulator import narrow_ground
from mtbench.resources import ASSETS

STIFFNESS, DAMPING = 50.0, 3.0  #: N m/rad and N m s/rad of a drive


class Robots(NamedTuple):
    """What is to be known of them.

    Attributes:
        feet, legs: (4,) and (8,) long, rigid bodies of a robot that stand on the ground, and that must not touch it.
        dof_low, dof_high: (12,) rad, limits of the joints.
        privileged: (n, 29) what is random about each: added mass 1, offset of the centre of mass 3, friction 1, strength
            of stiffness and damping of each motor less 1, 12 + 12.
    """

    feet: Tensor
    legs: Tensor
    dof_low: Tensor
    dof_high: Tensor
    privileged: Tensor


def create_robots(
    gym: Any,
    sim: Any,
    places: Tensor,
    height: float,
    windows: Sequence[tuple[float, float, float, float]] | None,
    ranges: Mapping[str, Any],
    substep: float,
    generator: torch.Generator,
) -> Robots:
    """Create an environment with a robot for every row of ``places``.

    Args:
        gym, sim: where.
        places: (n, 3) m, the ground where they begin.
        height: m, of the base above it.
        windows: n corners and extents of the ground that each can come to; None: it is a plane.
        ranges: [lowest, highest] of ``mass`` kg, ``centreOfMass`` m, ``friction`` and ``motorStrength``.
        substep: s, of the physics.
        generator: of what is random; its device is that of ``places``.
    """
    n, device = len(places), places.device
    options = gymapi.AssetOptions()
    options.angular_damping = 0.0
    robot = gym.load_asset(sim, str(ASSETS / "go1"), "go1.xml", options)
    bodies = gym.get_asset_rigid_body_names(robot)
    drives = gym.get_asset_dof_properties(robot)
    drives["driveMode"] = gymapi.DOF_MODE_POS
    low, high = (torch.tensor(drives[bound].copy(), device=device) for bound in ("lower", "upper"))

    def draw(name: str, *shape: int) -> Tensor:
        low, high = ranges[name]
        return low + (high - low) * torch.rand((n, *shape), generator=generator, device=device)

    mass, centre, friction = draw("mass", 1), draw("centreOfMass", 3), draw("friction", 1)
    stiffness, damping = draw("motorStrength", 12), draw("motorStrength", 12)
    table = torch.cat((mass, centre, friction), 1).tolist()
    # The reference is an explicit PD. A drive acts on where the joint will be: over a substep its stiffness damps too.
    gains = (STIFFNESS * stiffness).cpu().numpy(), (DAMPING * damping - substep * STIFFNESS * stiffness).cpu().numpy()
    zero = gymapi.Vec3(0.0, 0.0, 0.0)  # all environments share one frame, that of the ground
    per_row = math.isqrt(n - 1) + 1
    for i, (x0, y0, z0) in enumerate(places.tolist()):
        env = gym.create_env(sim, zero, zero, per_row)
        if windows is not None:
            narrow_ground(gym, env, *windows[i])
        pose = gymapi.Transform()
        pose.p = gymapi.Vec3(x0, y0, z0 + height)
        # Filter 1 on all of the robot's shapes keeps it from colliding with itself.
        handle = gym.create_actor(env, robot, pose, "go1", i, 1)
        drives["stiffness"], drives["damping"] = gains[0][i], gains[1][i]
        gym.set_actor_dof_properties(env, handle, drives)
        added, x, y, z, mu = table[i]
        shapes = gym.get_actor_rigid_shape_properties(env, handle)
        for shape in shapes:
            shape.friction = mu
        gym.set_actor_rigid_shape_properties(env, handle, shapes)
        links = gym.get_actor_rigid_body_properties(env, handle)
        links[0].mass += added
        links[0].com = gymapi.Vec3(links[0].com.x + x, links[0].com.y + y, links[0].com.z + z)
        gym.set_actor_rigid_body_properties(env, handle, links, True)
        gym.enable_actor_dof_force_sensors(env, handle)
    return Robots(
        feet=torch.tensor([k for k, name in enumerate(bodies) if name.endswith("foot")], device=device),
        legs=torch.tensor([k for k, name in enumerate(bodies) if name.endswith(("thigh", "calf"))], device=device),
        dof_low=low,
        dof_high=high,
        privileged=torch.cat((mass, centre, friction, stiffness - 1.0, damping - 1.0), 1),
    )
