"""Vectors, rotations and poses of Isaac Gym's ``gymapi``, and the numpy layouts of states that consist of them.

Names and fields follow Isaac Gym Preview 4. Quaternions are xyzw. Units are SI.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from .numbers import Numbers, number

_VEC3 = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4")])
_QUAT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("w", "<f4")])
_TRANSFORM = np.dtype([("p", _VEC3), ("r", _QUAT)])
_VELOCITY = np.dtype([("linear", _VEC3), ("angular", _VEC3)])


@dataclass(slots=True)
class Vec3(Numbers):
    """A vector of three numbers."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0

    def __add__(self, other: Vec3) -> Vec3:
        return Vec3(self.x + other.x, self.y + other.y, self.z + other.z)

    def __sub__(self, other: Vec3) -> Vec3:
        return Vec3(self.x - other.x, self.y - other.y, self.z - other.z)

    def __mul__(self, scale: float) -> Vec3:
        return Vec3(self.x * scale, self.y * scale, self.z * scale)

    def __truediv__(self, scale: float) -> Vec3:
        return self * (1.0 / scale)

    def __neg__(self) -> Vec3:
        return self * -1.0

    def dot(self, other: Vec3) -> float:
        return self.x * other.x + self.y * other.y + self.z * other.z

    def cross(self, other: Vec3) -> Vec3:
        return Vec3(
            self.y * other.z - self.z * other.y,
            self.z * other.x - self.x * other.z,
            self.x * other.y - self.y * other.x,
        )

    def length_sq(self) -> float:
        return self.dot(self)

    def length(self) -> float:
        return math.sqrt(self.length_sq())

    def normalize(self) -> Vec3:
        return self / self.length()


@dataclass(slots=True)
class Quat(Numbers):
    """A rotation as a quaternion, xyzw."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    w: float = 1.0

    def __mul__(self, o: Quat) -> Quat:
        a, b = Vec3(self.x, self.y, self.z), Vec3(o.x, o.y, o.z)
        v = b * self.w + a * o.w + a.cross(b)
        return Quat(v.x, v.y, v.z, self.w * o.w - a.dot(b))

    def inverse(self) -> Quat:
        n = self.x**2 + self.y**2 + self.z**2 + self.w**2
        return Quat(-self.x / n, -self.y / n, -self.z / n, self.w / n)

    def normalize(self) -> Quat:
        n = math.sqrt(self.x**2 + self.y**2 + self.z**2 + self.w**2)
        return Quat(self.x / n, self.y / n, self.z / n, self.w / n)

    def rotate(self, v: Vec3) -> Vec3:
        u = Vec3(self.x, self.y, self.z)
        t = u.cross(v) * 2.0
        return v + t * self.w + u.cross(t)

    @staticmethod
    def from_axis_angle(axis: Vec3, angle: float) -> Quat:
        """Rotation by ``angle`` (radians) about ``axis``."""
        half = number(angle, float, "an angle") / 2
        u = axis.normalize() * math.sin(half)
        return Quat(u.x, u.y, u.z, math.cos(half))

    @staticmethod
    def from_euler_zyx(roll: float, pitch: float, yaw: float) -> Quat:
        """Rz(yaw) Ry(pitch) Rx(roll), radians."""
        x, y, z = Vec3(1, 0, 0), Vec3(0, 1, 0), Vec3(0, 0, 1)
        return Quat.from_axis_angle(z, yaw) * Quat.from_axis_angle(y, pitch) * Quat.from_axis_angle(x, roll)

    def to_euler_zyx(self) -> tuple[float, float, float]:
        """(roll, pitch, yaw) in radians; the inverse of :meth:`from_euler_zyx`."""
        x, y, z, w = self.x, self.y, self.z, self.w
        roll = math.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
        pitch = math.asin(max(-1.0, min(1.0, 2 * (w * y - z * x))))
        return roll, pitch, math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))


@dataclass(slots=True)
class Transform:
    """A pose: position ``p`` and rotation ``r``."""

    p: Vec3 = field(default_factory=Vec3)
    r: Quat = field(default_factory=Quat)

    def __mul__(self, o: Transform) -> Transform:
        return Transform(self.transform_point(o.p), self.r * o.r)

    def inverse(self) -> Transform:
        r = self.r.inverse()
        return Transform(-r.rotate(self.p), r)

    def transform_vector(self, v: Vec3) -> Vec3:
        return self.r.rotate(v)

    def transform_point(self, v: Vec3) -> Vec3:
        return self.p + self.r.rotate(v)


# numpy layouts of the classes above, under the attribute users know
Vec3.dtype, Quat.dtype, Transform.dtype = _VEC3, _QUAT, _TRANSFORM  # type: ignore[attr-defined]


class DofState:
    """numpy layout of a DOF state: ``pos`` (rad or m), ``vel``."""

    dtype = np.dtype([("pos", "<f4"), ("vel", "<f4")])


class Velocity:
    """numpy layout of a body velocity: ``linear`` (m/s), ``angular`` (rad/s)."""

    dtype = _VELOCITY


class RigidBodyState:
    """numpy layout of a rigid-body state: ``pose`` and ``vel``."""

    dtype = np.dtype([("pose", _TRANSFORM), ("vel", _VELOCITY)])
