"""Masses, centres of mass and inertias of bodies, and whether they fall: read from a model, changed by a client, and written
into models.

kg, metres and kg m^2; the inertia is about the centre of mass, in the body's axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy

import mujoco
import numpy as np

from .component_types import (
    RIGID_BODY_DISABLE_GRAVITY,
    RIGID_BODY_DISABLE_SIMULATION,
    RIGID_BODY_ENABLE_GYROSCOPIC_FORCES,
    RIGID_BODY_NONE,
)
from .datatypes import Mat33, RigidBodyProperties
from .pose_types import Vec3

#: Metres and wxyz: a frame that is neither the body's nor parallel to it.
TILTED_POS, TILTED_QUAT = [1e-6, 2e-6, 3e-6], [0.5, 0.5, 0.5, 0.5]
#: Of ``RigidBodyProperties.flags``. Gyroscopic forces always act.
FLAGS = RIGID_BODY_DISABLE_GRAVITY | RIGID_BODY_DISABLE_SIMULATION | RIGID_BODY_ENABLE_GYROSCOPIC_FORCES


def read(m: mujoco.MjModel) -> list[RigidBodyProperties]:
    """Of all bodies but the world."""
    out = []
    for b in range(1, m.nbody):
        flat = np.empty(9)
        mujoco.mju_quat2Mat(flat, m.body_iquat[b])
        rotation = flat.reshape(3, 3)
        matrix = rotation @ np.diag(m.body_inertia[b]) @ rotation.T
        mass = float(m.body_mass[b])
        props = RigidBodyProperties(com=Vec3(*map(float, m.body_ipos[b])), mass=mass, inertia=_mat33(matrix))
        props.flags = RIGID_BODY_DISABLE_GRAVITY if m.body_gravcomp[b] == 1.0 else RIGID_BODY_NONE
        if mass:
            props.invMass, props.invInertia = 1.0 / mass, _mat33(np.linalg.pinv(matrix))
        out.append(props)
    return out


def scaled(p: RigidBodyProperties, times: float) -> RigidBodyProperties:
    """Those of a body with ``times`` the lengths and the same density."""
    inertia, inverse = (
        [row * by for row in (m.x, m.y, m.z)] for m, by in ((p.inertia, times**5), (p.invInertia, times**-5))
    )
    return RigidBodyProperties(
        com=p.com * times,
        flags=p.flags,
        inertia=Mat33(*inertia),
        invInertia=Mat33(*inverse),
        invMass=p.invMass / times**3,
        mass=p.mass * times**3,
    )


def changes(
    props: Sequence[RigidBodyProperties],
    before: Mapping[int, RigidBodyProperties],
    own: Sequence[RigidBodyProperties],
    scale_inertia: bool,
    whose: str,
) -> dict[int, RigidBodyProperties]:
    """Properties by body, where ``props`` differ from the asset's ``own``; ``before`` are the changes until now.

    With ``scale_inertia`` inertias are those of before, times what the mass has grown by, whatever ``props`` say of them.

    Raises:
        NotImplementedError: the flag ``RIGID_BODY_DISABLE_SIMULATION``.
        ValueError: a number that is not finite, a mass or principal inertia that is not positive, or an unknown flag.
    """
    after = {}
    for k, (new, asset) in enumerate(zip(props, own, strict=True)):
        old = before.get(k, asset)
        inertia = old.inertia if scale_inertia else new.inertia
        if scale_inertia and old.mass and new.mass != old.mass:
            inertia = Mat33(*(row * (new.mass / old.mass) for row in (inertia.x, inertia.y, inertia.z)))
        value = new.mass, new.com, inertia, new.flags
        if value == (asset.mass, asset.com, asset.inertia, asset.flags):
            continue
        if value == (old.mass, old.com, old.inertia, old.flags):
            after[k] = old
            continue
        _check_flags(new.flags, f"body {k} of {whose}")
        if value[:3] == (asset.mass, asset.com, asset.inertia):  # also of a body without mass
            after[k] = copy(asset)
            after[k].flags = new.flags
            continue
        matrix = _checked(new.mass, new.com, inertia, f"body {k} of {whose}")
        after[k] = RigidBodyProperties(
            com=Vec3(*_xyz(new.com)),
            flags=new.flags,
            inertia=_mat33(matrix),
            invInertia=_mat33(np.linalg.inv(matrix)),
            invMass=1.0 / float(new.mass),
            mass=float(new.mass),
        )
    return after


def write(m: mujoco.MjModel, body: int, props: RigidBodyProperties) -> None:
    """Write one body's into a model that was compiled with :func:`tilt` and has the asset's compensation of gravity."""
    values, vectors = np.linalg.eigh(_matrix(props.inertia))
    if np.linalg.det(vectors) < 0:
        vectors[:, 0] *= -1
    m.body_mass[body] = props.mass
    if props.flags & RIGID_BODY_DISABLE_GRAVITY:
        m.body_gravcomp[body] = 1.0
    elif m.body_gravcomp[body] == 1.0:  # a part of it, which an MJCF file may give, is no flag
        m.body_gravcomp[body] = 0.0
    m.body_ipos[body] = _xyz(props.com)
    m.body_inertia[body] = values
    mujoco.mju_mat2Quat(m.body_iquat[body], np.ascontiguousarray(vectors).ravel())


def tilt(spec: mujoco.MjSpec, own: mujoco.MjModel) -> None:
    """Let a specification, of which ``own`` is the model, compile into a model whose bodies can be given any inertia.

    MuJoCo notes in a model which inertial frames equal the body's or a geom's, and then does without their values; so none
    is equal here. The true values have to be written afterwards.
    """
    if spec.compiler.inertiafromgeom == mujoco.mjtInertiaFromGeom.mjINERTIAFROMGEOM_TRUE:
        spec.compiler.inertiafromgeom = mujoco.mjtInertiaFromGeom.mjINERTIAFROMGEOM_AUTO
    for b, body in enumerate(spec.bodies[1:], 1):
        body.explicitinertial = True
        body.fullinertia = [np.nan] * 6
        body.mass = own.body_mass[b]
        body.ipos, body.iquat = own.body_ipos[b] + TILTED_POS, TILTED_QUAT
        body.inertia = [own.body_inertia[b].max()] * 3


def _check_flags(flags: int, whose: str) -> None:
    if flags & RIGID_BODY_DISABLE_SIMULATION:
        raise NotImplementedError(
            f"{whose} cannot have the flag RIGID_BODY_DISABLE_SIMULATION: every body is simulated; "
            "leave it out of the asset, or hold it with fix_base_link"
        )
    if flags & ~FLAGS:
        raise ValueError(f"{whose} cannot have the flags {flags}; they are a sum of RIGID_BODY_*, at most {FLAGS}")


def _checked(mass: float, com: Vec3, inertia: Mat33, whose: str) -> np.ndarray:
    """The inertia as a matrix."""
    centre, matrix = np.array(_xyz(com)), _matrix(inertia)
    if not (mass > 0.0 and np.isfinite([mass, *centre, *matrix.flat]).all()):
        raise ValueError(f"{whose} cannot have mass {mass} kg, centre of mass {centre} m and inertia {matrix.tolist()}")
    if np.linalg.eigvalsh(matrix)[0] <= 0.0:
        raise ValueError(
            f"{whose} cannot have inertia {matrix.tolist()} kg m^2: its principal inertias must be positive"
        )
    return matrix


def _matrix(m: Mat33) -> np.ndarray:
    return np.array([_xyz(m.x), _xyz(m.y), _xyz(m.z)], dtype=float)


def _mat33(matrix: np.ndarray) -> Mat33:
    return Mat33(*(Vec3(*map(float, row)) for row in matrix))


def _xyz(v: Vec3) -> list[float]:
    return [float(v.x), float(v.y), float(v.z)]
