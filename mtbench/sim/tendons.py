"""Fixed tendons: joints tied by a spring, a damper and limits on a sum of their positions, on MuJoCo's own tendons."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import mujoco
import numpy as np

from .component_types import TendonProperties, TendonType
from .soft_constraints import spring


@dataclass(eq=False)
class Tendon:
    """A fixed tendon of an asset.

    ``file`` are the properties that the file gives; those a client changes act instead (:func:`write`).
    """

    name: str
    joints: list[str]
    coefficients: list[float]
    file: TendonProperties
    props: TendonProperties = field(init=False)
    offset: float = 0.0

    def __post_init__(self) -> None:
        self.props = copy.copy(self.file)

    def copy(self) -> Tendon:
        """With properties of its own, for an actor."""
        out = Tendon(self.name, self.joints, list(self.coefficients), self.file, self.offset)
        out.props = copy.copy(self.props)
        return out

    def variant(self) -> tuple:
        """What may differ between actors, as a hashable value."""
        return tuple(vars(self.props).values()), tuple(self.coefficients), self.offset


def read(model: mujoco.MjModel, limit_stiffness: float) -> list[Tendon]:
    """The fixed tendons of an asset's model, in its order; ``limit_stiffness`` is the asset option's."""
    out = []
    for t in range(model.ntendon):
        first, count = int(model.tendon_adr[t]), int(model.tendon_num[t])
        if count == 0 or model.wrap_type[first] != mujoco.mjtWrap.mjWRAP_JOINT:
            continue
        limited = bool(model.tendon_limited[t])
        props = TendonProperties(
            damping=float(model.tendon_damping[t]),
            fixed_spring_rest_length=float(model.tendon_lengthspring[t].mean()),
            is_fixed_limited=limited,
            limit_stiffness=limit_stiffness if limited else 0.0,
            num_attachments=count,
            num_joints=count,
            stiffness=float(model.tendon_stiffness[t]),
            type=TendonType.TENDON_FIXED,
        )
        if limited:
            props.fixed_lower_limit, props.fixed_upper_limit = map(float, model.tendon_range[t])
        joints = [model.joint(int(j)).name for j in model.wrap_objid[first : first + count]]
        coefficients = model.wrap_prm[first : first + count].tolist()
        out.append(Tendon(model.tendon(t).name, joints, coefficients, props))
    return out


def write(model: mujoco.MjModel, prefix: str, tendons: list[Tendon]) -> None:
    """Write an actor's tendons into a model, where they are called ``prefix`` and their name.

    Spring and damper are MuJoCo's; where contacts are implicit (``scene.with_properties``), both act at the end of the
    step, the tendon's armature standing for that. So are limits, unless the client gave a limit stiffness of its own: then
    the limits are an implicit spring of that stiffness, damped by the tendon's damping.
    """
    for tendon in tendons:
        t, props = model.tendon(prefix + tendon.name).id, tendon.props
        first = int(model.tendon_adr[t])
        model.wrap_prm[first : first + len(tendon.coefficients)] = tendon.coefficients
        model.tendon_stiffness[t], model.tendon_damping[t] = props.stiffness, props.damping
        if model.opt.integrator == mujoco.mjtIntegrator.mjINT_EULER:
            h = model.opt.timestep
            model.tendon_damping[t] += h * props.stiffness
            model.tendon_armature[t] = h * model.tendon_damping[t]
        # Isaac Gym adds the offset to the length; MuJoCo has none, so what the length is compared with moves instead.
        model.tendon_lengthspring[t] = props.fixed_spring_rest_length - tendon.offset
        model.tendon_limited[t] = props.is_fixed_limited and props.limit_stiffness > 0.0
        if model.tendon_limited[t]:
            model.tendon_range[t] = (
                props.fixed_lower_limit - tendon.offset,
                props.fixed_upper_limit - tendon.offset,
            )
        if props.limit_stiffness != tendon.file.limit_stiffness and props.limit_stiffness > 0.0:
            weight = float(model.tendon_invweight0[t])
            soft = spring(props.limit_stiffness, props.damping, model.opt.timestep, weight)
            model.tendon_solref_lim[t], model.tendon_solimp_lim[t] = soft


def damping_inertia(model: mujoco.MjModel) -> np.ndarray:
    """(nv, nv) what the armatures that :func:`write` gives tendons add to the inertia of a model with implicit contacts."""
    out = np.zeros((model.nv, model.nv))
    for t in range(model.ntendon):
        wraps = slice(model.tendon_adr[t], model.tendon_adr[t] + model.tendon_num[t])
        if (model.wrap_type[wraps] == mujoco.mjtWrap.mjWRAP_JOINT).all():
            jacobian = np.zeros(model.nv)
            jacobian[model.jnt_dofadr[model.wrap_objid[wraps]]] = model.wrap_prm[wraps]
            out += model.tendon_armature[t] * np.outer(jacobian, jacobian)
    return out
