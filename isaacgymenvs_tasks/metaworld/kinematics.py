"""Forward and inverse kinematics of the Franka arm, batched, for poses that are worked out once when an environment is built.

The chain is the published one (franka_ros); every joint turns about the z axis of its child frame. Positions are in the
frame of link 0 (metres), joint positions in radians.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: Fixed transform before each joint: translation (m) and rotation about x (rad).
CHAIN: tuple[tuple[tuple[float, float, float], float], ...] = (
    ((0.0, 0.0, 0.333), 0.0),
    ((0.0, 0.0, 0.0), -math.pi / 2),
    ((0.0, -0.316, 0.0), math.pi / 2),
    ((0.0825, 0.0, 0.0), math.pi / 2),
    ((-0.0825, 0.384, 0.0), -math.pi / 2),
    ((0.0, 0.0, 0.0), math.pi / 2),
    ((0.088, 0.0, 0.0), math.pi / 2),
)
FLANGE = 0.107  #: link 7 to the hand, along z; the hand is turned by -45 degrees about z

JOINT_LOWER = (-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973)
JOINT_UPPER = (2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973)

#: Hand frame to the middle between the fingertip pads, along z (published hand_tcp).
TCP_OFFSET = 0.1034
#: Finger frame to the middle of its pad, along z; the pad's inner face is at y = 0.
PAD_OFFSET = 0.045

#: Elbow posture that MTBench's default poses share; the last joint decides the finger axis.
POSTURE = (0.0, 0.2, 0.0, -2.4, 0.0, 2.6, 0.0)
#: Last joint for fingers that open along world x (as in Meta-World) and along world y, when joint 1 is at zero.
FINGER_JOINT = {"x": -math.pi / 4, "y": math.pi / 4}
#: World direction of the hand's y axis (the left finger's side) for both.
FINGER_DIRECTION = {"x": (1.0, 0.0, 0.0), "y": (0.0, -1.0, 0.0)}


def rotation_z(angle: Tensor) -> Tensor:
    """(n,) angles -> (n, 3, 3) rotations about z."""
    c, s, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack((c, -s, zero, s, c, zero, zero, zero, one), -1).reshape(-1, 3, 3)


def rotation_x(angle: float, like: Tensor) -> Tensor:
    c, s = math.cos(angle), math.sin(angle)
    return like.new_tensor([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def forward(q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Joint positions (n, 7) -> tcp (n, 3), rotation of the hand (n, 3, 3), Jacobian of the tcp (n, 6, 7), linear first."""
    n = q.shape[0]
    position = q.new_zeros(n, 3)
    rotation = torch.eye(3, dtype=q.dtype, device=q.device).expand(n, 3, 3)
    origins, axes = [], []
    for i, (offset, tilt) in enumerate(CHAIN):
        position = position + rotation @ q.new_tensor(offset)
        rotation = rotation @ rotation_x(tilt, q) @ rotation_z(q[:, i])
        origins.append(position)
        axes.append(rotation[:, :, 2])
    tcp = position + rotation[:, :, 2] * (FLANGE + TCP_OFFSET)
    hand = rotation @ rotation_z(q.new_tensor([-math.pi / 4]))
    axis, origin = torch.stack(axes, 1), torch.stack(origins, 1)
    linear = torch.linalg.cross(axis, tcp[:, None] - origin)
    return tcp, hand, torch.cat((linear, axis), -1).transpose(1, 2)


def down_rotation(finger_axis: str, like: Tensor) -> Tensor:
    """(3, 3) rotation of a hand that points down and opens its fingers along the world axis ``x`` or ``y``."""
    y = like.new_tensor(FINGER_DIRECTION[finger_axis])
    z = like.new_tensor([0.0, 0.0, -1.0])
    return torch.stack((torch.linalg.cross(y, z), y, z), -1)


def rotation_error(target: Tensor, current: Tensor) -> Tensor:
    """Half the sum of the crossed axes: world-frame rotation vector (n, 3) from ``current`` to ``target`` (n, 3, 3), exact
    to first order and zero only where they agree or are half a turn apart."""
    return 0.5 * torch.linalg.cross(current.transpose(1, 2), target.transpose(1, 2)).sum(1)


def inverse(tcp: Tensor, finger_axis: str, iterations: int = 200, tolerance: float = 1e-4) -> Tensor:
    """Joint positions (n, 7) that put the tcp at ``tcp`` (n, 3) with the hand pointing down, near the common posture.

    Damped least squares with a pull towards the posture in the null space, within the joint ranges, in float64.

    Raises:
        ValueError: a position is out of reach for a hand that points down.
    """
    goal = tcp.double()
    target = down_rotation(finger_axis, goal).expand(goal.shape[0], 3, 3)
    posture = goal.new_tensor((*POSTURE[:6], FINGER_JOINT[finger_axis]))
    lower, upper = goal.new_tensor(JOINT_LOWER), goal.new_tensor(JOINT_UPPER)
    eye = torch.eye(6, dtype=goal.dtype)
    q = posture.expand(goal.shape[0], 7).clone()
    pull = 0.2
    for i in range(iterations):
        position, rotation, jacobian = forward(q)
        error = torch.cat(((goal - position).clamp(-0.05, 0.05), rotation_error(target, rotation)), -1)
        delta = (pull if i < iterations // 2 else 0.0) * (posture - q)
        residual = error - (jacobian @ delta[..., None])[..., 0]
        gram = jacobian @ jacobian.transpose(1, 2) + 1e-4 * eye
        step = (jacobian.transpose(1, 2) @ torch.linalg.solve(gram, residual[..., None]))[..., 0]
        q = (q + delta + step).clamp(lower, upper)
    position, rotation, _ = forward(q)
    miss = (goal - position).norm(dim=-1) + rotation_error(target, rotation).norm(dim=-1)
    if (miss > tolerance).any():
        worst = int(miss.argmax())
        raise ValueError(
            f"the hand cannot point down at {[round(x, 3) for x in tcp[worst].tolist()]} (link 0 frame, metres)"
        )
    return q.to(tcp.dtype)
