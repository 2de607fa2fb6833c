"""Isaac Gym's ``torch_utils``: batched quaternion and scaling helpers. Quaternions are xyzw, unit unless said otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


def to_torch(x: Any, dtype: torch.dtype = torch.float, device: str = "cuda:0", requires_grad: bool = False) -> Tensor:
    return torch.tensor(x, dtype=dtype, device=device, requires_grad=requires_grad)


def normalize(x: Tensor, eps: float = 1e-9) -> Tensor:
    return x / x.norm(p=2, dim=-1, keepdim=True).clamp(min=eps)


def quat_mul(a: Tensor, b: Tensor) -> Tensor:
    """Hamilton product, (..., 4)."""
    u, w = a[..., :3], a[..., 3:]
    v, s = b[..., :3], b[..., 3:]
    return torch.cat([w * v + s * u + torch.linalg.cross(u, v), w * s - (u * v).sum(-1, keepdim=True)], dim=-1)


def quat_conjugate(a: Tensor) -> Tensor:
    return torch.cat([-a[..., :3], a[..., 3:]], dim=-1)


def quat_unit(a: Tensor) -> Tensor:
    return normalize(a)


def quat_apply(a: Tensor, b: Tensor) -> Tensor:
    """Rotate vectors b (..., 3) by quaternions a (..., 4); as many of both may also come in another shape, which is then that
    of b: a (n p, 4) with b (n, p, 3)."""
    if a.dim() != b.dim() and a.numel() // 4 == b.numel() // 3:
        a = a.reshape(b.shape[:-1] + (4,))  # noqa: RUF005 (torch.jit)
    u = a[..., :3]
    t = 2.0 * torch.linalg.cross(u, b)
    return b + a[..., 3:] * t + torch.linalg.cross(u, t)


def quat_rotate(q: Tensor, v: Tensor) -> Tensor:
    return quat_apply(q, v)


def quat_rotate_inverse(q: Tensor, v: Tensor) -> Tensor:
    return quat_apply(quat_conjugate(q), v)


def quat_from_angle_axis(angle: Tensor, axis: Tensor) -> Tensor:
    """Rotation by ``angle`` (n,) radians about ``axis`` (n, 3)."""
    half = (angle / 2)[..., None]
    return torch.cat([normalize(axis) * half.sin(), half.cos()], dim=-1)


def quat_axis(q: Tensor, axis: int = 0) -> Tensor:
    """World direction of a body axis."""
    basis = torch.zeros_like(q[..., :3])
    basis[..., axis] = 1
    return quat_apply(q, basis)


def quat_from_euler_xyz(roll: Tensor, pitch: Tensor, yaw: Tensor) -> Tensor:
    """Rz(yaw) Ry(pitch) Rx(roll), radians."""
    cr, sr, cp, sp = (roll / 2).cos(), (roll / 2).sin(), (pitch / 2).cos(), (pitch / 2).sin()
    cy, sy = (yaw / 2).cos(), (yaw / 2).sin()
    return torch.stack(
        [
            cy * sr * cp - sy * cr * sp,
            cy * cr * sp + sy * sr * cp,
            sy * cr * cp - cy * sr * sp,
            cy * cr * cp + sy * sr * sp,
        ],
        dim=-1,
    )


def get_euler_xyz(q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(roll, pitch, yaw) in [0, 2 pi)."""
    x, y, z, w = q.unbind(-1)
    roll = torch.atan2(2 * (w * x + y * z), w * w - x * x - y * y + z * z)
    pitch = torch.asin((2 * (w * y - z * x)).clamp(-1, 1))
    yaw = torch.atan2(2 * (w * z + x * y), w * w + x * x - y * y - z * z)
    return roll % (2 * np.pi), pitch % (2 * np.pi), yaw % (2 * np.pi)


def normalize_angle(x: Tensor) -> Tensor:
    """The same angle in (-pi, pi]."""
    return torch.atan2(torch.sin(x), torch.cos(x))


def tf_apply(q: Tensor, t: Tensor, v: Tensor) -> Tensor:
    return quat_apply(q, v) + t


def tf_vector(q: Tensor, v: Tensor) -> Tensor:
    return quat_apply(q, v)


def tf_combine(q1: Tensor, t1: Tensor, q2: Tensor, t2: Tensor) -> tuple[Tensor, Tensor]:
    """Pose 2, given in pose 1, in pose 1's frame."""
    return quat_mul(q1, q2), quat_apply(q1, t2) + t1


def tf_inverse(q: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    inverse = quat_conjugate(q)
    return inverse, -quat_apply(inverse, t)


def get_basis_vector(q: Tensor, v: Tensor) -> Tensor:
    return quat_rotate(q, v)


def get_axis_params(value: float, axis_idx: int, x_value: float = 0.0, dtype: Any = float, n_dims: int = 3) -> list:
    """A vector with ``value`` on one axis and ``x_value`` on x."""
    params = [0.0] * n_dims
    params[0] = x_value
    params[axis_idx] = value
    return [dtype(p) for p in params]


def tensor_clamp(t: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return torch.max(torch.min(t, high), low)


def scale(x: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """[-1, 1] to [lower, upper]."""
    return 0.5 * (x + 1.0) * (upper - lower) + lower


def unscale(x: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """[lower, upper] to [-1, 1]."""
    return (2.0 * x - upper - lower) / (upper - lower)


def unscale_np(x: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """[lower, upper] to [-1, 1]."""
    return (2.0 * x - upper - lower) / (upper - lower)


def copysign(a: float, b: Tensor) -> Tensor:
    """The number ``a`` with the signs of ``b`` (n,)."""
    return torch.copysign(torch.full_like(b, a), b)


def torch_rand_float(lower: float, upper: float, shape: tuple[int, int], device: str) -> Tensor:
    return (upper - lower) * torch.rand(shape, device=device) + lower


def torch_random_dir_2(shape: tuple[int, int], device: str) -> Tensor:
    """Unit vectors (n, 2) in directions drawn uniformly; ``shape`` is (n, 1)."""
    angle = torch_rand_float(-np.pi, np.pi, shape, device).squeeze(-1)
    return torch.stack([torch.cos(angle), torch.sin(angle)], dim=-1)
