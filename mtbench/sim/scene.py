"""Environments and actors, and how they become MuJoCo models.

Environments with the same actors, assets, collision classes and structure form a *group* that shares one compiled model;
what may still differ inside a group (drive gains, limits, friction, masses) is written into a model of its own for each
distinct set of values. The base of a fixed actor is a mocap body, so its pose belongs to the state, not to the model.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from . import attractors, force_sensors, inertia, tendons
from .assets import Asset
from .component_types import AttractorProperties
from .datatypes import DofDriveMode, RigidBodyProperties, RigidShapeProperties, SimParams
from .ground import Ground, Window
from .pose_types import Transform, Vec3

if TYPE_CHECKING:
    from .cameras import Camera
    from .start import Start

#: Prefix of the sensors that measure the net contact force on each body.
CONTACT_SENSOR = "contact/"
#: Friction cones, and how many times as hard friction is as the normal force: where grasped objects must not slip.
CONES = {"elliptic": (mujoco.mjtCone.mjCONE_ELLIPTIC, 10.0), "pyramidal": (mujoco.mjtCone.mjCONE_PYRAMIDAL, 1.0)}
#: Bytes of MuJoCo's arena for each environment. MT10's scenes use 15 kB of it; its own guess, 14 MB each, adds up.
ARENA = 4 << 20
NONE, POSITION, VELOCITY, EFFORT = (mode.value for mode in DofDriveMode)
LEAST_FRICTION = 1e-5  # as MuJoCo has it
MAX_CLASSES = 31  # collision classes are bits of a signed 32-bit mask


@dataclass(eq=False)
class Actor:
    """An asset placed in an environment. ``*_props`` are this actor's own and may be changed by the client."""

    asset: Asset
    pose: Transform
    name: str
    group: int
    filter: int
    segmentation_id: int = 0
    dof_props: np.ndarray = field(init=False)
    shape_props: list[RigidShapeProperties] = field(init=False)
    tendons: list[tendons.Tendon] = field(init=False)
    scale: float = 1.0  #: of the asset that the client gave; ``asset`` is that size
    body_props: dict[int, RigidBodyProperties] = field(default_factory=dict)  #: by body, where not the asset's
    start: Start | None = None  #: what was set before the simulation was prepared

    def __post_init__(self) -> None:
        self.dof_props = self.asset.dof_props.copy()
        self.shape_props = [copy.copy(p) for p in self.asset.shape_props]
        self.tendons = [tendon.copy() for tendon in self.asset.tendons]
        if self.filter > 0:
            for props in self.shape_props:
                props.filter = self.filter

    def structure(self, group: int) -> tuple:
        """What must be equal for two actors to share a compiled model; ``group`` as numbered within the environment."""
        return self.asset.uid, group, tuple(p.filter for p in self.shape_props)

    def variant(self) -> tuple:
        """What may differ within a group, as a hashable value."""
        shapes = tuple((p.friction, p.torsion_friction, p.rolling_friction) for p in self.shape_props)
        bodies = repr(sorted(self.body_props.items())) if self.body_props else ""
        return self.dof_props.tobytes(), shapes, bodies, tuple(tendon.variant() for tendon in self.tendons)


@dataclass(eq=False)
class Env:
    """One environment: a world of its own, with poses in its own frame."""

    index: int
    actors: list[Actor] = field(default_factory=list)
    in_aggregate: bool = False
    window: Window | None = None  #: the part of the ground it holds; None: all
    ground_friction: float | None = None  #: with which the shapes' is averaged; None: where it is not
    attractors: list[AttractorProperties] = field(default_factory=list)
    colors: dict[tuple[int, int], tuple[float, float, float]] = field(default_factory=dict)  #: of (actor, body)
    segmentation: dict[tuple[int, int], int] = field(default_factory=dict)  #: ids of (actor, body)
    cameras: list[Camera | None] = field(default_factory=list)  #: None where one was destroyed
    textures: dict[tuple[int, int], int] = field(default_factory=dict)  #: handles

    def structure(self) -> tuple:
        # A collision group only says who meets whom: clients number them by environment, so number them anew here.
        numbers: dict[int, int] = {-1: -1}
        groups = [numbers.setdefault(a.group, len(numbers)) for a in self.actors]
        actors = tuple(actor.structure(group) for actor, group in zip(self.actors, groups, strict=True))
        actors += attractors.structure(self)
        return actors if self.window is None else (*actors, self.window[2:])

    def variant(self) -> tuple:
        return *(actor.variant() for actor in self.actors), self.window, attractors.variant(self)

    @property
    def num_bodies(self) -> int:
        return sum(len(a.asset.body_names) for a in self.actors)

    @property
    def num_dofs(self) -> int:
        return sum(len(a.asset.dof_names) for a in self.actors)


@dataclass(frozen=True, eq=False)
class Place:
    """Where the parts of an environment's own model stand in the model its group runs; -1: nowhere.

    Each is an integer array over the own model's bodies, joints, DOFs, entries of qpos, geoms or actuators.
    """

    bodies: np.ndarray
    joints: np.ndarray
    dofs: np.ndarray
    qpos: np.ndarray
    geoms: np.ndarray
    actuators: np.ndarray

    @classmethod
    def whole(cls, m: mujoco.MjModel) -> Place:
        """Where the group runs the environment's own model."""
        return cls(*(np.arange(n) for n in (m.nbody, m.njnt, m.nv, m.nq, m.ngeom, m.nu)))


@dataclass(eq=False)
class Group:
    """Environments that run one structure: each one's own model, and where its parts stand in ``base``.

    The two are the same but in groups of merged scenes (:mod:`.padding`).

    Attributes:
        driven: mocap poses are inputs of every step, like drive commands.
        placed: environments share one model but have body positions of their own, see ``CpuEngine.body_pos``.
    """

    envs: list[Env]
    base: mujoco.MjModel
    models: list[mujoco.MjModel]
    places: list[Place]
    merged: bool = False
    driven: bool = False
    placed: bool = False


def build_groups(envs: Sequence[Env], params: SimParams, ground: Ground, contact_sensors: bool = False) -> list[Group]:
    """Sort environments into groups and compile one model a group, plus one per distinct set of properties."""
    by_structure: dict[tuple, list[Env]] = {}
    for env in envs:
        # Of two frictions MuJoCo takes the larger, PhysX the mean. Where an actor meets the ground and nobody else, its
        # shapes are given the mean, and the ground none. Among several actors a shape has one value for all it meets.
        env.ground_friction = ground.friction if len(env.actors) == 1 else None
        by_structure.setdefault(env.structure(), []).append(env)
    changed = changed_inertias(envs)
    groups = []
    for members in by_structure.values():
        base = build_model(members[0], params, ground, contact_sensors, changed)
        scratch = mujoco.MjData(base)
        variants: dict[tuple, mujoco.MjModel] = {}
        models = []
        for env in members:
            variant = env.variant()
            if variant not in variants:
                variants[variant] = with_properties(base, env, scratch)
                if env.window != members[0].window:
                    ground.fill(variants[variant], env.window)
            models.append(variants[variant])
        groups.append(Group(members, base, models, [Place.whole(base)] * len(members)))
    return groups


def changed_inertias(envs: Iterable[Env]) -> set[int]:
    """``uid`` of the assets of which an actor has masses, centres of mass, inertias or flags of its own."""
    return {actor.asset.uid for env in envs for actor in env.actors if actor.body_props}


def add_contact_sensor(spec: mujoco.MjSpec, body: str) -> None:
    """Measure the net contact force on a body, in world axes."""
    sensor = spec.add_sensor(
        name=CONTACT_SENSOR + body,
        type=mujoco.mjtSensor.mjSENS_CONTACT,
        objtype=mujoco.mjtObj.mjOBJ_BODY,
        objname=body,
    )
    # data: force only, reduction: net force, one slot
    sensor.intprm[:3] = 1 << mujoco.mjtConDataField.mjCONDATA_FORCE.value, 3, 1


def empty_spec(params: SimParams) -> mujoco.MjSpec:
    """A world without bodies, with the options that all models have."""
    spec = mujoco.MjSpec()
    spec.compiler.fusestatic = False
    spec.compiler.degree = False
    spec.memory = ARENA
    option = spec.option
    option.timestep = params.dt / params.substeps
    option.gravity = _xyz(params.gravity)
    # PhysX drives are implicit spring-dampers. implicitfast damps implicitly, but only after it has solved for the contacts;
    # the alternative is in ``with_properties``.
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    if params.implicit_contacts:
        option.integrator = mujoco.mjtIntegrator.mjINT_EULER
        option.disableflags |= mujoco.mjtDisableBit.mjDSBL_EULERDAMP
    if params.friction_cone not in CONES:
        raise ValueError(f"there is no friction_cone {params.friction_cone!r}; there are {', '.join(CONES)}")
    option.cone, option.impratio = CONES[params.friction_cone]
    # A diverged state must be seen, not silently replaced by MuJoCo.
    option.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
    return spec


def build_model(
    env: Env,
    params: SimParams,
    ground: Ground,
    contact_sensors: bool = False,
    changed: Set[int] = frozenset(),
) -> mujoco.MjModel:
    """Compile the structure of ``env``. Bodies 1.. are the actors' bodies in creation order, depth first.

    With ``contact_sensors``, one sensor a body, in that order, gives the net contact force on it. Assets whose ``uid`` is in
    ``changed`` are compiled so that :func:`with_properties` can give their bodies any inertia.
    """
    spec = empty_spec(params)
    classes = _CollisionClasses()
    for geom in ground.add_to(spec, env.window):
        classes.add(geom, -1, 0, True)
        if env.ground_friction is not None:
            geom.friction[0] = LEAST_FRICTION
    if ground.maps:
        # A height field is a row of prisms. The least way out of one, which the exact routine finds, may lead through a wall
        # between two of them, that is under the ground; the other one searches from the prism's middle, so upwards.
        spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_NATIVECCD
    for i, actor in enumerate(env.actors):
        child = actor.asset.spec.copy()
        if actor.asset.uid in changed:
            inertia.tilt(child, actor.asset.model)
        root = spec.worldbody.add_frame().attach_body(child.worldbody.first_body(), f"{i}/", "")
        if actor.asset.fixed:
            root.mocap = True
        else:
            root.add_freejoint()
        shapes = iter(actor.shape_props)
        for body, moving in _walk(root, not actor.asset.fixed):
            for geom in body.geoms:
                if geom.contype or geom.conaffinity:
                    classes.add(geom, actor.group, next(shapes).filter, not moving)
        for name in actor.asset.dof_names:
            spec.add_actuator(
                name=f"{i}/{name}",
                target=f"{i}/{name}",
                trntype=mujoco.mjtTrn.mjTRN_JOINT,
                biastype=mujoco.mjtBias.mjBIAS_AFFINE,
            )
        if contact_sensors:
            for body, _ in _walk(root, False):
                add_contact_sensor(spec, body.name)
    force_sensors.add_to(spec, env)
    attractors.add_to(spec, env)
    classes.apply()
    try:
        model = spec.compile()
        ground.fill(model, env.window)
        return model
    except ValueError as error:
        names = ", ".join(repr(a.name) for a in env.actors)
        raise ValueError(f"environment {env.index} with actors {names} cannot be compiled: {error}") from error


def with_properties(
    base: mujoco.MjModel, env: Env, scratch: mujoco.MjData | None = None, in_place: bool = False
) -> mujoco.MjModel:
    """A copy of ``base``, or itself, with the properties of ``env``'s actors. ``scratch``: any data of the structure, to work
    in.

    A drive is one affine actuator a DOF: force = ctrl - kp q - (kd + h kp) qd (see ``Simulation.simulate``) in steps of h.
    MuJoCo takes the damping of what it is at the end of the step and the stiffness of what it was at the beginning; with
    h kp more damping both act at the end, on q + h qd, as PhysX's drives do, and no stiffness is too much for a light joint.
    The same goes for the spring of a joint that has no drive. A DOF in effort mode keeps its damping and has no stiffness.

    With a damping d taken at the end of the step, (M + h d) a = f: so much more inertia does what implicit integration
    does, and contacts and limits are solved for with it. That is how models with ``implicit_contacts`` are integrated.
    """
    m = base if in_place else copy.copy(base)
    body = 1
    collides = (m.geom_contype | m.geom_conaffinity).astype(bool) & (m.geom_bodyid > 0)
    shapes = [p for actor in env.actors for p in actor.shape_props]
    if shapes:
        friction = np.array([(p.friction, p.torsion_friction, p.rolling_friction) for p in shapes])
        if env.ground_friction is not None:
            friction[:, 0] = 0.5 * (friction[:, 0] + env.ground_friction)
        elif (friction[:, 0] < 0.0).any():  # drawn by clients who reckon with PhysX's mean
            several = "a negative friction acts as 0 in an environment of several actors"
            warnings.warn(f"{several}: of two shapes' MuJoCo takes the larger, PhysX their mean", stacklevel=2)
        m.geom_friction[collides] = np.maximum(friction, [LEAST_FRICTION, -np.inf, -np.inf])
    for actor in env.actors:
        own, last = actor.asset.model, body + len(actor.asset.body_names)
        for name in ("body_mass", "body_ipos", "body_iquat", "body_inertia", "body_gravcomp"):
            getattr(m, name)[body:last] = getattr(own, name)[1:]
        for k, props in actor.body_props.items():
            inertia.write(m, body + k, props)
        body = last
    if m.nu:
        dofs = np.concatenate([actor.dof_props for actor in env.actors])
        joint, h = m.actuator_trnid[:, 0], m.opt.timestep
        dof, mode = m.jnt_dofadr[joint], dofs["driveMode"]
        kp, kd = drive_gains(dofs)
        spring = np.where(mode == NONE, dofs["stiffness"], 0.0)
        passive = (mode == NONE) | (mode == EFFORT)
        limited = dofs["hasLimits"]
        m.jnt_limited[joint] = limited
        m.jnt_range[joint[limited]] = np.stack([dofs["lower"], dofs["upper"]], 1)[limited]
        m.jnt_stiffness[joint] = spring
        m.dof_damping[dof] = np.where(passive, dofs["damping"], 0.0) + h * spring
        m.dof_frictionloss[dof] = dofs["friction"]
        m.jnt_actfrclimited[joint] = False  # limits are applied to the command
        m.actuator_biasprm[:, :3] = np.stack([np.zeros_like(kp), -kp, -(kd + h * kp)], 1)
        m.dof_armature[dof] = dofs["armature"] + damping_inertia(m)[dof]
    if m.opt.integrator == mujoco.mjtIntegrator.mjINT_EULER:
        m.dof_armature[m.jnt_type[m.dof_jntid] == mujoco.mjtJoint.mjJNT_FREE] = 0.0
        m.body_simple[m.body_simple == 2] = 1  # MuJoCo takes the inverse of the mass alone for bodies on slides
    mujoco.mj_setConst(m, scratch or mujoco.MjData(m))
    body = 1
    for i, actor in enumerate(env.actors):
        tendons.write(m, f"{i}/", actor.tendons)
        if not actor.asset.fixed:  # PhysX's damping is an acceleration, MuJoCo's a force
            adr, o = m.jnt_dofadr[m.body_jntadr[body]], actor.asset.options
            m.dof_damping[adr : adr + 3] = o.linear_damping * m.body_subtreemass[body]
            m.dof_damping[adr + 3 : adr + 6] = o.angular_damping * m.dof_M0[adr + 3 : adr + 6]
            m.dof_armature[adr : adr + 6] = added = damping_inertia(m)[adr : adr + 6]
            m.dof_M0[adr : adr + 6] += added  # from which MuJoCo takes the inertia of bodies without joints
        body += len(actor.asset.body_names)
    attractors.write(m, env)
    return m


def damping_inertia(m: mujoco.MjModel) -> np.ndarray:
    """(nv,) inertia that stands for the damping of DOFs and drives where contacts are implicit, part of ``dof_armature``."""
    if m.opt.integrator != mujoco.mjtIntegrator.mjINT_EULER:
        return np.zeros(m.nv)
    damping = m.dof_damping.copy()
    np.subtract.at(damping, m.jnt_dofadr[m.actuator_trnid[:, 0]], m.actuator_biasprm[:, 2])
    return m.opt.timestep * damping


def mass_matrix(m: mujoco.MjModel, d: mujoco.MjData) -> np.ndarray:
    """(nv, nv) joint-space inertia, without what stands for damping; positions in ``d`` are up to date."""
    dense = np.empty((m.nv, m.nv))
    mujoco.mj_fullM(m, d, dense)
    if m.opt.integrator == mujoco.mjtIntegrator.mjINT_EULER:
        dense -= np.diag(damping_inertia(m)) + tendons.damping_inertia(m)
    return dense


def drive_gains(props: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(kp, kd) of the drives of DOFs, float64, zero where the mode does not use them."""
    mode = props["driveMode"]
    kp = np.where(mode == POSITION, props["stiffness"], 0.0).astype(float)
    return kp, np.where((mode == POSITION) | (mode == VELOCITY), props["damping"], 0.0).astype(float)


class _CollisionClasses:
    """Gives every kind of shape its own bit, and every shape the mask of the bits it may touch.

    Two kinds may touch when their groups meet, their filters share no bit, not both are static, and the asset's own
    MJCF masks allow it.
    """

    def __init__(self) -> None:
        self.members: dict[tuple[int, int, bool, int, int], list[mujoco.MjsGeom]] = {}

    def add(self, geom: mujoco.MjsGeom, group: int, filter_: int, static: bool) -> None:
        key = group, filter_, static, int(geom.contype), int(geom.conaffinity)
        self.members.setdefault(key, []).append(geom)

    def apply(self) -> None:
        keys = list(self.members)
        if len(keys) > MAX_CLASSES:
            raise ValueError(f"an environment has {len(keys)} collision classes; at most {MAX_CLASSES} are possible")
        for i, a in enumerate(keys):
            mask = sum(1 << j for j, b in enumerate(keys) if self._touch(a, b))
            for geom in self.members[a]:
                geom.contype, geom.conaffinity = 1 << i, mask

    @staticmethod
    def _touch(a: tuple[int, int, bool, int, int], b: tuple[int, int, bool, int, int]) -> bool:
        groups_meet = a[0] == b[0] or -1 in (a[0], b[0])
        masks_meet = a[3] & b[4] or b[3] & a[4]
        return groups_meet and not a[1] & b[1] and not (a[2] and b[2]) and bool(masks_meet)


def _walk(body: mujoco.MjsBody, moving: bool):
    """Bodies below and with ``body``, depth first, each with whether it can move relative to the world."""
    moving = moving or bool(body.joints)
    yield body, moving
    for child in body.bodies:
        yield from _walk(child, moving)


def _xyz(v: Vec3) -> list[float]:
    return [v.x, v.y, v.z]
