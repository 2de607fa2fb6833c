"""Environments and actors, and how they become MuJoCo models.

Environments with the same actors, assets, collision classes and structure form a *group* that shares one compiled model;
what may still differ inside a group (drive gains, limits, friction, masses) is written into a model of its own for each
distinct set of values. The base of a fixed actor is a mocap body, so its pose belongs to the state, not to the model.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import mujoco
import numpy as np

from .assets import Asset
from .datatypes import (
    DofDriveMode,
    Mat33,
    RigidBodyProperties,
    RigidShapeProperties,
    SimParams,
    Transform,
    Vec3,
)
from .ground import Ground, Window

#: Prefix of the sensors that measure the net contact force on each body.
CONTACT_SENSOR = "contact/"
#: Friction cones, and how many times as hard friction is as the normal force: where grasped objects must not slip.
CONES = {"elliptic": (mujoco.mjtCone.mjCONE_ELLIPTIC, 10.0), "pyramidal": (mujoco.mjtCone.mjCONE_PYRAMIDAL, 1.0)}
#: Bytes of MuJoCo's arena for each environment. MT10's scenes use 15 kB of it; its own guess, 14 MB each, adds up.
ARENA = 4 << 20
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
    body_props: list[RigidBodyProperties] | None = None  #: None: as in the asset

    def __post_init__(self) -> None:
        self.dof_props = self.asset.dof_props.copy()
        self.shape_props = [copy.copy(p) for p in self.asset.shape_props]
        if self.filter > 0:
            for props in self.shape_props:
                props.filter = self.filter

    def structure(self, group: int) -> tuple:
        """What must be equal for two actors to share a compiled model; ``group`` as numbered within the environment."""
        return self.asset.uid, group, tuple(p.filter for p in self.shape_props)

    def variant(self) -> tuple:
        """What may differ within a group, as a hashable value."""
        shapes = tuple((p.friction, p.torsion_friction, p.rolling_friction) for p in self.shape_props)
        bodies = None if self.body_props is None else tuple(repr(p) for p in self.body_props)
        return self.dof_props.tobytes(), shapes, bodies


@dataclass(eq=False)
class Env:
    """One environment: a world of its own, with poses in its own frame."""

    index: int
    actors: list[Actor] = field(default_factory=list)
    in_aggregate: bool = False
    window: Window | None = None  #: the part of the ground it holds; None: all

    def structure(self) -> tuple:
        # A collision group only says who meets whom: clients number them by environment, so number them anew here.
        numbers: dict[int, int] = {-1: -1}
        groups = [numbers.setdefault(a.group, len(numbers)) for a in self.actors]
        actors = tuple(actor.structure(group) for actor, group in zip(self.actors, groups, strict=True))
        return actors if self.window is None else (*actors, self.window[2:])

    def variant(self) -> tuple:
        return *(actor.variant() for actor in self.actors), self.window

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
        by_structure.setdefault(env.structure(), []).append(env)
    groups = []
    for members in by_structure.values():
        base = build_model(members[0], params, ground, contact_sensors)
        variants: dict[tuple, mujoco.MjModel] = {}
        for env in members:
            if env.variant() not in variants:
                model = variants[env.variant()] = with_properties(base, env)
                ground.fill(model, env.window)
        sizes = base.nbody, base.njnt, base.nv, base.nq, base.ngeom, base.nu
        place = Place(*(np.arange(n) for n in sizes))
        models = [variants[env.variant()] for env in members]
        groups.append(Group(members, base, models, [place] * len(members)))
    return groups


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
    # PhysX drives are implicit spring-dampers: implicitfast integrates damping and drive damping implicitly.
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    if params.friction_cone not in CONES:
        raise ValueError(f"there is no friction_cone {params.friction_cone!r}; there are {', '.join(CONES)}")
    option.cone, option.impratio = CONES[params.friction_cone]
    # A diverged state must be seen, not silently replaced by MuJoCo.
    option.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
    return spec


def build_model(env: Env, params: SimParams, ground: Ground, contact_sensors: bool = False) -> mujoco.MjModel:
    """Compile the structure of ``env``. Bodies 1.. are the actors' bodies in creation order, depth first.

    With ``contact_sensors``, one sensor a body, in that order, gives the net contact force on it.
    """
    spec = empty_spec(params)
    classes = _CollisionClasses()
    for geom in ground.add_to(spec, env.window):
        classes.add(geom, -1, 0, True)
    if ground.maps:
        # A height field is a row of prisms. The least way out of one, which the exact routine finds, may lead through a wall
        # between two of them, that is under the ground; the other one searches from the prism's middle, so upwards.
        spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_NATIVECCD
    for i, actor in enumerate(env.actors):
        child = actor.asset.spec.copy()
        root = spec.worldbody.add_frame().attach_body(child.worldbody.first_body(), f"{i}/", "")
        if actor.asset.fixed:
            if root.joints:
                raise ValueError(f"actor {actor.name!r}: the root body of a fixed asset cannot have joints")
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
            for name in actor.asset.body_names:
                add_contact_sensor(spec, f"{i}/{name}")
    classes.apply()
    try:
        model = spec.compile()
        ground.fill(model, env.window)
        return model
    except ValueError as error:
        names = ", ".join(repr(a.name) for a in env.actors)
        raise ValueError(f"environment {env.index} with actors {names} cannot be compiled: {error}") from error


def with_properties(base: mujoco.MjModel, env: Env) -> mujoco.MjModel:
    """A copy of ``base`` with the properties of ``env``'s actors.

    A drive is one affine actuator a DOF: force = ctrl - kp * q - kd * qd (see ``Simulation.simulate``). Joint stiffness
    and damping act passively in the modes none and effort, and as the drive's gains in the modes position and velocity.
    """
    m = copy.copy(base)
    body, shape, dof = 1, 0, 0
    collides = (m.geom_contype | m.geom_conaffinity).astype(bool) & (m.geom_bodyid > 0)
    colliding = np.flatnonzero(collides)
    for actor in env.actors:
        if actor.body_props is not None:
            for k, props in enumerate(actor.body_props):
                _write_inertia(m, body + k, props)
        for k, p in enumerate(actor.shape_props):
            m.geom_friction[colliding[shape + k]] = p.friction, p.torsion_friction, p.rolling_friction
        for p in actor.dof_props:
            joint = m.actuator_trnid[dof, 0]
            adr = m.jnt_dofadr[joint]
            drive_kp, drive_kd = drive_gains(p)
            driven = p["driveMode"] in (DofDriveMode.DOF_MODE_POS, DofDriveMode.DOF_MODE_VEL)
            m.jnt_limited[joint] = p["hasLimits"]
            if p["hasLimits"]:
                m.jnt_range[joint] = p["lower"], p["upper"]
            m.jnt_stiffness[joint] = 0.0 if driven else p["stiffness"]
            m.dof_damping[adr] = 0.0 if driven else p["damping"]
            m.dof_frictionloss[adr] = p["friction"]
            m.dof_armature[adr] = p["armature"]
            m.jnt_actfrclimited[joint] = False  # limits are applied to the command
            m.actuator_biasprm[dof, :3] = 0.0, -drive_kp, -drive_kd
            dof += 1
        body += len(actor.asset.body_names)
        shape += len(actor.shape_props)
    mujoco.mj_setConst(m, mujoco.MjData(m))
    body = 1
    for actor in env.actors:
        if not actor.asset.fixed:  # PhysX's damping is an acceleration, MuJoCo's a force
            adr, o = m.jnt_dofadr[m.body_jntadr[body]], actor.asset.options
            m.dof_damping[adr : adr + 3] = o.linear_damping * m.body_subtreemass[body]
            m.dof_damping[adr + 3 : adr + 6] = o.angular_damping * m.dof_M0[adr + 3 : adr + 6]
        body += len(actor.asset.body_names)
    return m


def drive_gains(props: np.ndarray) -> tuple[float, float]:
    """(kp, kd) of the drive of one DOF, zero where its mode does not use them."""
    mode = props["driveMode"]
    kp = float(props["stiffness"]) if mode == DofDriveMode.DOF_MODE_POS else 0.0
    kd = float(props["damping"]) if mode in (DofDriveMode.DOF_MODE_POS, DofDriveMode.DOF_MODE_VEL) else 0.0
    return kp, kd


def body_properties(actor: Actor) -> list[RigidBodyProperties]:
    """The actor's masses (kg), centres of mass (m) and inertias (kg m^2, about the centre, body axes)."""
    if actor.body_props is not None:
        return [copy.deepcopy(p) for p in actor.body_props]
    m, out = actor.asset.model, []
    for b in range(1, m.nbody):
        flat = np.empty(9)
        mujoco.mju_quat2Mat(flat, m.body_iquat[b])
        rotation = flat.reshape(3, 3)
        inertia = rotation @ np.diag(m.body_inertia[b]) @ rotation.T
        mass = float(m.body_mass[b])
        props = RigidBodyProperties(com=Vec3(*map(float, m.body_ipos[b])), mass=mass, invMass=1 / mass if mass else 0.0)
        props.inertia = Mat33(*(Vec3(*map(float, row)) for row in inertia))
        if mass:
            props.invInertia = Mat33(*(Vec3(*map(float, row)) for row in np.linalg.pinv(inertia)))
        out.append(props)
    return out


def warn_restitution(restitution: float, where: str) -> None:
    if restitution:
        warnings.warn(
            f"restitution {restitution} of {where} has no effect: MuJoCo contacts do not bounce", stacklevel=3
        )


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


def _write_inertia(m: mujoco.MjModel, body: int, props: RigidBodyProperties) -> None:
    i = props.inertia
    values, vectors = np.linalg.eigh(np.array([_xyz(i.x), _xyz(i.y), _xyz(i.z)]))
    if np.linalg.det(vectors) < 0:
        vectors[:, 0] *= -1
    m.body_mass[body] = props.mass
    m.body_ipos[body] = _xyz(props.com)
    m.body_inertia[body] = values
    mujoco.mju_mat2Quat(m.body_iquat[body], np.ascontiguousarray(vectors).ravel())


def _xyz(v: Vec3) -> list[float]:
    return [v.x, v.y, v.z]
