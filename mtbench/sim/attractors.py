"""Attractors: springs and dampers that pull bodies to poses, as MuJoCo's equality constraints to the world.

A constraint holds a stiffness of any size (:mod:`.soft_constraints`); Isaac Gym's clients pin feet with 5e7 N/m.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import mujoco

from .checks import NOT_NEGATIVE, check_fields, check_pose
from .component_types import AXIS_ALL, AXIS_TRANSLATION, AttractorProperties
from .handles import call
from .soft_constraints import spring

if TYPE_CHECKING:
    from .scene import Env

PREFIX = "attractor"


def structure(env: Env) -> tuple:
    """What must be equal for two environments to share a compiled model."""
    return tuple((PREFIX, a.rigid_handle, a.axes) for a in env.attractors)


def variant(env: Env) -> tuple:
    """What may differ within a group, as a hashable value."""
    return tuple(repr(a) for a in env.attractors)


def add_to(spec: mujoco.MjSpec, env: Env) -> None:
    """A constraint for each attractor, of three or six rows."""
    models = [actor.asset.model for actor in env.actors]
    names = [f"{i}/{m.body(b).name}" for i, m in enumerate(models) for b in range(1, m.nbody)]
    for k, a in enumerate(env.attractors):
        spec.add_equality(
            name=f"{PREFIX}{k}",
            type=mujoco.mjtEq.mjEQ_WELD if a.axes == AXIS_ALL else mujoco.mjtEq.mjEQ_CONNECT,
            objtype=mujoco.mjtObj.mjOBJ_BODY,
            name1=names[a.rigid_handle],
            name2="world",
        )


def write(model: mujoco.MjModel, env: Env) -> None:
    """Write targets and stiffnesses into a model whose inertias are final."""
    for k, a in enumerate(env.attractors):
        e = model.equality(f"{PREFIX}{k}").id
        p, offset = a.target.p, a.offset.p
        target, point = [p.x, p.y, p.z], [offset.x, offset.y, offset.z]
        translation, rotation = model.body_invweight0[model.eq_obj1id[e]]
        if a.axes == AXIS_TRANSLATION:
            model.eq_data[e, :6] = point + target
        else:
            turn = a.offset.r.normalize() * a.target.r.normalize().inverse()
            # The rows of rotation hold half an angle times this scale; with it their stiffness is that of the others.
            scale = 2.0 * math.sqrt(rotation / translation) if translation > 0.0 else 1.0
            model.eq_data[e, :11] = [*target, *point, turn.w, turn.x, turn.y, turn.z, scale]
        model.eq_solref[e], model.eq_solimp[e] = spring(a.stiffness, a.damping, model.opt.timestep, float(translation))


def check(props: AttractorProperties, env: Env) -> None:
    """Refuse what cannot be.

    Raises:
        NotImplementedError: axes other than all three of translation, or all six.
        ValueError: no such body, a stiffness or damping that is negative or not finite, or such a pose.
    """
    if props.axes not in (AXIS_TRANSLATION, AXIS_ALL):
        raise NotImplementedError(f"{call()}: an attractor's axes are AXIS_TRANSLATION or AXIS_ALL, not {props.axes}")
    if not 0 <= props.rigid_handle < env.num_bodies:
        raise ValueError(
            f"{call()}: environment {env.index} has bodies 0..{env.num_bodies - 1}, not {props.rigid_handle}"
        )
    check_fields(props, NOT_NEGATIVE, "stiffness", "damping")
    check_pose(props.target, "an attractor's target")
    check_pose(props.offset, "an attractor's offset")
