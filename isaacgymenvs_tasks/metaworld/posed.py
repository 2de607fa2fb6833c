"""Where bodies are right after a reset, from what was set: for a simulator that shows it only after the next step.

Poses are rows of position and quaternion xyzw (7), in the frame of the environment.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import mujoco
import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.kinematics import CHAIN, FLANGE
from isaacgymenvs_tasks.metaworld.rewards import rotate
from mtbench.sim.torch_utils import quat_mul

FINGER = 0.0584  #: hand to the fingers' frames, along z


def compose(first: Tensor, second: Tensor) -> Tensor:
    """Pose (..., 7) of ``second``, which is given in the frame of ``first``."""
    position = first[..., :3] + rotate(first[..., 3:], second[..., :3])
    return torch.cat((position, quat_mul(first[..., 3:], second[..., 3:])), -1)


def robot_poses(q: Tensor, base: Tensor) -> Tensor:
    """(n, 10, 7): links 1 to 7, hand, left and right finger, for joint positions (n, 9) and the base's position (3,)."""

    def step(x: Tensor | float, y: Tensor | float, z: Tensor | float, quat: tuple[Tensor | float, ...]) -> Tensor:
        return torch.stack([zero + value for value in (x, y, z, *quat)], -1)

    zero = torch.zeros_like(q[:, 0])
    pose = torch.cat((base, base.new_tensor([0.0, 0.0, 0.0, 1.0]))).expand(len(q), 7)
    poses = []
    for i, (offset, tilt) in enumerate(CHAIN):
        pose = compose(pose, step(*offset, (math.sin(tilt / 2), 0.0, 0.0, math.cos(tilt / 2))))
        pose = compose(pose, step(0.0, 0.0, 0.0, (0.0, 0.0, (q[:, i] / 2).sin(), (q[:, i] / 2).cos())))
        poses.append(pose)
    hand = compose(pose, step(0.0, 0.0, FLANGE, (0.0, 0.0, math.sin(-math.pi / 8), math.cos(-math.pi / 8))))
    left = compose(hand, step(0.0, q[:, 7], FINGER, (0.0, 0.0, 0.0, 1.0)))
    right = compose(hand, step(0.0, -q[:, 8], FINGER, (0.0, 0.0, 1.0, 0.0)))
    return torch.stack((*poses, hand, left, right), 1)


def rest_pose(asset: Path, body: str, dofs: Mapping[str, float]) -> Tensor:
    """Pose (7,) of a body in the frame of its asset's root, with the joints at ``dofs`` and the others at 0."""
    model = mujoco.MjModel.from_xml_path(str(asset))
    data = mujoco.MjData(model)
    data.qpos[:] = 0.0
    for joint, value in dofs.items():
        data.joint(joint).qpos[:] = value
    mujoco.mj_kinematics(model, data)
    root, here = (torch.from_numpy(data.xpos[i].copy()) for i in (1, model.body(body).id))
    turned, quat = (torch.from_numpy(data.xquat[i].copy()).roll(-1) for i in (1, model.body(body).id))
    inverse = turned * turned.new_tensor([-1.0, -1.0, -1.0, 1.0])
    return torch.cat((rotate(inverse, here - root), quat_mul(inverse, quat))).float()
