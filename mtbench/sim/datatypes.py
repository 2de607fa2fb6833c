"""The value types of Isaac Gym's ``gymapi``: enumerations and parameter records.

Names, fields and defaults follow Isaac Gym Preview 4. Units are SI. Vectors and poses are in :mod:`.pose_types`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from .pose_types import Transform, Vec3
from .structs import Struct

FLT_MAX = float(np.finfo(np.float32).max)

#: numpy layout of DOF properties, one row a DOF
DOF_PROPERTIES = np.dtype(
    [
        ("hasLimits", "?"),
        ("lower", "<f4"),
        ("upper", "<f4"),
        ("driveMode", "<i4"),
        ("velocity", "<f4"),
        ("effort", "<f4"),
        ("stiffness", "<f4"),
        ("damping", "<f4"),
        ("friction", "<f4"),
        ("armature", "<f4"),
    ]
)


class SimType(IntEnum):
    SIM_PHYSX = 0
    SIM_FLEX = 1


class UpAxis(IntEnum):
    UP_AXIS_Y = 0
    UP_AXIS_Z = 1


class DofDriveMode(IntEnum):
    DOF_MODE_NONE = 0
    DOF_MODE_POS = 1
    DOF_MODE_VEL = 2
    DOF_MODE_EFFORT = 3


class DofType(IntEnum):
    DOF_INVALID = -1
    DOF_ROTATION = 0
    DOF_TRANSLATION = 1


class JointType(IntEnum):
    JOINT_INVALID = -1
    JOINT_FIXED = 0
    JOINT_REVOLUTE = 1
    JOINT_PRISMATIC = 2
    JOINT_BALL = 3
    JOINT_PLANAR = 4
    JOINT_FLOATING = 5


class CoordinateSpace(IntEnum):
    ENV_SPACE = 0
    LOCAL_SPACE = 1
    GLOBAL_SPACE = 2


class IndexDomain(IntEnum):
    DOMAIN_ACTOR = 0
    DOMAIN_ENV = 1
    DOMAIN_SIM = 2


class ContactCollection(IntEnum):
    CC_NEVER = 0
    CC_LAST_SUBSTEP = 1
    CC_ALL_SUBSTEPS = 2


class TensorDataType(IntEnum):
    DTYPE_FLOAT32 = 0
    DTYPE_UINT32 = 1
    DTYPE_UINT64 = 2
    DTYPE_UINT8 = 3
    DTYPE_INT16 = 4


STATE_NONE, STATE_POS, STATE_VEL, STATE_ALL = 0, 1, 2, 3
INVALID_HANDLE = -1


@dataclass
class PhysXParams(Struct):
    """Solver settings. On MuJoCo only ``num_threads`` has a meaning (0: every core); the rest describe PhysX's solver."""

    always_use_articulations: bool = False
    bounce_threshold_velocity: float = 0.2
    contact_collection: ContactCollection = ContactCollection.CC_ALL_SUBSTEPS
    contact_offset: float = 0.02
    default_buffer_size_multiplier: float = 2.0
    friction_correlation_distance: float = 0.025
    friction_offset_threshold: float = 0.04
    max_depenetration_velocity: float = 100.0
    max_gpu_contact_pairs: int = 1024 * 1024
    num_position_iterations: int = 4
    num_subscenes: int = 0
    num_threads: int = 0
    num_velocity_iterations: int = 1
    rest_offset: float = 0.001
    solver_type: int = 1
    use_gpu: bool = False


@dataclass
class FlexParams(Struct):
    """Settings of FleX, another engine, which ``create_sim`` refuses; clients fill them in all the same."""

    contact_regularization: float = 1.0e-6
    deterministic_mode: bool = False
    dynamic_friction: float = 0.0
    friction_mode: int = 2
    geometric_stiffness: float = 0.0
    max_rigid_contacts: int = 0
    max_soft_contacts: int = 0
    num_inner_iterations: int = 20
    num_outer_iterations: int = 4
    particle_friction: float = 0.0
    relaxation: float = 0.75
    return_contacts: bool = False
    shape_collision_distance: float = 0.0
    shape_collision_margin: float = 0.0
    solver_type: int = 5
    static_friction: float = 0.0
    warm_start: float = 0.4


@dataclass
class WarpParams(Struct):
    """Settings of MuJoCo Warp, which steps every simulation with ``use_gpu_pipeline``. Not in Isaac Gym.

    ``enabled``: use it on the CPU too (slow; for tests). ``merge``: run different scenes as one model. ``contacts``: room
    for contacts, as a mean over environments, and ``constraints``, for each environment; 0: the defaults.
    ``jacobian``: how that of the constraints is kept, ``dense``, ``sparse`` or ``auto``, dense up to 32 DOFs.
    """

    enabled: bool = False
    merge: bool = True
    contacts: int = 0
    constraints: int = 0
    jacobian: str = "auto"


@dataclass
class SimParams(Struct):
    """``dt`` (seconds) is divided into ``substeps`` physics steps.

    Not in Isaac Gym: ``friction_cone``, of which ``elliptic`` holds what is grasped and ``pyramidal`` is quicker and does for
    walking; and ``implicit_contacts``: contacts, limits and attractors are solved for together with what drives and
    dampers will do by the end of the substep, as in PhysX. Without it they are solved for as if drives went by the
    beginning, and stiff drives that press on something bounce. And ``keep_finite``: an environment that diverges is put back
    to its last finite state, at rest, instead of showing NaN until it is set.
    """

    dt: float = 1.0 / 60.0
    enable_actor_creation_warning: bool = True
    flex: FlexParams = field(default_factory=FlexParams)
    friction_cone: str = "elliptic"
    gravity: Vec3 = field(default_factory=lambda: Vec3(0.0, -9.8, 0.0))
    implicit_contacts: bool = True
    keep_finite: bool = True
    num_client_threads: int = 0
    physx: PhysXParams = field(default_factory=PhysXParams)
    stress_visualization: bool = False
    stress_visualization_max: float = 1.0e5
    stress_visualization_min: float = 0.0
    substeps: int = 2
    up_axis: UpAxis = UpAxis.UP_AXIS_Y
    use_gpu_pipeline: bool = False
    warp: WarpParams = field(default_factory=WarpParams)


@dataclass
class PlaneParams(Struct):
    """A ground plane: points x with ``normal . x = -distance`` (metres, PhysX's sign) bound the half space of bodies."""

    distance: float = 0.0
    dynamic_friction: float = 1.0
    normal: Vec3 = field(default_factory=lambda: Vec3(0.0, 1.0, 0.0))
    restitution: float = 0.0
    segmentation_id: int = 0
    static_friction: float = 1.0


@dataclass
class HeightFieldParams(Struct):
    """A ground of integer heights, ``column_scale`` and ``row_scale`` metres apart; columns go along x, rows along y."""

    column_scale: float = 1.0
    dynamic_friction: float = 1.0
    nbColumns: int = 0  # noqa: N815 (Isaac Gym's name)
    nbRows: int = 0  # noqa: N815
    restitution: float = 0.0
    row_scale: float = 1.0
    segmentation_id: int = 0
    static_friction: float = 1.0
    transform: Transform = field(default_factory=Transform)
    vertical_scale: float = 1.0


@dataclass
class TriangleMeshParams(Struct):
    """A ground of triangles."""

    dynamic_friction: float = 1.0
    nb_triangles: int = 0
    nb_vertices: int = 0
    restitution: float = 0.0
    segmentation_id: int = 0
    static_friction: float = 1.0
    transform: Transform = field(default_factory=Transform)


@dataclass
class VhacdParams(Struct):
    """Settings of V-HACD. MuJoCo collides with the convex hull of each mesh; nothing is decomposed."""

    alpha: float = 0.05
    beta: float = 0.05
    concavity: float = 0.0
    convex_hull_approximation: bool = True
    convex_hull_downsampling: int = 4
    max_convex_hulls: int = 64
    max_num_vertices_per_ch: int = 64
    min_volume_per_ch: float = 0.0001
    mode: int = 0
    ocl_acceleration: bool = False
    pca: int = 0
    plane_downsampling: int = 4
    project_hull_vertices: bool = True
    resolution: int = 100000


@dataclass
class AssetOptions(Struct):
    """How an asset is imported; ``docs/tensor_api.md`` says which options act on MuJoCo."""

    angular_damping: float = 0.5
    armature: float = 0.0
    collapse_fixed_joints: bool = False
    convex_decomposition_from_submeshes: bool = False
    default_dof_drive_mode: int = DofDriveMode.DOF_MODE_NONE
    density: float = 1000.0
    disable_gravity: bool = False
    enable_gyroscopic_forces: bool = True
    fix_base_link: bool = False
    flip_visual_attachments: bool = False
    linear_damping: float = 0.0
    max_angular_velocity: float = 64.0
    max_linear_velocity: float = 1000.0
    mesh_normal_mode: int = 0  # FROM_ASSET
    min_particle_mass: float = 1e-12
    override_com: bool = False
    override_inertia: bool = False
    replace_cylinder_with_capsule: bool = False
    slices_per_cylinder: int = 20
    tendon_limit_stiffness: float = 1.0
    thickness: float = 0.02
    use_mesh_materials: bool = False
    use_physx_armature: bool = True
    vhacd_enabled: bool = False
    vhacd_params: VhacdParams = field(default_factory=VhacdParams)


@dataclass
class Mat33(Struct):
    """A 3x3 matrix by rows."""

    x: Vec3 = field(default_factory=Vec3)
    y: Vec3 = field(default_factory=Vec3)
    z: Vec3 = field(default_factory=Vec3)


@dataclass
class RigidBodyProperties(Struct):
    """Mass (kg), centre of mass (m, body frame) and inertia about it (kg m^2, body axes)."""

    com: Vec3 = field(default_factory=Vec3)
    flags: int = 0
    inertia: Mat33 = field(default_factory=Mat33)
    invInertia: Mat33 = field(default_factory=Mat33)  # noqa: N815 (Isaac Gym's name)
    invMass: float = 0.0  # noqa: N815
    mass: float = 0.0


@dataclass
class RigidShapeProperties(Struct):
    """Contact properties of one collision shape; ``filter``: shapes whose filters share a bit do not collide."""

    compliance: float = 0.0
    contact_offset: float = 0.02
    filter: int = 0
    friction: float = 1.0
    rest_offset: float = 0.0
    restitution: float = 0.0
    rolling_friction: float = 0.0
    thickness: float = 0.0
    torsion_friction: float = 0.0


@dataclass
class IndexRange(Struct):
    start: int = 0
    count: int = 0


@dataclass
class ActuatorProperties(Struct):
    """An actuator as its MJCF describes it; ``motor_effort`` is the largest force it may exert (N or N m)."""

    control_limited: bool = False
    force_limited: bool = False
    kp: float = 0.0
    kv: float = 0.0
    lower_control_limit: float = -FLT_MAX
    lower_force_limit: float = -FLT_MAX
    motor_effort: float = 0.0
    upper_control_limit: float = FLT_MAX
    upper_force_limit: float = FLT_MAX


@dataclass
class Version(Struct):
    major: int = 1
    minor: int = 0
