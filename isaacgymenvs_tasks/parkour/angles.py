"""Angles of a base that runs, rolls and pitches."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def wrap(angle: Tensor) -> Tensor:
    """Angles in [-pi, pi)."""
    return torch.remainder(angle + math.pi, 2.0 * math.pi) - math.pi


def euler(quat: Tensor) -> Tensor:
    """(n, 3) roll, pitch and yaw (Rz Ry Rx) of quaternions (n, 4) xyzw."""
    x, y, z, w = quat.unbind(1)
    roll = torch.atan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y))
    pitch = torch.asin((2.0 * (w * y - z * x)).clamp(-1.0, 1.0))
    return torch.stack((roll, pitch, torch.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))), 1)
