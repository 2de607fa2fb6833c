"""Vectors, rotations, poses and states of Isaac Gym's ``gymapi``. ``dtype`` of each is its layout in a structured array.

Names and fields follow Isaac Gym Preview 4. Quaternions are xyzw. Units are SI.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from .array_math import QUAT, TRANSFORM, VEC3, records, rows, turned
from .numbers import number
from .structs import Record

__all__ = ["DofState", "Quat", "RigidBodyState", "Transform", "Vec3", "Velocity"]


@dataclass(slots=True)
class Vec3(Record):
    """A vector of three numbers."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0

    dtype: ClassVar[np.dtype] = VEC3

    def __add__(self, other: Vec3) -> Vec3:
        if not isinstance(other, Vec3):
            return NotImplemented
        return Vec3(self.x + other.x, self.y + other.y, self.z + other.z)

    def __sub__(self, other: Vec3) -> Vec3:
        if not isinstance(other, Vec3):
            return NotImplemented
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
class Quat(Record):
    """A rotation as a quaternion, xyzw."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    w: float = 1.0

    dtype: ClassVar[np.dtype] = QUAT

    def __mul__(self, o: Quat) -> Quat:
        if not isinstance(o, Quat):
            return NotImplemented
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
class Transform(Record):
    """A pose: position ``p`` and rotation ``r``."""

    p: Vec3 = field(default_factory=Vec3)
    r: Quat = field(default_factory=Quat)

    dtype: ClassVar[np.dtype] = TRANSFORM

    def __mul__(self, o: Transform) -> Transform:
        if not isinstance(o, Transform):
            return NotImplemented
        return Transform(self.transform_point(o.p), self.r * o.r)

    def inverse(self) -> Transform:
        r = self.r.inverse()
        return Transform(-r.rotate(self.p), r)

    def transform_vector(self, v: Vec3) -> Vec3:
        return self.r.rotate(v)

    def transform_point(self, v: Vec3) -> Vec3:
        return self.p + self.r.rotate(v)

    def transform_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """A structured array of ``Vec3``, of any shape, turned."""
        r = np.array([self.r.x, self.r.y, self.r.z, self.r.w], dtype=np.float32)
        return records(turned(r, rows(vectors, VEC3, "transform_vectors")), VEC3)

    def transform_points(self, points: np.ndarray) -> np.ndarray:
        """A structured array of ``Vec3``, of any shape, turned and moved."""
        p = np.array([self.p.x, self.p.y, self.p.z], dtype=np.float32)
        r = np.array([self.r.x, self.r.y, self.r.z, self.r.w], dtype=np.float32)
        return records(p + turned(r, rows(points, VEC3, "transform_points")), VEC3)


@dataclass(slots=True, init=False)
class Velocity(Record):
    """Velocities of a body: ``linear`` (m/s), ``angular`` (rad/s)."""

    linear: Vec3
    angular: Vec3

    dtype: ClassVar[np.dtype] = np.dtype([("linear", VEC3), ("angular", VEC3)])

    def __init__(self, p: Vec3 | None = None, q: Vec3 | None = None) -> None:
        """Linear and angular; Isaac Gym calls the arguments so."""
        self.linear, self.angular = Vec3() if p is None else p, Vec3() if q is None else q


@dataclass(slots=True)
class RigidBodyState(Record):
    """Pose and velocities of a body."""

    pose: Transform = field(default_factory=Transform)
    vel: Velocity = field(default_factory=Velocity)

    dtype: ClassVar[np.dtype] = np.dtype([("pose", TRANSFORM), ("vel", Velocity.dtype)])


@dataclass(slots=True)
class DofState(Record):
    """``pos`` (rad or m) and ``vel`` of a DOF."""

    pos: float = 0.0
    vel: float = 0.0

    dtype: ClassVar[np.dtype] = np.dtype([("pos", "<f4"), ("vel", "<f4")])
