"""Isaac Gym's functions on structured arrays of vectors, rotations and poses, and the layouts of these.

Arguments broadcast as numpy's do: one rotation turns many vectors, many poses move one point. Quaternions are xyzw.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "cross",
    "dot",
    "eulers_to_quats_zyx",
    "quats_to_eulers_zyx",
    "rotate",
    "rotate_inverse",
    "transform",
    "transform_inverse",
]

VEC3 = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4")])
QUAT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("w", "<f4")])
TRANSFORM = np.dtype([("p", VEC3), ("r", QUAT)])


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Scalar products of vectors, or of quaternions: float32."""
    layout = QUAT if getattr(a, "dtype", None) == QUAT else VEC3
    return (rows(a, layout, "dot") * rows(b, layout, "dot")).sum(-1)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Vector products."""
    return records(np.cross(rows(a, VEC3, "cross"), rows(b, VEC3, "cross")), VEC3)


def rotate(q: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Vectors turned by unit quaternions."""
    return records(turned(rows(q, QUAT, "rotate"), rows(v, VEC3, "rotate")), VEC3)


def rotate_inverse(q: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Vectors turned back by unit quaternions."""
    return records(turned(_conjugate(rows(q, QUAT, "rotate_inverse")), rows(v, VEC3, "rotate_inverse")), VEC3)


def transform(poses: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points of the frames at ``poses``, seen from where these are given."""
    p, q = _parts(poses, "transform")
    return records(p + turned(q, rows(points, VEC3, "transform")), VEC3)


def transform_inverse(poses: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points, seen from the frames at ``poses``."""
    p, q = _parts(poses, "transform_inverse")
    return records(turned(_conjugate(q), rows(points, VEC3, "transform_inverse") - p), VEC3)


def eulers_to_quats_zyx(eulers: np.ndarray) -> np.ndarray:
    """Vectors (roll, pitch, yaw) in radians to the quaternions of Rz(yaw) Ry(pitch) Rx(roll)."""
    half = 0.5 * rows(eulers, VEC3, "eulers_to_quats_zyx")
    (sr, sp, sy), (cr, cp, cy) = np.moveaxis(np.sin(half), -1, 0), np.moveaxis(np.cos(half), -1, 0)
    x, y = sr * cp * cy - cr * sp * sy, cr * sp * cy + sr * cp * sy
    z, w = cr * cp * sy - sr * sp * cy, cr * cp * cy + sr * sp * sy
    return records(np.stack([x, y, z, w], axis=-1), QUAT)


def quats_to_eulers_zyx(quats: np.ndarray) -> np.ndarray:
    """Unit quaternions to vectors (roll, pitch, yaw) in radians, with the pitch from -pi/2 to pi/2."""
    x, y, z, w = np.moveaxis(rows(quats, QUAT, "quats_to_eulers_zyx"), -1, 0)
    roll = np.arctan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    pitch = np.arcsin(np.clip(2 * (w * y - z * x), -1.0, 1.0))
    yaw = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return records(np.stack([roll, pitch, yaw], axis=-1), VEC3)


def rows(array: Any, layout: np.dtype, name: str) -> np.ndarray:
    """(...) records of float32 as (..., number of fields).

    Raises:
        TypeError: the array has another layout; ``name``, the function that asks, is named.
    """
    array = np.asarray(array)
    if array.dtype != layout:
        raise TypeError(f"{name} takes an array of records ({', '.join(layout.names or ())}), not {array.dtype}")
    return np.ascontiguousarray(array).view(np.float32).reshape(*array.shape, -1)


def records(values: np.ndarray, layout: np.dtype) -> np.ndarray:
    """The inverse of :func:`rows`."""
    return np.ascontiguousarray(values, dtype=np.float32).view(layout)[..., 0]


def turned(q: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) turned by unit quaternions (..., 4)."""
    u, w = q[..., :3], q[..., 3:]
    t = 2 * np.cross(u, v)
    return v + w * t + np.cross(u, t)


def _conjugate(q: np.ndarray) -> np.ndarray:
    return q * np.array([-1, -1, -1, 1], dtype=np.float32)


def _parts(poses: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Positions (..., 3) and rotations (..., 4)."""
    array = np.asarray(poses)
    if array.dtype != TRANSFORM:
        raise TypeError(f"{name} takes an array of records (p, r), not {array.dtype}")
    return rows(array["p"], VEC3, name), rows(array["r"], QUAT, name)
