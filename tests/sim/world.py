"""A small world builder for the simulator's tests, written against the Tensor API alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from mtbench.sim import gymapi, gymtorch

PENDULUM = """
<mujoco><worldbody><body name="mount"><geom type="sphere" size="0.02" mass="1"/>
  <body name="rod"><joint name="hinge" axis="0 1 0"/>
    <inertial pos="0 0 -0.5" mass="2" diaginertia="0.1 0.1 0.01"/>
    <geom type="capsule" fromto="0 0 -0.1 0 0 -0.9" size="0.02" contype="0" conaffinity="0"/>
  </body></body></worldbody></mujoco>"""

ARM = """
<mujoco><compiler angle="radian"/><worldbody><body name="base"><geom type="box" size="0.1 0.1 0.05" mass="3"/>
  <body name="upper" pos="0 0 0.1"><joint name="yaw" axis="0 0 1" damping="0.3"/>
    <geom type="capsule" fromto="0 0 0 0.1 0 0.3" size="0.03" mass="1.5"/>
    <body name="lower" pos="0.1 0 0.3"><joint name="pitch" axis="0 1 0" range="-2 2" damping="0.2" armature="0.05"/>
      <geom type="capsule" fromto="0 0 0 0.3 0.05 0" size="0.03" mass="1"/>
      <body name="slider" pos="0.3 0.05 0"><joint name="reach" type="slide" axis="1 0 0.2" range="-0.2 0.2"/>
        <geom type="box" size="0.04 0.03 0.02" pos="0.05 0 0" mass="0.4"/>
      </body></body></body></body></worldbody></mujoco>"""


class World:
    """A simulation, its tensors by name, and shorthands for calls that every test makes."""

    def __init__(
        self,
        tmp_path: Path,
        dt: float = 0.01,
        substeps: int = 1,
        gravity: float = -9.81,
        engine: str = "mujoco",
        implicit_contacts: bool = True,
        keep_finite: bool = True,
    ) -> None:
        self.gym = gymapi.acquire_gym()
        params = gymapi.SimParams()
        params.dt, params.substeps, params.up_axis = dt, substeps, gymapi.UP_AXIS_Z
        params.gravity = gymapi.Vec3(0, 0, gravity)
        params.physx.num_threads = 2
        params.implicit_contacts = implicit_contacts
        params.keep_finite = keep_finite
        params.warp.enabled = engine == "warp"
        self.sim = self.gym.create_sim(0, -1, gymapi.SIM_PHYSX, params)
        self.tmp_path = tmp_path
        self.dt = dt

    def mjcf(self, text: str, **options: object) -> gymapi.Asset:
        path = self.tmp_path / f"{abs(hash(text))}.xml"
        path.write_text(text)
        return self.gym.load_asset(self.sim, str(self.tmp_path), path.name, self.options(**options))

    @staticmethod
    def options(**options: object) -> gymapi.AssetOptions:
        out = gymapi.AssetOptions()
        out.angular_damping = 0.0
        for name, value in options.items():
            assert hasattr(out, name)
            setattr(out, name, value)
        return out

    def ground(self, friction: float = 1.0) -> None:
        plane = gymapi.PlaneParams()
        plane.normal = gymapi.Vec3(0, 0, 1)
        plane.static_friction = plane.dynamic_friction = friction
        self.gym.add_ground(self.sim, plane)

    def env(self, *actors: tuple, filters: Sequence[int] | None = None) -> gymapi.Env:
        """Actors as (asset, position[, name])."""
        env = self.gym.create_env(self.sim, gymapi.Vec3(-1, -1, 0), gymapi.Vec3(1, 1, 1), 4)
        for i, (asset, position, *name) in enumerate(actors):
            pose = gymapi.Transform(gymapi.Vec3(*position))
            group, filter_ = self.gym.get_env_count(self.sim), filters[i] if filters else 0
            self.gym.create_actor(env, asset, pose, name[0] if name else f"actor{i}", group, filter_)
        return env

    def prepare(self) -> None:
        self.gym.prepare_sim(self.sim)
        wrap, gym, sim = gymtorch.wrap_tensor, self.gym, self.sim
        self.root = wrap(gym.acquire_actor_root_state_tensor(sim))
        self.dof = wrap(gym.acquire_dof_state_tensor(sim))
        self.body = wrap(gym.acquire_rigid_body_state_tensor(sim))

    def refresh(self) -> None:
        self.gym.refresh_actor_root_state_tensor(self.sim)
        self.gym.refresh_dof_state_tensor(self.sim)
        self.gym.refresh_rigid_body_state_tensor(self.sim)

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            self.gym.simulate(self.sim)
            self.gym.fetch_results(self.sim, True)
        self.refresh()

    def set_dofs(self, values: torch.Tensor) -> None:
        self.gym.set_dof_state_tensor(self.sim, gymtorch.unwrap_tensor(values))

    def set_roots(self, values: torch.Tensor) -> None:
        self.gym.set_actor_root_state_tensor(self.sim, gymtorch.unwrap_tensor(values))

    def drive(self, env: gymapi.Env, handle: int = 0, **fields: object) -> None:
        props = self.gym.get_actor_dof_properties(env, handle)
        for name, value in fields.items():
            props[name] = value
        self.gym.set_actor_dof_properties(env, handle, props)
