"""Assets: URDF files, MJCF files and primitives, all read into one MuJoCo specification with a single root body.

The specification carries what the file says about structure, inertia and shapes. What Isaac Gym lets a client change
later (drives, limits, friction, masses) is read out as properties here and written into models by :mod:`mtbench.sim.scene`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet
from xml.etree import ElementTree

import mujoco
import numpy as np

from . import inertia, mesh_files, mjcf, tendons, urdf
from .checks import NOT_NEGATIVE, check_fields, warn
from .datatypes import (
    DOF_PROPERTIES,
    FLT_MAX,
    ActuatorProperties,
    AssetOptions,
    DofDriveMode,
    DofType,
    RigidBodyProperties,
    RigidShapeProperties,
)
from .force_sensors import AssetSensor
from .handles import call
from .numbers import number
from .pose_types import Quat
from .tendons import Tendon
from .urdf_repair import UrdfRepair

if TYPE_CHECKING:
    from .simulation import Simulation

_ids = itertools.count()

#: kg and kg m^2 of a link of a URDF that has none: it carries only a frame.
FRAME_MASS = 1e-6


def new_id() -> int:
    """A number that no asset has."""
    return next(_ids)


@dataclass(eq=False)
class Asset:
    """One robot or object, ready to be placed in environments.

    Bodies, DOFs and shapes are listed depth first, siblings as in an MJCF file or by the name of their joint in a URDF file,
    which is the order of every tensor. ``velocity_limits`` (rad/s or m/s) has those DOFs that have one.
    """

    spec: mujoco.MjSpec
    options: AssetOptions
    velocity_limits: Mapping[str, float] = field(default_factory=dict)
    fixed_joints: dict[str, str] = field(default_factory=dict)  #: body -> the named fixed joint it hangs on
    tendons: list[Tendon] = field(init=False)  #: the fixed ones
    force_sensors: list[AssetSensor] = field(default_factory=list)
    sizes: dict[float, Asset] = field(init=False)  #: the same at other scales, shared by all of them
    simulations: WeakSet[Simulation] = field(init=False, default_factory=WeakSet)  #: with actors of any of ``sizes``
    uid: int = field(default_factory=new_id)
    model: mujoco.MjModel = field(init=False)  #: the asset alone, its root fixed to the world
    turn: Quat = field(init=False)  #: the rotation that an MJCF file gives the root; an actor's pose comes on top of it
    body_names: list[str] = field(init=False)
    dof_names: list[str] = field(init=False)
    dof_types: list[DofType] = field(init=False)
    dof_props: np.ndarray = field(init=False)
    body_props: list[RigidBodyProperties] = field(init=False)
    shape_props: list[RigidShapeProperties] = field(init=False)
    shape_body: list[int] = field(init=False)  #: body index of each shape
    actuators: list[tuple[str, str, ActuatorProperties]] = field(init=False)  #: (name, joint, properties)

    def __post_init__(self) -> None:
        self.sizes = {1.0: self}
        self.actuators = [_actuator(a) for a in self.spec.actuators]
        for actuator in self.spec.actuators:
            self.spec.delete(actuator)
        for sensor in self.spec.sensors:
            self.spec.delete(sensor)
        for key in self.spec.keys:
            self.spec.delete(key)
        model = self.model = mesh_files.compile_spec(self.spec)
        self._take_turn()
        # Joint limits, ranges and defaults are resolved by the compiler, so they are read from its result.
        self.body_names = [model.body(i).name for i in range(1, model.nbody)]
        joints = [j for j in range(model.njnt) if model.jnt_type[j] != mujoco.mjtJoint.mjJNT_FREE]
        self.dof_names = [model.joint(j).name for j in joints]
        if "" in self.dof_names or len(set(self.dof_names)) < len(self.dof_names):
            raise ValueError("every joint of an asset needs a name of its own")
        for j in joints:
            if model.jnt_type[j] == mujoco.mjtJoint.mjJNT_BALL:
                body = model.body(model.jnt_bodyid[j]).name
                raise ValueError(
                    f"joint {model.joint(j).name!r} of body {body!r} is a ball joint, and a DOF turns about one axis; write "
                    "three hinges at its place instead"
                )
        slide = mujoco.mjtJoint.mjJNT_SLIDE
        self.dof_types = [
            DofType.DOF_TRANSLATION if model.jnt_type[j] == slide else DofType.DOF_ROTATION for j in joints
        ]
        self.dof_props = np.zeros(len(joints), DOF_PROPERTIES)
        for row, name, j in zip(self.dof_props, self.dof_names, joints, strict=True):
            dof = model.jnt_dofadr[j]
            limited = bool(model.jnt_limited[j])
            row["hasLimits"] = limited
            row["lower"], row["upper"] = model.jnt_range[j] if limited else (-FLT_MAX, FLT_MAX)
            row["driveMode"] = int(self.options.default_dof_drive_mode)
            row["velocity"] = self.velocity_limits.get(name, FLT_MAX)
            row["effort"] = model.jnt_actfrcrange[j, 1] if model.jnt_actfrclimited[j] else FLT_MAX
            row["stiffness"] = model.jnt_stiffness[j]
            row["damping"] = model.dof_damping[dof]
            row["friction"] = model.dof_frictionloss[dof]
            row["armature"] = self.options.armature or model.dof_armature[dof]
        self.tendons = tendons.read(model, self.options.tendon_limit_stiffness)
        self.body_props = inertia.read(model)
        shapes = [g for g in range(model.ngeom) if model.geom_contype[g] or model.geom_conaffinity[g]]
        self.shape_body = [int(model.geom_bodyid[g]) - 1 for g in shapes]
        self.shape_props = [
            RigidShapeProperties(
                friction=float(model.geom_friction[g, 0]),
                torsion_friction=float(model.geom_friction[g, 1]),
                rolling_friction=float(model.geom_friction[g, 2]),
            )
            for g in shapes
        ]

    def _take_turn(self) -> None:
        """Keep the rotation of the root, as the compiler has resolved it, and leave the root without."""
        root, quat = self.spec.worldbody.first_body(), self.model.body_quat[1]
        w, x, y, z = quat.tolist()
        self.turn = Quat(x, y, z, w)
        quat[:] = root.quat = [1.0, 0.0, 0.0, 0.0]
        root.alt.type = mujoco.mjtOrientation.mjORIENTATION_QUAT
        if root.frame is not None:
            root.set_frame(self.spec.worldbody.add_frame())

    @property
    def fixed(self) -> bool:
        return self.options.fix_base_link


def load(path: Path, options: AssetOptions) -> Asset:
    """Read a ``.urdf`` or ``.xml`` (MJCF) file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file does not parse, or has no or several root bodies; an option that cannot be.
    """
    _check(options)
    if not path.is_file():
        raise FileNotFoundError(f"asset file {path} does not exist")
    notes = None
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"asset file {path} is not XML: {error}") from error
    if options.vhacd_enabled:
        warn("AssetOptions.vhacd_enabled has no effect: meshes collide as their convex hulls")
    repair = UrdfRepair(root, path, options) if path.suffix.lower() == ".urdf" else None
    try:
        if repair is None:
            spec = mjcf.read(root, path)
        else:
            notes = urdf.Notes.read(root)
            urdf.arrange(root, options.collapse_fixed_joints)
            spec = mujoco.MjSpec.from_string(ElementTree.tostring(root, encoding="unicode"))
            repair.finish(spec)
    except ValueError as error:
        said = " ".join(str(error).split())
        raise ValueError(said if str(path) in said else f"asset file {path} cannot be read: {said}") from error
    roots = [b.name for b in spec.bodies if b.parent == spec.worldbody]
    if len(roots) != 1:
        names = f" ({', '.join(map(repr, roots))})" if roots else ""
        raise ValueError(
            f"asset file {path}: <worldbody>: it has {len(roots)} root bodies{names}, and an actor is one tree; give each "
            "tree a file of its own, or put them all under one body"
        )
    asset = _finish(spec, options, str(path), notes)
    if repair is not None:
        asset.fixed_joints = repair.fixed_joints
        asset.body_names = [repair.aliases.get(name, name) for name in asset.body_names]
    return asset


def primitive(geom_type: mujoco.mjtGeom, size: list[float], name: str, options: AssetOptions) -> Asset:
    """A single body of one shape; ``size`` as in MuJoCo (half lengths, metres)."""
    size = [number(x, float, f"the size of a {name}") for x in size]
    if not all(0.0 < x < np.inf for x in size):
        raise ValueError(f"gym.create_{name}: the size of a {name} is positive and finite (metres), not {size}")
    _check(options)
    spec = mujoco.MjSpec()
    body = spec.worldbody.add_body(name=name)
    geom = body.add_geom(type=geom_type, size=size + [0.0] * (3 - len(size)))
    if geom_type == mujoco.mjtGeom.mjGEOM_CAPSULE:
        geom.quat = [np.sqrt(0.5), 0.0, np.sqrt(0.5), 0.0]  # Isaac Gym's capsules lie along x
    return _finish(spec, options, name)


def _check(options: AssetOptions) -> None:
    check_fields(options, NOT_NEGATIVE, "density", "armature", "linear_damping", "angular_damping")
    modes = {int(mode): mode.name for mode in DofDriveMode}
    if options.default_dof_drive_mode not in modes:
        known, given = ", ".join(modes.values()), options.default_dof_drive_mode
        raise ValueError(f"{call()}: AssetOptions.default_dof_drive_mode is one of {known}, not {given}")


def _finish(spec: mujoco.MjSpec, options: AssetOptions, source: str, notes: urdf.Notes | None = None) -> Asset:
    """Apply the options. ``notes`` are those of a URDF file."""
    options = deepcopy(options)
    for geom in spec.worldbody.geoms:  # a floor in the file is no part of the asset
        spec.delete(geom)
    root = spec.worldbody.first_body()
    place: mujoco.MjsBody | mujoco.MjsFrame | None = root
    while place is not None:  # the root is where the actor is, and turned by what the file says
        place.pos, place = [0.0, 0.0, 0.0], place.frame
    root.mocap = False
    for joint in root.joints:
        if joint.type == mujoco.mjtJoint.mjJNT_FREE or not options.fix_base_link:  # a floating root needs no joints
            spec.delete(joint)
        else:
            raise ValueError(
                f"asset {source}: joint {joint.name!r} moves the root body {root.name!r}, which fix_base_link holds; leave "
                "the option out, or put the body under one without joints"
            )
    if options.collapse_fixed_joints and notes is not None:  # Isaac Gym leaves MJCF files as they are
        # A joint keeps the root from being merged into the world, and others from being merged into their parents.
        guards = [
            root.add_freejoint(),
            *(spec.body(name).add_joint() for name in notes.kept_links if name != root.name),
        ]
        spec.fuse_static()
        for guard in guards:
            spec.delete(guard)
    spec.compiler.fusestatic = False
    if options.override_inertia:
        spec.compiler.inertiafromgeom = mujoco.mjtInertiaFromGeom.mjINERTIAFROMGEOM_TRUE
    if notes is not None:
        _weigh_frames(spec)
    for body in spec.bodies:
        body.gravcomp = 1.0 if options.disable_gravity else body.gravcomp
        for geom in body.geoms:
            if geom.density == 1000.0:  # MuJoCo's default: the file does not say otherwise
                geom.density = options.density
            if options.replace_cylinder_with_capsule and geom.type == mujoco.mjtGeom.mjGEOM_CYLINDER:
                geom.type = mujoco.mjtGeom.mjGEOM_CAPSULE
    try:
        return Asset(spec, options, notes.velocity_limits if notes else {})
    except ValueError as error:
        raise ValueError(f"asset {source}: {' '.join(str(error).split())}") from error


def _weigh_frames(spec: mujoco.MjSpec) -> None:
    """MuJoCo wants every moving body to have mass and inertia: give ``FRAME_MASS`` to links without, and leave the others."""
    for body in spec.bodies[1:]:
        full = np.array(body.fullinertia)
        moments = full[:3] if np.isfinite(full).all() else np.array(body.inertia)
        if body.explicitinertial:
            lacks_mass, lacks_inertia = not body.mass, not moments.any()
        else:
            lacks_mass = lacks_inertia = not any(g.contype or g.conaffinity for g in body.geoms)
        if lacks_mass or lacks_inertia:
            body.explicitinertial = True
            body.mass = body.mass or FRAME_MASS
            body.fullinertia = [np.nan] * 6
            body.inertia = [FRAME_MASS] * 3


def _actuator(a: mujoco.MjsActuator) -> tuple[str, str, ActuatorProperties]:
    props = ActuatorProperties()
    props.control_limited, props.force_limited = bool(a.ctrllimited == 1), bool(a.forcelimited == 1)
    gear = float(a.gear[0])
    props.kp, props.kv = float(a.gainprm[0]), float(-a.biasprm[2])
    if props.control_limited:
        props.lower_control_limit, props.upper_control_limit = map(float, a.ctrlrange)
    if props.force_limited:
        props.lower_force_limit, props.upper_force_limit = map(float, a.forcerange)
        props.motor_effort = props.upper_force_limit * abs(gear)
    else:
        props.motor_effort = abs(gear) * (props.upper_control_limit if props.control_limited else 1.0) * props.kp
    return a.name, a.target, props
