"""The calls of ``gymapi.Gym`` on one body, DOF or joint at a time. Handles count within the environment.

They are for a few bodies: each call brings the states up to date first. The tensors are for all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from .arguments import checked
from .component_types import DofFrame
from .datatypes import INVALID_HANDLE, STATE_POS, STATE_VEL, CoordinateSpace, IndexDomain, JointType
from .handles import actor_of, body_of, call, dof_of, first_of, index_of, joint_of, joints, one_each, simulation, within
from .numbers import number
from .pose_types import Quat, RigidBodyState, Transform, Vec3
from .start import body_states, posed, set_root_state, start_of, write_commands

if TYPE_CHECKING:
    from .scene import Env
    from .simulation import Simulation as Sim


@checked
class SingleCalls:
    """States and commands by handle."""

    # -- bodies --------------------------------------------------------------------------------------------------

    def get_rigid_handle(self, env: Env, actor: str, body: str) -> int:
        """The handle of a body by the names of its actor and of itself, or ``INVALID_HANDLE``."""
        for k, a in enumerate(env.actors):
            if a.name == actor and body in a.asset.body_names:
                return first_of(env, k, lambda asset: len(asset.body_names)) + a.asset.body_names.index(body)
        return INVALID_HANDLE

    def get_rigid_name(self, env: Env, handle: int) -> str:
        _, actor, body = body_of(env, handle)
        return actor.asset.body_names[body]

    def get_rigid_transform(self, env: Env, handle: int) -> Transform:
        """Pose of a body's frame; before ``prepare_sim`` as the actor was placed, with its DOFs as they start."""
        return _transform(_body_row(env, handle)[:7])

    def get_rigid_linear_velocity(self, env: Env, handle: int) -> Vec3:
        """Velocity of the body's origin (m/s), axes of the environment."""
        return Vec3(*_body_row(env, handle)[7:10])

    def get_rigid_angular_velocity(self, env: Env, handle: int) -> Vec3:
        """Rotation (rad/s), axes of the environment."""
        return Vec3(*_body_row(env, handle)[10:13])

    def get_vec_rigid_transform(self, envs: Sequence[Env], handle: int | Sequence[int]) -> np.ndarray:
        """(envs,) poses of one body of each environment: one handle for all, or one each."""
        return _bodies(envs, handle)[:, :7].copy().view(Transform.dtype)[:, 0]  # type: ignore[attr-defined]

    def get_vec_rigid_linear_velocity(self, envs: Sequence[Env], handle: int | Sequence[int]) -> np.ndarray:
        return _bodies(envs, handle)[:, 7:10].copy().view(Vec3.dtype)[:, 0]  # type: ignore[attr-defined]

    def get_vec_rigid_angular_velocity(self, envs: Sequence[Env], handle: int | Sequence[int]) -> np.ndarray:
        return _bodies(envs, handle)[:, 10:13].copy().view(Vec3.dtype)[:, 0]  # type: ignore[attr-defined]

    def get_sim_rigid_body_states(self, sim: Sim, flags: int) -> np.ndarray:
        """Structured array with ``pose`` and ``vel`` of all bodies."""
        if not sim.prepared:
            states = [body_states(actor) for env in sim.envs for actor in env.actors]
            return np.concatenate([np.zeros((0, 13), np.float32), *states]).view(RigidBodyState.dtype)[:, 0]
        return _read_bodies(sim).view(RigidBodyState.dtype)[:, 0]

    def set_rigid_transform(self, env: Env, handle: int, pose: Transform) -> None:
        """Place an actor by its root body. Other bodies follow from joints, so only a root can be placed.

        Raises:
            ValueError: the body is not a root.
        """
        p, r = pose.p, pose.r.normalize()
        self._write_root(env, handle, slice(0, 7), [p.x, p.y, p.z, r.x, r.y, r.z, r.w], "set_rigid_transform")

    def set_rigid_linear_velocity(self, env: Env, handle: int, velocity: Vec3) -> None:
        """As :meth:`set_rigid_transform`, the velocity (m/s) of a root body's origin."""
        v = _three(velocity)
        self._write_root(env, handle, slice(7, 10), v, "set_rigid_linear_velocity")

    def set_rigid_angular_velocity(self, env: Env, handle: int, velocity: Vec3) -> None:
        v = _three(velocity)
        self._write_root(env, handle, slice(10, 13), v, "set_rigid_angular_velocity")

    def set_actor_rigid_body_states(self, env: Env, handle: int, states: np.ndarray, flags: int) -> bool:
        """States of an actor of one body, with ``pose`` and ``vel``. Bodies on joints follow their DOFs instead.

        Raises:
            ValueError: the actor has several bodies.
        """
        actor, flags = actor_of(env, handle), index_of(flags)
        if len(actor.asset.body_names) != 1:
            raise ValueError(
                f"gym.set_actor_rigid_body_states: actor {actor.name!r} has {len(actor.asset.body_names)} bodies on "
                "joints; set its root state and its DOF states"
            )
        body = first_of(env, handle, lambda asset: len(asset.body_names))
        numbers = np.ascontiguousarray(states, RigidBodyState.dtype).reshape(-1)[:1].view(np.float32)
        if flags & STATE_POS:
            self._write_root(env, body, slice(0, 7), numbers[:7].tolist(), "set_actor_rigid_body_states")
        if flags & STATE_VEL:
            self._write_root(env, body, slice(7, 13), numbers[7:13].tolist(), "set_actor_rigid_body_states")
        return True

    def apply_body_forces(
        self,
        env: Env,
        rigidHandle: int,  # noqa: N803 (Isaac Gym's name)
        force: Vec3 | None = None,
        torque: Vec3 | None = None,
        space: CoordinateSpace = CoordinateSpace.ENV_SPACE,
    ) -> None:
        """A force at the centre of mass and a torque on one body (handle within the environment), for the next step."""
        sim = simulation(env)
        sim.prepare()
        row = sim.first(env, "bodies") + within(rigidHandle, env.num_bodies, "rigid bodies")
        values = torch.zeros(2, 1, 3, device=sim.device)
        for k, v in enumerate((force, torque)):
            if v is not None:
                values[k, 0] = torch.tensor(_three(v))
        sim.bodies.apply_forces(values[0], values[1], None, space, row)

    def apply_body_force_at_pos(
        self,
        env: Env,
        rigidHandle: int,  # noqa: N803 (Isaac Gym's name)
        force: Vec3,
        pos: Vec3 | None = None,
        space: CoordinateSpace = CoordinateSpace.ENV_SPACE,
    ) -> None:
        """A force (N) at a position (None: at the origin of ``space``) on one body, during the next ``simulate``."""
        sim = simulation(env)
        sim.prepare()
        body_of(env, rigidHandle)
        row = sim.first(env, "bodies") + index_of(rigidHandle)
        values = torch.zeros(2, len(sim.body_state), 3, device=sim.body_state.device)
        for k, v in enumerate((force, pos or Vec3())):
            values[k, row] = torch.tensor(_three(v))
        sim.bodies.apply_forces(values[0], None, values[1], space)

    def get_env_rigid_contact_forces(self, env: Env) -> np.ndarray:
        """(bodies,) structured array: net contact forces (N), axes of the environment."""
        sim = simulation(env)
        first = sim.first(env, "bodies")
        return _contact_forces(sim, slice(first, first + env.num_bodies))

    def get_vec_env_rigid_contact_forces(self, envs: Sequence[Env]) -> np.ndarray:
        """(envs * bodies,) as :meth:`get_env_rigid_contact_forces`."""
        return np.concatenate([self.get_env_rigid_contact_forces(env) for env in envs])

    def get_rigid_contact_forces(self, sim: Sim) -> np.ndarray:
        """(bodies of the simulation,) as :meth:`get_env_rigid_contact_forces`; measured from the first call on, unless the
        tensor of contact forces was acquired."""
        return _contact_forces(sim, slice(None))

    def _write_root(self, env: Env, handle: int, part: slice, values: list[float], call: str) -> None:
        index, actor, body = body_of(env, handle)
        if body:
            raise ValueError(
                f"gym.{call}: body {actor.asset.body_names[body]!r} of actor {actor.name!r} hangs on a joint; only a root "
                "body can be set"
            )
        sim = simulation(env)
        if not sim.prepared:
            set_root_state(actor, part, values)
            return
        row = sim.first(env, "actors") + index
        state = sim.bodies.states_at(sim.layout.root_body)
        state[row, part] = torch.tensor(values, device=state.device)
        sim.set_roots(state, torch.tensor([row]))

    # -- DOFs ----------------------------------------------------------------------------------------------------

    def get_dof_position(self, env: Env, handle: int) -> float:
        return float(_dof_row(env, handle)[0])

    def get_dof_velocity(self, env: Env, handle: int) -> float:
        return float(_dof_row(env, handle)[1])

    def get_dof_target_position(self, env: Env, handle: int) -> float:
        return _get_command(env, handle, "position_target")

    def get_dof_target_velocity(self, env: Env, handle: int) -> float:
        return _get_command(env, handle, "velocity_target")

    def set_dof_target_position(self, env: Env, handle: int, target: float) -> None:
        _set_command(env, handle, "position_target", target)

    def set_dof_target_velocity(self, env: Env, handle: int, target: float) -> None:
        _set_command(env, handle, "velocity_target", target)

    def apply_dof_effort(self, env: Env, handle: int, effort: float) -> None:
        """As ``apply_actor_dof_efforts``, for one DOF."""
        _set_command(env, handle, "applied_effort", effort)

    def get_dof_frame(self, env: Env, handle: int) -> DofFrame:
        """Where a DOF acts and its axis, in the frame of the environment."""
        sim = simulation(env)
        _, actor, dof = dof_of(env, handle)
        if not sim.prepared:
            d, pose = posed(actor), actor.pose
            anchor, own = Vec3(*map(float, d.xanchor[dof])), Vec3(*map(float, d.xaxis[dof]))
            return DofFrame(pose.transform_point(anchor), pose.transform_vector(own))
        sim._engine.forward()
        joint = sim.layout.dof_joint[sim.first(env, "dofs") + index_of(handle)]
        origin, axis = sim._engine.xanchor[joint].tolist(), sim._engine.xaxis[joint].tolist()
        return DofFrame(Vec3(*origin), Vec3(*axis))

    def get_actor_dof_frames(self, env: Env, handle: int) -> np.ndarray:
        """(DOFs,) structured array with ``origin`` and ``axis``."""
        first = first_of(env, handle, lambda asset: len(asset.dof_names))
        frames = [self.get_dof_frame(env, first + k) for k in range(len(actor_of(env, handle).asset.dof_names))]
        rows = [((f.origin.x, f.origin.y, f.origin.z), (f.axis.x, f.axis.y, f.axis.z)) for f in frames]
        return np.array(rows, dtype=DofFrame.dtype)

    # -- joints --------------------------------------------------------------------------------------------------

    def get_joint_handle(self, env: Env, actor: str, joint: str) -> int:
        """The handle of a joint, fixed ones too, by the names of its actor and of itself, or ``INVALID_HANDLE``."""
        for k, a in enumerate(env.actors):
            if a.name == actor:
                return self.find_actor_joint_handle(env, k, joint)
        return INVALID_HANDLE

    def find_actor_joint_handle(self, env: Env, handle: int, name: str) -> int:
        return self.find_actor_joint_index(env, handle, name, IndexDomain.DOMAIN_ENV)

    def find_actor_joint_index(self, env: Env, handle: int, name: str, domain: IndexDomain) -> int:
        names = [n for n, _ in joints(actor_of(env, handle).asset)]
        return self.get_actor_joint_index(env, handle, names.index(name), domain) if name in names else INVALID_HANDLE

    def get_actor_joint_handle(self, env: Env, handle: int, index: int) -> int:
        return self.get_actor_joint_index(env, handle, index, IndexDomain.DOMAIN_ENV)

    def get_actor_joint_index(self, env: Env, handle: int, index: int, domain: IndexDomain) -> int:
        index = within(index, len(joints(actor_of(env, handle).asset)), "joints")
        if domain == IndexDomain.DOMAIN_ACTOR:
            return index
        index += first_of(env, handle, lambda asset: len(joints(asset)))
        if domain == IndexDomain.DOMAIN_SIM:
            before = simulation(env).envs[: env.index]
            index += sum(first_of(e, len(e.actors), lambda asset: len(joints(asset))) for e in before)
        return index

    def get_joint_name(self, env: Env, handle: int) -> str:
        _, actor, joint = joint_of(env, handle)
        return joints(actor.asset)[joint][0]

    def get_joint_type_string(self, joint_type: JointType) -> str:
        names = {JointType.JOINT_FIXED: "Fixed", JointType.JOINT_REVOLUTE: "Revolute"}
        names |= {JointType.JOINT_PRISMATIC: "Prismatic", JointType.JOINT_BALL: "Ball"}
        names |= {JointType.JOINT_PLANAR: "Planar", JointType.JOINT_FLOATING: "Floating"}
        return names.get(joint_type, "Invalid")

    def get_joint_position(self, env: Env, handle: int) -> float:
        """Zero for a fixed joint."""
        dof = _joint_dof(env, handle)
        return 0.0 if dof is None else self.get_dof_position(env, dof)

    def get_joint_velocity(self, env: Env, handle: int) -> float:
        dof = _joint_dof(env, handle)
        return 0.0 if dof is None else self.get_dof_velocity(env, dof)

    def get_joint_target_position(self, env: Env, handle: int) -> float:
        dof = _joint_dof(env, handle)
        return 0.0 if dof is None else self.get_dof_target_position(env, dof)

    def get_joint_target_velocity(self, env: Env, handle: int) -> float:
        dof = _joint_dof(env, handle)
        return 0.0 if dof is None else self.get_dof_target_velocity(env, dof)

    def set_joint_target_position(self, env: Env, handle: int, target: float) -> None:
        self.set_dof_target_position(env, _moving(env, handle), target)

    def set_joint_target_velocity(self, env: Env, handle: int, target: float) -> None:
        self.set_dof_target_velocity(env, _moving(env, handle), target)


def _three(vector: Vec3) -> list[float]:
    return [vector.x, vector.y, vector.z]


def _read_bodies(sim: Sim) -> np.ndarray:
    """(bodies, 13) now, leaving the client's tensor alone."""
    return sim.bodies.states_at(slice(None)).float().cpu().numpy()


def _contact_forces(sim: Sim, rows: slice) -> np.ndarray:
    sim.prepare()
    sim.measure_contacts()
    forces = sim.contact_forces_at(rows).float().cpu().numpy()
    return forces.view(Vec3.dtype)[:, 0]  # type: ignore[attr-defined]


def _body_row(env: Env, handle: int) -> list[float]:
    sim = simulation(env)
    _, actor, body = body_of(env, handle)
    if not sim.prepared:
        return body_states(actor)[body].tolist()
    row = sim.first(env, "bodies") + index_of(handle)
    return sim.bodies.states_at(slice(row, row + 1))[0].tolist()


def _bodies(envs: Sequence[Env], handle: int | Sequence[int]) -> np.ndarray:
    handles = one_each(envs, handle)
    rows = [_body_row(e, h) for e, h in zip(envs, handles, strict=True)]
    return np.array(rows, dtype=np.float32).reshape(-1, 13)


def _dof_row(env: Env, handle: int) -> list[float]:
    sim = simulation(env)
    _, actor, at = dof_of(env, handle)
    if not sim.prepared:
        return start_of(actor).dofs[at].tolist()
    dof = sim.first(env, "dofs") + index_of(handle)
    return [float(sim._engine.qpos[sim.layout.dof_qpos[dof]]), float(sim._engine.qvel[sim.layout.dof_qvel[dof]])]


def _get_command(env: Env, handle: int, which: str) -> float:
    sim = simulation(env)
    _, actor, at = dof_of(env, handle)
    if not sim.prepared:
        return float(start_of(actor).commands[which][at])
    return float(getattr(sim, which)[sim.first(env, "dofs") + index_of(handle)])


def _set_command(env: Env, handle: int, which: str, value: float) -> None:
    sim, value = simulation(env), number(value, float, "a DOF's command")
    _, actor, at = dof_of(env, handle)
    if not math.isfinite(value):
        raise ValueError(f"{call()}: a command is finite, not {value}")
    if sim.prepared:
        sim.set_commands_at(which, sim.first(env, "dofs") + index_of(handle), value)
    else:
        write_commands(start_of(actor).commands[which], which, at, value)


def _joint_dof(env: Env, handle: int) -> int | None:
    """The DOF (handle) of a joint; None: it is fixed."""
    index, actor, joint = joint_of(env, handle)
    name, kind = joints(actor.asset)[joint]
    if kind == JointType.JOINT_FIXED:
        return None
    return first_of(env, index, lambda asset: len(asset.dof_names)) + actor.asset.dof_names.index(name)


def _moving(env: Env, handle: int) -> int:
    dof = _joint_dof(env, handle)
    if dof is None:
        _, actor, joint = joint_of(env, handle)
        raise ValueError(
            f"joint {joints(actor.asset)[joint][0]!r} of actor {actor.name!r} is fixed and takes no target"
        )
    return dof


def _transform(row: Sequence[float]) -> Transform:
    return Transform(Vec3(*row[:3]), Quat(*row[3:7]))
