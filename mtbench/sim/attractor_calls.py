"""The calls of ``gymapi.Gym`` about attractors."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from . import attractors
from .arguments import checked
from .checks import check_pose, check_unprepared
from .component_types import AttractorProperties
from .handles import call, index_of, simulation
from .pose_types import Transform

if TYPE_CHECKING:
    from .scene import Env


@checked
class AttractorCalls:
    """Attractors, on the CPU engine. Handles count within the environment."""

    def create_rigid_body_attractor(self, env: Env, properties: AttractorProperties) -> int:
        """Pull a body to a pose of the environment's frame; before ``prepare_sim``."""
        check_unprepared(simulation(env), "attractors cannot be added")
        attractors.check(properties, env)
        env.attractors.append(copy.deepcopy(properties))
        return len(env.attractors) - 1

    def get_attractor_properties(self, env: Env, handle: int) -> AttractorProperties:
        return copy.deepcopy(_attractor(env, handle))

    def set_attractor_properties(self, env: Env, handle: int, properties: AttractorProperties) -> None:
        """Another target, stiffness, damping or offset; the body and the axes stay after ``prepare_sim``."""
        old = _attractor(env, handle)
        attractors.check(properties, env)
        if simulation(env).prepared and (old.rigid_handle, old.axes) != (properties.rigid_handle, properties.axes):
            raise RuntimeError(f"{call()}: an attractor's body and axes cannot change after prepare_sim")
        env.attractors[index_of(handle)] = copy.deepcopy(properties)
        simulation(env).properties_changed(env)

    def set_attractor_target(self, env: Env, handle: int, target: Transform) -> None:
        """Another pose to pull to."""
        check_pose(target, "an attractor's target")
        _attractor(env, handle).target = copy.deepcopy(target)
        simulation(env).properties_changed(env)


def _attractor(env: Env, handle: int) -> AttractorProperties:
    if not 0 <= index_of(handle) < len(env.attractors):
        raise ValueError(
            f"{call()}: environment {env.index} has {len(env.attractors)} attractors; there is none with handle {handle}"
        )
    return env.attractors[index_of(handle)]
