"""What stands in an environment: the robot, its table and the objects of the task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from isaacgym import gymapi

from isaacgymenvs_tasks.metaworld.control import DAMPING, EFFORT, GRIPPER_FORCE, STIFFNESS
from isaacgymenvs_tasks.metaworld.tables import ROBOT_BASE, TABLE_SIZE, TABLE_TOP
from isaacgymenvs_tasks.metaworld.task import TaskSpec, Vec3
from mtbench.resources import ASSETS


def create_environments(
    gym: Any, sim: Any, specs: Sequence[TaskSpec], counts: Sequence[int], substep: float
) -> tuple[dict[str, int], dict[str, list[str]]]:
    """Create ``counts[k]`` environments of the task ``specs[k]``, one task after the other.

    Args:
        gym, sim: where.
        specs, counts: K each.
        substep: s, of the physics.

    Returns:
        The robot's rigid bodies, name -> index, and the joints of each asset, file -> names.
    """
    ground = gymapi.PlaneParams()  # what falls off the table stays in sight
    ground.normal = gymapi.Vec3(0.0, 0.0, 1.0)
    gym.add_ground(sim, ground)
    options = gymapi.AssetOptions()
    options.fix_base_link = True
    table = gym.create_box(sim, *TABLE_SIZE, options)
    options = gymapi.AssetOptions()
    options.fix_base_link = True
    options.disable_gravity = True
    robot = gym.load_asset(sim, str(ASSETS / "franka"), "franka.xml", options)
    drives = gym.get_asset_dof_properties(robot)
    drives["driveMode"][:7] = gymapi.DOF_MODE_POS
    # A drive acts on where the joint will be: over a substep its stiffness damps too. DAMPING is what both do together.
    drives["stiffness"][:7], drives["damping"][:7] = STIFFNESS, DAMPING - STIFFNESS * substep
    drives["effort"][:7] = EFFORT
    drives["driveMode"][7:] = gymapi.DOF_MODE_EFFORT
    drives["effort"][7:] = GRIPPER_FORCE

    assets: dict[tuple[str, bool], Any] = {}
    for spec in specs:
        for actor in spec.actors:
            key = actor.asset, actor.fixed_base
            if key not in assets:
                options = gymapi.AssetOptions()
                options.fix_base_link = actor.fixed_base
                assets[key] = gym.load_asset(sim, str(ASSETS / "metaworld"), actor.asset, options)

    spacing = gymapi.Vec3(1.0, 1.0, 1.0)
    per_row = math.isqrt(sum(counts) - 1) + 1
    index = 0
    for spec, count in zip(specs, counts, strict=True):
        for _ in range(count):
            env = gym.create_env(sim, gymapi.Vec3(-1.0, -1.0, 0.0), spacing, per_row)
            # Filter 1 on all of the robot's shapes keeps it from colliding with itself.
            handle = gym.create_actor(env, robot, _pose(ROBOT_BASE), "robot", index, 1)
            gym.set_actor_dof_properties(env, handle, drives)
            middle = (0.0, 0.0, TABLE_TOP - TABLE_SIZE[2] / 2)
            gym.create_actor(env, table, _pose(middle), "table", index, 0)
            for actor in spec.actors:
                asset = assets[actor.asset, actor.fixed_base]
                x, y, z = actor.placement.offset
                pose = _pose((x, y, z + TABLE_TOP), actor.yaw)
                gym.create_actor(env, asset, pose, actor.name, index, 0)
            index += 1
    joints = {name: gym.get_asset_dof_names(asset) for (name, _), asset in assets.items()}
    return gym.get_asset_rigid_body_dict(robot), joints


def _pose(position: Vec3, yaw: float = 0.0) -> gymapi.Transform:
    pose = gymapi.Transform()
    pose.p = gymapi.Vec3(*position)
    pose.r = gymapi.Quat(0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2))
    return pose
