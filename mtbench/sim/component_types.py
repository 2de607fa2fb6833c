"""The value types of ``gymapi`` for parts that a client adds to bodies and joints: attractors, force sensors, tendons."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar

import numpy as np

from .datatypes import FLT_MAX
from .pose_types import Quat, Transform, Vec3
from .structs import Record, Struct

AXIS_NONE, AXIS_X, AXIS_Y, AXIS_Z, AXIS_TRANSLATION = 0, 1, 2, 4, 7
AXIS_TWIST, AXIS_SWING_1, AXIS_SWING_2, AXIS_ROTATION, AXIS_ALL = 8, 16, 32, 56, 63
RIGID_BODY_NONE, RIGID_BODY_DISABLE_GRAVITY, RIGID_BODY_DISABLE_SIMULATION = 0, 1, 2
RIGID_BODY_ENABLE_GYROSCOPIC_FORCES = 4


class TendonType(IntEnum):
    TENDON_FIXED = 0
    TENDON_SPATIAL = 1


@dataclass
class AttractorProperties(Struct):
    """A spring-damper that pulls a rigid body (its handle in the environment) towards a pose.

    ``axes``: which of x, y, z and the rotations about them (a sum of ``AXIS_*``) are pulled, along the axes of ``target``.
    ``stiffness``: N/m and N m/rad; ``damping``: N s/m and N m s/rad. ``offset``: the point of the body that is pulled.
    """

    axes: int = AXIS_ALL
    damping: float = 0.0
    offset: Transform = field(default_factory=Transform)
    rigid_handle: int = -1
    stiffness: float = 0.0
    target: Transform = field(default_factory=Transform)


@dataclass
class ForceSensorProperties(Struct):
    """What a force sensor counts: forces of forward dynamics (gravity, drives, forces that a client applies, inertia of other
    bodies) and of the constraint solver (contacts), in the sensor's frame or along world axes."""

    enable_constraint_solver_forces: bool = True
    enable_forward_dynamics_forces: bool = True
    use_world_frame: bool = False


@dataclass
class SpatialForce(Struct):
    """A force (N) and a torque (N m)."""

    force: Vec3 = field(default_factory=Vec3)
    torque: Vec3 = field(default_factory=Vec3)


@dataclass
class TendonProperties(Struct):
    """A fixed tendon: its length is the sum of coefficient times joint position.

    ``stiffness`` and ``damping`` pull towards the rest length; with ``is_fixed_limited`` the length stays between the limits.
    """

    damping: float = 0.0
    fixed_lower_limit: float = -FLT_MAX
    fixed_spring_rest_length: float = 0.0
    fixed_upper_limit: float = FLT_MAX
    is_fixed_limited: bool = False
    limit_stiffness: float = 0.0
    num_attachments: int = 0
    num_joints: int = 0
    stiffness: float = 0.0
    type: TendonType = TendonType.TENDON_FIXED


@dataclass
class DofFrame(Record):
    """Where a DOF acts: a point and an axis."""

    origin: Vec3 = field(default_factory=Vec3)
    axis: Vec3 = field(default_factory=Vec3)

    dtype: ClassVar[np.dtype] = np.dtype([("origin", Vec3.dtype), ("axis", Vec3.dtype)])


@dataclass
class Mat44(Struct):
    """A 4x4 matrix by rows, each as (x, y, z, w)."""

    x: Quat = field(default_factory=lambda: Quat(1.0, 0.0, 0.0, 0.0))
    y: Quat = field(default_factory=lambda: Quat(0.0, 1.0, 0.0, 0.0))
    z: Quat = field(default_factory=lambda: Quat(0.0, 0.0, 1.0, 0.0))
    w: Quat = field(default_factory=Quat)


@dataclass
class PerformanceTimers(Struct):
    """Seconds since the last step spent in each part."""

    frame_idling: float = 0.0
    graphics_image_retrieval: float = 0.0
    graphics_sensor_rendering: float = 0.0
    graphics_viewer_rendering: float = 0.0
    physics_data_movement: float = 0.0
    physics_sim: float = 0.0
    total_time: float = 0.0
