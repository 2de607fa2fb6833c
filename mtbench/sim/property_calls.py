"""The calls of ``gymapi.Gym`` on what an actor is like: drives and limits, shapes, masses, actuators, size.

An actor starts with its asset's properties and has them for itself. Changes reach the models before the next step.
"""

from __future__ import annotations

from copy import copy, deepcopy
from typing import TYPE_CHECKING

import numpy as np

from . import inertia, shapes
from .arguments import checked
from .checks import check_unprepared, shown
from .datatypes import (
    DOF_PROPERTIES,
    ActuatorProperties,
    DofDriveMode,
    DofType,
    IndexRange,
    RigidBodyProperties,
    RigidShapeProperties,
)
from .handles import actor_of, call, find, simulation, within
from .numbers import number
from .scaling import scaled

if TYPE_CHECKING:
    from .scene import Env


@checked
class PropertyCalls:
    """Properties of one actor."""

    def get_actor_dof_properties(self, env: Env, handle: int) -> np.ndarray:
        return actor_of(env, handle).dof_props.copy()

    def set_actor_dof_properties(self, env: Env, handle: int, props: np.ndarray) -> bool:
        """Drive mode, gains, limits, effort limit, dry friction and armature of every DOF of the actor.

        In position mode the drive applies stiffness * (target - q) + damping * (velocity target - qd), in velocity mode
        damping * (velocity target - qd), both implicitly and limited to ``effort``. In the modes none and effort, efforts
        act and damping acts passively; so does stiffness, about zero, in the mode none alone. ``velocity`` (a limit) has no
        counterpart in MuJoCo.
        """
        actor = actor_of(env, handle)
        if not set(DOF_PROPERTIES.names or ()) <= set(getattr(getattr(props, "dtype", None), "names", None) or ()):
            raise TypeError(f"{call()}: props are as get_actor_dof_properties gives them, not {shown(props)}")
        if len(props) != len(actor.dof_props):
            raise ValueError(f"{call()}: actor {actor.name!r} has {len(actor.dof_props)} DOFs, not {len(props)}")
        for name in ("stiffness", "damping", "friction", "armature"):
            if not ((props[name] >= 0.0) & np.isfinite(props[name])).all():
                given = f"{call()}: {name} of actor {actor.name!r} is {props[name]}"
                raise ValueError(f"{given}, but cannot be negative, infinite or not a number")
        for name in ("effort", "velocity", "lower", "upper"):  # limits, of which infinity is none
            if np.isnan(props[name]).any() or (name in ("effort", "velocity") and (props[name] < 0.0).any()):
                raise ValueError(f"{call()}: {name} of actor {actor.name!r} is {props[name]}, which is no limit")
        modes = {int(mode): mode.name for mode in DofDriveMode}
        if not np.isin(props["driveMode"], list(modes)).all():
            given = f"{call()}: driveMode of actor {actor.name!r} is {props['driveMode']}"
            raise ValueError(f"{given}, but each is one of {', '.join(modes.values())}")
        crossed = (props["lower"] > props["upper"]) | (props["lower"] == np.inf) | (props["upper"] == -np.inf)
        if (crossed & props["hasLimits"]).any():
            given = f"{call()}: actor {actor.name!r} has lower limits {props['lower']} and upper ones {props['upper']}"
            raise ValueError(f"{given}, and no position is between; swap them, or set hasLimits to False")
        for field in actor.dof_props.dtype.names or ():
            actor.dof_props[field] = props[field]
        simulation(env).properties_changed(env)
        return True

    def get_actor_rigid_shape_count(self, env: Env, handle: int) -> int:
        return len(actor_of(env, handle).shape_props)

    def get_actor_rigid_shape_properties(self, env: Env, handle: int) -> list[RigidShapeProperties]:
        return [copy(p) for p in actor_of(env, handle).shape_props]

    def set_actor_rigid_shape_properties(self, env: Env, handle: int, props: list[RigidShapeProperties]) -> bool:
        """Friction at any time; ``filter`` before ``prepare_sim``."""
        actor = actor_of(env, handle)
        if simulation(env).prepared and [p.filter for p in props] != [p.filter for p in actor.shape_props]:
            raise RuntimeError(f"{call()}: collision filters cannot change after prepare_sim")
        actor.shape_props = shapes.checked(props, len(actor.shape_props))
        simulation(env).properties_changed(env)
        return True

    def get_actor_rigid_body_shape_indices(self, env: Env, handle: int) -> list[IndexRange]:
        return shapes.ranges(actor_of(env, handle).asset)

    def get_actor_rigid_body_properties(self, env: Env, handle: int) -> list[RigidBodyProperties]:
        actor = actor_of(env, handle)
        return [copy(actor.body_props.get(k, own)) for k, own in enumerate(actor.asset.body_props)]

    def set_actor_rigid_body_properties(
        self,
        env: Env,
        actorHandle: int,  # noqa: N803 (Isaac Gym's name)
        props: list[RigidBodyProperties],
        recomputeInertia: bool = False,  # noqa: N803
    ) -> bool:
        """Masses, centres of mass, inertias and flags, of which ``RIGID_BODY_DISABLE_GRAVITY`` takes gravity from a body.
        ``recomputeInertia`` scales each inertia as its mass has changed."""
        actor = actor_of(env, actorHandle)
        own, whose = actor.asset.body_props, f"actor {actor.name!r}"
        if len(props) != len(own):
            raise ValueError(f"{call()}: {whose} has {len(own)} rigid bodies, not {len(props)}")
        changed = inertia.changes(props, actor.body_props, own, recomputeInertia, f"{whose} ({call()})")
        if changed != actor.body_props:
            actor.body_props = changed
            simulation(env).properties_changed(env)
        return True

    def get_actor_actuator_count(self, env: Env, handle: int) -> int:
        return len(actor_of(env, handle).asset.actuators)

    def get_actor_actuator_properties(self, env: Env, handle: int) -> list[ActuatorProperties]:
        return [deepcopy(props) for _, _, props in actor_of(env, handle).asset.actuators]

    def get_actor_actuator_name(self, env: Env, handle: int, index: int) -> str:
        return _actuator(env, handle, index)[0]

    def get_actor_actuator_joint_name(self, env: Env, handle: int, index: int) -> str:
        return _actuator(env, handle, index)[1]

    def find_actor_actuator_index(self, env: Env, handle: int, name: str) -> int:
        return find([n for n, _, _ in actor_of(env, handle).asset.actuators], name)

    def get_actor_soft_body_count(self, env: Env, handle: int) -> int:
        return 0

    def get_actor_scale(self, env: Env, handle: int) -> float:
        return actor_of(env, handle).scale

    def set_actor_scale(self, env: Env, handle: int, scale: float) -> bool:
        """Multiply all lengths of an actor, and its masses by the cube, before ``prepare_sim``. Each scale is another
        structure, compiled on its own: a few sizes among many environments are cheap, thousands are not."""
        actor, scale = actor_of(env, handle), number(scale, float, "a scale")
        if not 0.0 < scale < float("inf"):
            raise ValueError(f"gym.set_actor_scale: a scale is positive and finite, not {scale}")
        if scale == actor.scale:
            return True
        check_unprepared(simulation(env), "sizes cannot change")
        sizes = actor.asset.sizes
        if scale not in sizes:
            sizes[scale] = scaled(sizes[1.0], scale)
            sizes[scale].sizes = sizes
        limits = actor.dof_props["hasLimits"] & np.array(
            [t == DofType.DOF_TRANSLATION for t in actor.asset.dof_types], bool
        )
        for key in ("lower", "upper"):
            actor.dof_props[key][limits] *= scale / actor.scale
        times = scale / actor.scale
        actor.body_props = {k: inertia.scaled(p, times) for k, p in actor.body_props.items()}
        actor.asset, actor.scale = sizes[scale], scale
        return True

    def enable_actor_dof_force_sensors(self, env: Env, handle: int) -> bool:
        """DOF forces are always available."""
        actor_of(env, handle)
        return True


def _actuator(env: Env, handle: int, index: int) -> tuple[str, str, ActuatorProperties]:
    actuators = actor_of(env, handle).asset.actuators
    return actuators[within(index, len(actuators), "actuators")]
