"""The calls of ``gymapi.Gym`` that make environments and actors, and that count, name and find their parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .arguments import checked
from .checks import check_pose, check_unprepared
from .datatypes import INVALID_HANDLE, IndexDomain
from .handles import actor_of, find, first_of, index_of, indices, joints, simulation, within
from .numbers import number
from .pose_types import Transform, Vec3
from .scene import Actor, Env

if TYPE_CHECKING:
    from .assets import Asset
    from .simulation import Simulation as Sim


@checked
class ActorCalls:
    """Environments and actors. Handles of actors count within their environment, in creation order."""

    def create_env(self, sim: Sim, lower: Vec3, upper: Vec3, num_per_row: int) -> Env:
        """A new world. The bounds, which place environments on a grid in a viewer, do not shift its frame."""
        check_unprepared(sim, "environments cannot be added")
        env = Env(len(sim.envs))
        env.sim = sim  # type: ignore[attr-defined]
        sim.envs.append(env)
        return env

    def get_env_count(self, sim: Sim) -> int:
        return len(sim.envs)

    def get_env(self, sim: Sim, index: int) -> Env:
        return sim.envs[within(index, len(sim.envs), "environments")]

    def get_env_origin(self, env: Env) -> Vec3:
        """Zero: states are in the environment's own frame."""
        return Vec3()

    def get_env_dof_count(self, env: Env) -> int:
        return env.num_dofs

    def get_env_joint_count(self, env: Env) -> int:
        return sum(len(joints(a.asset)) for a in env.actors)

    def get_env_rigid_body_count(self, env: Env) -> int:
        return env.num_bodies

    def begin_aggregate(self, env: Env, max_bodies: int, max_shapes: int, enable_self_collision: bool) -> bool:
        """Aggregates speed up PhysX's broad phase; MuJoCo's needs none. False when one is open already."""
        if env.in_aggregate:
            return False
        env.in_aggregate = True
        return True

    def create_aggregate(self, env: Env, actors: Sequence[int]) -> bool:
        """As :meth:`begin_aggregate`: nothing to speed up."""
        for handle in actors:
            actor_of(env, handle)
        return True

    def end_aggregate(self, env: Env) -> bool:
        was, env.in_aggregate = env.in_aggregate, False
        return was

    def create_actor(
        self,
        env: Env,
        asset: Asset,
        pose: Transform,
        name: str | None = None,
        group: int = -1,
        filter: int = -1,
        segmentationId: int = 0,  # noqa: N803 (Isaac Gym's name)
    ) -> int:
        """Place an asset: the root body at the position of ``pose``, turned as its file has it and then by ``pose``.

        Actors of different ``group`` never collide (-1 meets all); shapes whose ``filter`` shares a bit do not collide,
        and filter 0 lets an actor collide with itself.
        """
        sim = simulation(env)
        check_unprepared(sim, "actors cannot be added")
        check_pose(pose, "an actor's pose")
        handle = len(env.actors)
        given = {"group": group, "filter": filter, "segmentationId": segmentationId}
        numbers = (number(value, int, f"gym.create_actor: {key}") for key, value in given.items())
        pose = Transform(pose.p, pose.r * asset.turn)
        env.actors.append(Actor(asset, pose, name or f"actor_{handle}", *numbers))
        asset.sizes[1.0].simulations.add(sim)
        sim.actor_created(env)
        return handle

    def get_actor_count(self, env: Env) -> int:
        return len(env.actors)

    def get_sim_actor_count(self, sim: Sim) -> int:
        return sum(len(env.actors) for env in sim.envs)

    def get_sim_dof_count(self, sim: Sim) -> int:
        return sum(env.num_dofs for env in sim.envs)

    def get_sim_joint_count(self, sim: Sim) -> int:
        return sum(self.get_env_joint_count(env) for env in sim.envs)

    def get_sim_rigid_body_count(self, sim: Sim) -> int:
        return sum(env.num_bodies for env in sim.envs)

    def get_actor_handle(self, env: Env, index: int) -> int:
        index = index_of(index)
        return index if 0 <= index < len(env.actors) else INVALID_HANDLE

    def find_actor_handle(self, env: Env, name: str) -> int:
        return find([a.name for a in env.actors], name)

    def get_actor_index(self, env: Env, handle: int, domain: IndexDomain) -> int:
        actor_of(env, handle)
        return index_of(handle) + (simulation(env).first(env, "actors") if domain == IndexDomain.DOMAIN_SIM else 0)

    def find_actor_index(self, env: Env, name: str, domain: IndexDomain) -> int:
        handle = self.find_actor_handle(env, name)
        return handle if handle == INVALID_HANDLE else self.get_actor_index(env, handle, domain)

    def get_actor_name(self, env: Env, handle: int) -> str:
        return actor_of(env, handle).name

    def get_actor_asset(self, env: Env, handle: int) -> Asset:
        return actor_of(env, handle).asset

    def get_actor_rigid_body_count(self, env: Env, handle: int) -> int:
        return len(actor_of(env, handle).asset.body_names)

    def get_actor_rigid_body_names(self, env: Env, handle: int) -> list[str]:
        return list(actor_of(env, handle).asset.body_names)

    def get_actor_rigid_body_dict(self, env: Env, handle: int) -> dict[str, int]:
        return indices(actor_of(env, handle).asset.body_names)

    def get_actor_rigid_body_index(self, env: Env, handle: int, index: int, domain: IndexDomain) -> int:
        index = within(index, len(actor_of(env, handle).asset.body_names), "rigid bodies")
        if domain == IndexDomain.DOMAIN_ACTOR:
            return index
        index += first_of(env, handle, lambda asset: len(asset.body_names))
        return index + (simulation(env).first(env, "bodies") if domain == IndexDomain.DOMAIN_SIM else 0)

    def find_actor_rigid_body_index(self, env: Env, handle: int, name: str, domain: IndexDomain) -> int:
        index = find(actor_of(env, handle).asset.body_names, name)
        return index if index == INVALID_HANDLE else self.get_actor_rigid_body_index(env, handle, index, domain)

    def find_actor_rigid_body_handle(self, env: Env, handle: int, name: str) -> int:
        return self.find_actor_rigid_body_index(env, handle, name, IndexDomain.DOMAIN_ENV)

    def get_actor_rigid_body_handle(self, env: Env, handle: int, index: int) -> int:
        return self.get_actor_rigid_body_index(env, handle, index, IndexDomain.DOMAIN_ENV)

    def get_actor_root_rigid_body_handle(self, env: Env, handle: int) -> int:
        return self.get_actor_rigid_body_handle(env, handle, 0)

    def get_actor_dof_count(self, env: Env, handle: int) -> int:
        return len(actor_of(env, handle).asset.dof_names)

    def get_actor_dof_names(self, env: Env, handle: int) -> list[str]:
        return list(actor_of(env, handle).asset.dof_names)

    def get_actor_dof_dict(self, env: Env, handle: int) -> dict[str, int]:
        return indices(actor_of(env, handle).asset.dof_names)

    def get_actor_dof_index(self, env: Env, handle: int, index: int, domain: IndexDomain) -> int:
        index = within(index, len(actor_of(env, handle).asset.dof_names), "DOFs")
        if domain == IndexDomain.DOMAIN_ACTOR:
            return index
        index += first_of(env, handle, lambda asset: len(asset.dof_names))
        return index + (simulation(env).first(env, "dofs") if domain == IndexDomain.DOMAIN_SIM else 0)

    def find_actor_dof_index(self, env: Env, handle: int, name: str, domain: IndexDomain) -> int:
        index = find(actor_of(env, handle).asset.dof_names, name)
        return index if index == INVALID_HANDLE else self.get_actor_dof_index(env, handle, index, domain)

    def find_actor_dof_handle(self, env: Env, handle: int, name: str) -> int:
        return self.find_actor_dof_index(env, handle, name, IndexDomain.DOMAIN_ENV)

    def get_actor_dof_handle(self, env: Env, handle: int, index: int) -> int:
        return self.get_actor_dof_index(env, handle, index, IndexDomain.DOMAIN_ENV)

    def get_actor_joint_count(self, env: Env, handle: int) -> int:
        return len(joints(actor_of(env, handle).asset))

    def get_actor_joint_names(self, env: Env, handle: int) -> list[str]:
        return [name for name, _ in joints(actor_of(env, handle).asset)]

    def get_actor_joint_dict(self, env: Env, handle: int) -> dict[str, int]:
        return indices([name for name, _ in joints(actor_of(env, handle).asset)])
