"""Isaac Gym's ``gymapi`` on open physics: the calls of Preview 4 that a vectorized task needs.

Names, argument order, layouts and defaults are Preview 4's. A call that is not here raises ``NotImplementedError`` that
names it; ``docs/tensor_api.md`` lists what is and what is not. States are in each environment's own frame.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Sequence
from copy import deepcopy
from difflib import get_close_matches
from enum import EnumType, IntEnum
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import torch

from . import component_types, datatypes, inertia, viewer_types
from .assets import Asset, load, primitive
from .attractor_calls import AttractorCalls
from .camera_calls import CameraCalls
from .component_types import *  # noqa: F403
from .coverage import MISSING_CALLS, MISSING_TYPES, PAGE
from .datatypes import *  # noqa: F403
from .datatypes import (
    INVALID_HANDLE,
    STATE_POS,
    STATE_VEL,
    ActuatorProperties,
    AssetOptions,
    CoordinateSpace,
    DofType,
    HeightFieldParams,
    IndexDomain,
    IndexRange,
    JointType,
    PlaneParams,
    RigidBodyProperties,
    RigidBodyState,
    RigidShapeProperties,
    SimParams,
    SimType,
    Transform,
    TriangleMeshParams,
    Vec3,
    Version,
)
from .force_sensors import ForceSensor  # noqa: F401 (Isaac Gym has it here)
from .ground import from_samples, from_triangles
from .gymtorch import Tensor, unwrap_tensor
from .handles import actor_of, call, joints, within
from .numbers import number
from .scaling import scaled
from .scene import Actor, Env, warn_restitution
from .sensor_calls import SensorCalls
from .simulation import Simulation as Sim
from .single_calls import SingleCalls
from .start import body_states, start_of
from .tendon_calls import TendonCalls
from .viewer_calls import ViewerCalls
from .viewer_types import *  # noqa: F403

for _module in (datatypes, component_types, viewer_types):
    for _enum in [t for t in vars(_module).values() if isinstance(t, EnumType) and t is not IntEnum]:
        globals().update(_enum.__members__)  # gymapi.SIM_PHYSX is gymapi.SimType.SIM_PHYSX


def __getattr__(name: str) -> Any:
    if name not in MISSING_TYPES:
        raise AttributeError(f"module 'gymapi' has no attribute {name!r}")

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(f"gymapi.{name} is not available: {MISSING_TYPES[name]}; see {PAGE}")

    return type(name, (), {"__init__": refuse})


def acquire_gym(*args: Any) -> Gym:
    """The gym. Arguments are accepted for compatibility and have no meaning, as in Isaac Gym."""
    return Gym()


class Gym(ViewerCalls, SingleCalls, SensorCalls, TendonCalls, AttractorCalls, CameraCalls):
    """The calls. Handles of actors count within their environment, in creation order."""

    def __getattr__(self, name: str) -> Any:
        if name in MISSING_CALLS:

            def refuse(*args: Any, **kwargs: Any) -> None:
                raise NotImplementedError(f"gym.{name} is not available: {MISSING_CALLS[name]}; see {PAGE}")

            return refuse  # raises when it is called: clients collect calls in tables, and ask hasattr
        near = get_close_matches(name, [n for n in dir(type(self)) if not n.startswith("_")], 1)
        raise AttributeError(f"Isaac Gym has no call {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))

    # -- simulation ----------------------------------------------------------------------------------------------

    def create_sim(
        self,
        compute_device: int = 0,
        graphics_device: int = 0,
        type: SimType = SimType.SIM_PHYSX,
        params: SimParams | None = None,
    ) -> Sim:
        """A new simulation. With ``params.use_gpu_pipeline`` physics and tensors are on the GPU ``compute_device``."""
        params = params or SimParams()
        if type != SimType.SIM_PHYSX:
            raise NotImplementedError(
                f"gym.create_sim: only SIM_PHYSX semantics are available, not {type!r}; see {PAGE}"
            )
        if params.use_gpu_pipeline and not torch.cuda.is_available():
            raise ValueError("gym.create_sim: use_gpu_pipeline needs a CUDA device that PyTorch can use")
        if params.dt <= 0 or params.substeps < 1:
            raise ValueError(f"dt must be positive and substeps at least 1, not {params.dt} and {params.substeps}")
        return Sim(params, f"cuda:{compute_device}" if params.use_gpu_pipeline else "cpu")

    def destroy_sim(self, sim: Sim) -> None:
        sim.close_studio()
        sim.destroy()

    def get_sim_params(self, sim: Sim) -> SimParams:
        """A copy: changes act through ``set_sim_params``."""
        return deepcopy(sim.params)

    def set_sim_params(self, sim: Sim, params: SimParams) -> None:
        """After ``prepare_sim`` gravity can change, and what has no effect; the rest is compiled into the models."""
        if sim.prepared:
            sim.change_params(params)
        sim.params = deepcopy(params)

    def add_ground(self, sim: Sim, params: PlaneParams) -> None:
        warn_restitution(params.restitution, "the ground")
        sim.ground.plane = deepcopy(params)

    def add_heightfield(self, sim: Sim, heightSamples: np.ndarray, params: HeightFieldParams) -> None:  # noqa: N803
        """A ground of integer heights, ``nbColumns`` (along x) times ``nbRows`` (along y, fastest) of them, for all
        environments; the first stands at ``params.transform``, which may not turn. MuJoCo sees slopes between neighbouring
        samples, never walls."""
        warn_restitution(params.restitution, "the ground")
        scale = params.column_scale, params.row_scale, params.vertical_scale
        sizes = params.nbRows, params.nbColumns
        samples = np.asarray(heightSamples)
        sim.ground.maps.append(from_samples(samples, *sizes, scale, params.transform, params.static_friction))

    def add_triangle_mesh(
        self,
        sim: Sim,
        vertices: np.ndarray,
        triangles: np.ndarray,
        params: TriangleMeshParams,
    ) -> None:
        """A ground of triangles, for all environments. It becomes a height field of its upper surface, measured every 5 cm:
        walls become slopes that steep, and what is below something else is lost."""
        warn_restitution(params.restitution, "the ground")
        sim.ground.maps.append(from_triangles(vertices, triangles, params.transform, params.static_friction))

    def set_env_ground(self, env: Env, x: float, y: float, length: float, width: float) -> None:
        """Let an environment hold only the part of the height fields within x ... x + length and y ... y + width (metres),
        before ``prepare_sim``. Not in Isaac Gym: there all environments share one ground in one world, here each world has a
        copy. Environments with windows of the same size still share one structure. MuJoCo Warp keeps one ground for all
        worlds, so a GPU ignores windows."""
        sim = _sim(env)
        if sim.prepared:
            raise RuntimeError("the ground cannot change after prepare_sim")
        if sim.device.type == "cpu" and not sim.params.warp.enabled:
            env.window = x, y, length, width

    def prepare_sim(self, sim: Sim) -> bool:
        sim.prepare()
        return True

    def simulate(self, sim: Sim) -> None:
        """One step of ``dt``, in ``substeps`` physics steps."""
        sim.prepare()
        sim.simulate()

    def fetch_results(self, sim: Sim, wait_for_latest_sim_step: bool) -> None:
        """Results are complete when ``simulate`` returns; ``refresh_*`` copies them into the tensors."""

    def take_overflow(self, sim: Sim) -> torch.Tensor:
        """How many environments lost contacts since the last call because MuJoCo Warp had no room. Not in Isaac Gym."""
        return sim.take_overflow()

    def take_diverged(self, sim: Sim) -> torch.Tensor:
        """How many times an environment has diverged and been put back to its last finite state, at rest, since the last call
        (``SimParams.keep_finite``). Not in Isaac Gym."""
        sim.prepare()
        return sim.take_diverged()

    def take_refused(self, sim: Sim) -> torch.Tensor:
        """How many indices of ``*_indexed`` calls have named an actor that does not exist since the last call. They are left
        out, and counted, where they lie on a GPU; elsewhere they are refused at once. Not in Isaac Gym."""
        return sim.take_refused()

    def settle(self, sim: Sim) -> None:
        """Bring bodies up to date with states that a replayed CUDA graph has set. Not in Isaac Gym."""
        sim.settle()

    def get_sim_time(self, sim: Sim) -> float:
        """Simulated seconds."""
        return sim.frame * sim.params.dt

    def get_elapsed_time(self, sim: Sim) -> float:
        """Wall-clock seconds since the simulation was created."""
        return time.monotonic() - sim.created

    def set_sim_device(self, sim: Sim) -> None:
        """Make the simulation's device PyTorch's current CUDA device; nothing on a CPU."""
        if sim.device.type == "cuda":
            torch.cuda.set_device(sim.device)

    def get_frame_count(self, sim: Sim) -> int:
        return sim.frame

    def get_version(self) -> Version:
        return Version()

    # -- assets --------------------------------------------------------------------------------------------------

    def load_asset(self, sim: Sim, rootpath: str, filename: str, options: AssetOptions | None = None) -> Asset:
        """A URDF (``.urdf``) or MJCF (``.xml``, ``.mjcf``) file."""
        path = Path(rootpath) / filename
        if path.suffix.lower() not in (".urdf", ".xml", ".mjcf"):
            raise NotImplementedError(f"gym.load_asset reads URDF and MJCF, not {path.suffix!r} ({path}); see {PAGE}")
        return load(path, options or AssetOptions())

    def load_urdf(self, sim: Sim, rootpath: str, filename: str, options: AssetOptions | None = None) -> Asset:
        return self.load_asset(sim, rootpath, filename, options)

    def load_mjcf(self, sim: Sim, rootpath: str, filename: str, options: AssetOptions | None = None) -> Asset:
        return self.load_asset(sim, rootpath, filename, options)

    def create_box(
        self, sim: Sim, width: float, height: float, depth: float, options: AssetOptions | None = None
    ) -> Asset:
        """Full lengths along x, y and z (metres)."""
        size = [width / 2, height / 2, depth / 2]
        return primitive(mujoco.mjtGeom.mjGEOM_BOX, size, "box", options or AssetOptions())

    def create_sphere(self, sim: Sim, radius: float, options: AssetOptions | None = None) -> Asset:
        return primitive(mujoco.mjtGeom.mjGEOM_SPHERE, [radius], "sphere", options or AssetOptions())

    def create_capsule(self, sim: Sim, radius: float, width: float, options: AssetOptions | None = None) -> Asset:
        """Along x; ``width`` is the length of the straight part (metres)."""
        size = [radius, width / 2]
        return primitive(mujoco.mjtGeom.mjGEOM_CAPSULE, size, "capsule", options or AssetOptions())

    def debug_print_asset(self, asset: Asset, outpath: str | None = None) -> None:
        """Print bodies, joints and DOFs, or write them to a file."""
        lines = [f"{len(asset.body_names)} rigid bodies: {', '.join(asset.body_names)}"]
        lines += [f"joint {name!r}: {kind.name}" for name, kind in joints(asset)]
        for name, row in zip(asset.dof_names, asset.dof_props, strict=True):
            lines.append(f"DOF {name!r}: {row['lower']:g} ... {row['upper']:g}, effort {row['effort']:g}")
        text = "\n".join(lines)
        if outpath is None:
            print(text)
        else:
            Path(outpath).write_text(text + "\n")

    def get_asset_rigid_body_count(self, asset: Asset) -> int:
        return len(asset.body_names)

    def get_asset_rigid_body_names(self, asset: Asset) -> list[str]:
        return list(asset.body_names)

    def get_asset_rigid_body_name(self, asset: Asset, index: int) -> str:
        return asset.body_names[within(index, len(asset.body_names), "rigid bodies")]

    def get_asset_rigid_body_dict(self, asset: Asset) -> dict[str, int]:
        return _indices(asset.body_names)

    def find_asset_rigid_body_index(self, asset: Asset, name: str) -> int:
        return _find(asset.body_names, name)

    def get_asset_joint_count(self, asset: Asset) -> int:
        """Joints, the fixed ones too: every body but the root hangs on one."""
        return len(joints(asset))

    def get_asset_joint_names(self, asset: Asset) -> list[str]:
        return [name for name, _ in joints(asset)]

    def get_asset_joint_name(self, asset: Asset, index: int) -> str:
        return joints(asset)[within(index, len(joints(asset)), "joints")][0]

    def get_asset_joint_dict(self, asset: Asset) -> dict[str, int]:
        return _indices(self.get_asset_joint_names(asset))

    def find_asset_joint_index(self, asset: Asset, name: str) -> int:
        return _find(self.get_asset_joint_names(asset), name)

    def get_asset_joint_type(self, asset: Asset, index: int) -> JointType:
        return joints(asset)[within(index, len(joints(asset)), "joints")][1]

    def get_asset_dof_count(self, asset: Asset) -> int:
        return len(asset.dof_names)

    def get_asset_dof_names(self, asset: Asset) -> list[str]:
        return list(asset.dof_names)

    def get_asset_dof_name(self, asset: Asset, index: int) -> str:
        return asset.dof_names[within(index, len(asset.dof_names), "DOFs")]

    def get_asset_dof_dict(self, asset: Asset) -> dict[str, int]:
        return _indices(asset.dof_names)

    def find_asset_dof_index(self, asset: Asset, name: str) -> int:
        return _find(asset.dof_names, name)

    def get_asset_dof_type(self, asset: Asset, index: int) -> DofType:
        return asset.dof_types[within(index, len(asset.dof_types), "DOFs")]

    def get_dof_type_string(self, dof_type: DofType) -> str:
        return {DofType.DOF_ROTATION: "Rotation", DofType.DOF_TRANSLATION: "Translation"}.get(dof_type, "Invalid")

    def get_asset_dof_properties(self, asset: Asset) -> np.ndarray:
        """Structured array: hasLimits, lower, upper, driveMode, velocity, effort, stiffness, damping, friction, armature."""
        return asset.dof_props.copy()

    def get_asset_rigid_shape_count(self, asset: Asset) -> int:
        return len(asset.shape_props)

    def get_asset_rigid_shape_properties(self, asset: Asset) -> list[RigidShapeProperties]:
        return [RigidShapeProperties(**vars(p)) for p in asset.shape_props]

    def set_asset_rigid_shape_properties(self, asset: Asset, props: list[RigidShapeProperties]) -> bool:
        """Taken over by actors created from the asset afterwards."""
        asset.shape_props = _checked_shapes(props, len(asset.shape_props))
        return True

    def get_asset_rigid_body_shape_indices(self, asset: Asset) -> list[IndexRange]:
        return _shape_ranges(asset)

    def get_asset_actuator_count(self, asset: Asset) -> int:
        return len(asset.actuators)

    def get_asset_actuator_name(self, asset: Asset, index: int) -> str:
        return asset.actuators[within(index, len(asset.actuators), "actuators")][0]

    def get_asset_actuator_joint_name(self, asset: Asset, index: int) -> str:
        return asset.actuators[within(index, len(asset.actuators), "actuators")][1]

    def get_asset_actuator_properties(self, asset: Asset) -> list[ActuatorProperties]:
        """What the MJCF says of its actuators. They do not act: drives and efforts do, as in Isaac Gym."""
        return [deepcopy(props) for _, _, props in asset.actuators]

    def find_asset_actuator_index(self, asset: Asset, name: str) -> int:
        return _find([n for n, _, _ in asset.actuators], name)

    # -- environments and actors ---------------------------------------------------------------------------------

    def create_env(self, sim: Sim, lower: Vec3, upper: Vec3, num_per_row: int) -> Env:
        """A new world. The bounds, which place environments on a grid in a viewer, do not shift its frame."""
        if sim.prepared:
            raise RuntimeError("environments cannot be added after prepare_sim")
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
        """Place an asset. Actors of different ``group`` never collide (-1 meets all); shapes whose ``filter`` shares a
        bit do not collide, and filter 0 lets an actor collide with itself."""
        sim = _sim(env)
        if sim.prepared:
            raise RuntimeError("gym.create_actor: actors cannot be added after prepare_sim")
        place = [pose.p.x, pose.p.y, pose.p.z, pose.r.x, pose.r.y, pose.r.z, pose.r.w]
        if not np.isfinite(place).all() or not any(place[3:]):
            raise ValueError(f"gym.create_actor: no actor can be placed at {pose.p}, {pose.r}")
        handle = len(env.actors)
        given = {"group": group, "filter": filter, "segmentationId": segmentationId}
        numbers = (number(value, int, f"create_actor's {key}") for key, value in given.items())
        env.actors.append(Actor(asset, pose, name or f"actor_{handle}", *numbers))
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
        return index if 0 <= index < len(env.actors) else INVALID_HANDLE

    def find_actor_handle(self, env: Env, name: str) -> int:
        return _find([a.name for a in env.actors], name)

    def get_actor_index(self, env: Env, handle: int, domain: IndexDomain) -> int:
        actor_of(env, handle)
        return handle + (_sim(env).first(env, "actors") if domain == IndexDomain.DOMAIN_SIM else 0)

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
        return _indices(actor_of(env, handle).asset.body_names)

    def get_actor_rigid_body_index(self, env: Env, handle: int, index: int, domain: IndexDomain) -> int:
        index = within(index, len(actor_of(env, handle).asset.body_names), "rigid bodies")
        if domain == IndexDomain.DOMAIN_ACTOR:
            return index
        index += sum(len(a.asset.body_names) for a in env.actors[:handle])
        return index + (_sim(env).first(env, "bodies") if domain == IndexDomain.DOMAIN_SIM else 0)

    def find_actor_rigid_body_index(self, env: Env, handle: int, name: str, domain: IndexDomain) -> int:
        index = _find(actor_of(env, handle).asset.body_names, name)
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
        return _indices(actor_of(env, handle).asset.dof_names)

    def get_actor_dof_index(self, env: Env, handle: int, index: int, domain: IndexDomain) -> int:
        index = within(index, len(actor_of(env, handle).asset.dof_names), "DOFs")
        if domain == IndexDomain.DOMAIN_ACTOR:
            return index
        index += sum(len(a.asset.dof_names) for a in env.actors[:handle])
        return index + (_sim(env).first(env, "dofs") if domain == IndexDomain.DOMAIN_SIM else 0)

    def find_actor_dof_index(self, env: Env, handle: int, name: str, domain: IndexDomain) -> int:
        index = _find(actor_of(env, handle).asset.dof_names, name)
        return index if index == INVALID_HANDLE else self.get_actor_dof_index(env, handle, index, domain)

    def find_actor_dof_handle(self, env: Env, handle: int, name: str) -> int:
        return self.find_actor_dof_index(env, handle, name, IndexDomain.DOMAIN_ENV)

    def get_actor_dof_handle(self, env: Env, handle: int, index: int) -> int:
        return self.get_actor_dof_index(env, handle, index, IndexDomain.DOMAIN_ENV)

    def get_actor_joint_count(self, env: Env, handle: int) -> int:
        return self.get_asset_joint_count(actor_of(env, handle).asset)

    def get_actor_joint_names(self, env: Env, handle: int) -> list[str]:
        return self.get_asset_joint_names(actor_of(env, handle).asset)

    def get_actor_joint_dict(self, env: Env, handle: int) -> dict[str, int]:
        return self.get_asset_joint_dict(actor_of(env, handle).asset)

    # -- properties ----------------------------------------------------------------------------------------------

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
        if len(props) != len(actor.dof_props):
            raise ValueError(f"{call()}: actor {actor.name!r} has {len(actor.dof_props)} DOFs, not {len(props)}")
        for name in ("stiffness", "damping", "friction", "armature"):
            if not ((props[name] >= 0.0) & np.isfinite(props[name])).all():
                given = f"{call()}: {name} of actor {actor.name!r} is {props[name]}"
                raise ValueError(f"{given}, but cannot be negative, infinite or not a number")
        for name in ("effort", "velocity", "lower", "upper"):  # limits, of which infinity is none
            if np.isnan(props[name]).any() or (name in ("effort", "velocity") and (props[name] < 0.0).any()):
                raise ValueError(f"{call()}: {name} of actor {actor.name!r} is {props[name]}, which is no limit")
        for field in actor.dof_props.dtype.names or ():
            actor.dof_props[field] = props[field]
        _sim(env).properties_changed(env)
        return True

    def get_actor_rigid_shape_count(self, env: Env, handle: int) -> int:
        return len(actor_of(env, handle).shape_props)

    def get_actor_rigid_shape_properties(self, env: Env, handle: int) -> list[RigidShapeProperties]:
        return [RigidShapeProperties(**vars(p)) for p in actor_of(env, handle).shape_props]

    def set_actor_rigid_shape_properties(self, env: Env, handle: int, props: list[RigidShapeProperties]) -> bool:
        """Friction at any time; ``filter`` before ``prepare_sim``."""
        actor = actor_of(env, handle)
        if _sim(env).prepared and [p.filter for p in props] != [p.filter for p in actor.shape_props]:
            raise RuntimeError(f"{call()}: collision filters cannot change after prepare_sim")
        actor.shape_props = _checked_shapes(props, len(actor.shape_props))
        _sim(env).properties_changed(env)
        return True

    def get_actor_rigid_body_shape_indices(self, env: Env, handle: int) -> list[IndexRange]:
        return _shape_ranges(actor_of(env, handle).asset)

    def get_actor_rigid_body_properties(self, env: Env, handle: int) -> list[RigidBodyProperties]:
        actor = actor_of(env, handle)
        return [inertia.copied(actor.body_props.get(k, own)) for k, own in enumerate(actor.asset.body_props)]

    def set_actor_rigid_body_properties(
        self,
        env: Env,
        actorHandle: int,  # noqa: N803 (Isaac Gym's name)
        props: list[RigidBodyProperties],
        recomputeInertia: bool = False,  # noqa: N803
    ) -> bool:
        """Masses, centres of mass and inertias. ``recomputeInertia`` scales each inertia as its mass has changed."""
        actor = actor_of(env, actorHandle)
        own, whose = actor.asset.body_props, f"actor {actor.name!r}"
        if len(props) != len(own):
            raise ValueError(f"{call()}: {whose} has {len(own)} rigid bodies, not {len(props)}")
        changed = inertia.changes(props, actor.body_props, own, recomputeInertia, f"{whose} ({call()})")
        if changed != actor.body_props:
            actor.body_props = changed
            _sim(env).properties_changed(env)
        return True

    def get_actor_actuator_count(self, env: Env, handle: int) -> int:
        return len(actor_of(env, handle).asset.actuators)

    def get_actor_actuator_properties(self, env: Env, handle: int) -> list[ActuatorProperties]:
        return self.get_asset_actuator_properties(actor_of(env, handle).asset)

    def get_actor_actuator_name(self, env: Env, handle: int, index: int) -> str:
        return self.get_asset_actuator_name(actor_of(env, handle).asset, index)

    def get_actor_actuator_joint_name(self, env: Env, handle: int, index: int) -> str:
        return self.get_asset_actuator_joint_name(actor_of(env, handle).asset, index)

    def find_actor_actuator_index(self, env: Env, handle: int, name: str) -> int:
        return self.find_asset_actuator_index(actor_of(env, handle).asset, name)

    def get_asset_soft_body_count(self, asset: Asset) -> int:
        return 0

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
        if _sim(env).prepared:
            raise RuntimeError("gym.set_actor_scale comes before prepare_sim: sizes are compiled into the models")
        sizes = actor.asset.sizes
        if scale not in sizes:
            sizes[scale] = scaled(sizes[1.0], scale)
            sizes[scale].sizes = sizes
        limits = actor.dof_props["hasLimits"] & np.array(
            [t == DofType.DOF_TRANSLATION for t in actor.asset.dof_types], bool
        )
        for key in ("lower", "upper"):
            actor.dof_props[key][limits] *= scale / actor.scale
        actor.asset, actor.scale = sizes[scale], scale
        return True

    def enable_actor_dof_force_sensors(self, env: Env, handle: int) -> bool:
        """DOF forces are always available."""
        actor_of(env, handle)
        return True

    # -- tensors -------------------------------------------------------------------------------------------------

    def acquire_actor_root_state_tensor(self, sim: Sim) -> Tensor:
        """(actors, 13): position, quaternion xyzw, linear velocity of the root's origin, angular velocity."""
        sim.prepare()
        return Tensor(sim.root_state)

    def acquire_dof_state_tensor(self, sim: Sim) -> Tensor:
        """(DOFs, 2): position and velocity."""
        sim.prepare()
        return Tensor(sim.dof_state)

    def acquire_rigid_body_state_tensor(self, sim: Sim) -> Tensor:
        """(bodies, 13), as the root states."""
        sim.prepare()
        return Tensor(sim.body_state)

    def acquire_net_contact_force_tensor(self, sim: Sim) -> Tensor:
        """(bodies, 3) newtons, world axes, of the last substep."""
        sim.prepare()
        sim.measure_contacts()
        return Tensor(sim.contact_force)

    def acquire_dof_force_tensor(self, sim: Sim) -> Tensor:
        """(DOFs,): force of the drive or effort in the last substep, after its limit."""
        sim.prepare()
        return Tensor(sim.dof_force)

    def acquire_jacobian_tensor(self, sim: Sim, name: str) -> Tensor:
        """(envs, links - 1, 6, DOFs) for a fixed base, (envs, links, 6, DOFs + 6) for a floating one."""
        sim.prepare()
        return Tensor(sim.articulation(name).jacobian)

    def acquire_mass_matrix_tensor(self, sim: Sim, name: str) -> Tensor:
        """(envs, DOFs, DOFs) for a fixed base, (envs, DOFs + 6, DOFs + 6) for a floating one."""
        sim.prepare()
        return Tensor(sim.articulation(name).mass_matrix)

    def refresh_actor_root_state_tensor(self, sim: Sim) -> bool:
        sim.refresh_roots()
        return True

    def refresh_dof_state_tensor(self, sim: Sim) -> bool:
        sim.refresh_dofs()
        return True

    def refresh_rigid_body_state_tensor(self, sim: Sim) -> bool:
        sim.refresh_bodies()
        return True

    def refresh_net_contact_force_tensor(self, sim: Sim) -> bool:
        sim.refresh_contact_forces()
        return True

    def refresh_dof_force_tensor(self, sim: Sim) -> bool:
        sim.refresh_dof_forces()
        return True

    def refresh_jacobian_tensors(self, sim: Sim) -> bool:
        sim.refresh_jacobians()
        return True

    def refresh_mass_matrix_tensors(self, sim: Sim) -> bool:
        sim.refresh_mass_matrices()
        return True

    def set_actor_root_state_tensor(self, sim: Sim, state: Tensor) -> bool:
        sim.set_roots(_values(state, (len(sim.actors), 13), sim, "set_actor_root_state_tensor"), None)
        return True

    def set_actor_root_state_tensor_indexed(self, sim: Sim, state: Tensor, actors: Tensor, count: int) -> bool:
        """``state`` is the whole (actors, 13) tensor; only rows ``actors[:count]`` (int32) are taken."""
        call = "set_actor_root_state_tensor_indexed"
        sim.set_roots(_values(state, (len(sim.actors), 13), sim, call), _index(sim, actors, count, call))
        return True

    def set_dof_state_tensor(self, sim: Sim, state: Tensor) -> bool:
        sim.set_dofs(_values(state, (len(sim.dof_state), 2), sim, "set_dof_state_tensor"), None)
        return True

    def set_dof_state_tensor_indexed(self, sim: Sim, state: Tensor, actors: Tensor, count: int) -> bool:
        call = "set_dof_state_tensor_indexed"
        sim.set_dofs(_values(state, (len(sim.dof_state), 2), sim, call), _index(sim, actors, count, call))
        return True

    def set_dof_position_target_tensor(self, sim: Sim, targets: Tensor) -> bool:
        return _command(sim, sim.position_target, targets, "set_dof_position_target_tensor")

    def set_dof_position_target_tensor_indexed(self, sim: Sim, targets: Tensor, actors: Tensor, count: int) -> bool:
        return _command(sim, sim.position_target, targets, "set_dof_position_target_tensor_indexed", actors, count)

    def set_dof_velocity_target_tensor(self, sim: Sim, targets: Tensor) -> bool:
        return _command(sim, sim.velocity_target, targets, "set_dof_velocity_target_tensor")

    def set_dof_velocity_target_tensor_indexed(self, sim: Sim, targets: Tensor, actors: Tensor, count: int) -> bool:
        return _command(sim, sim.velocity_target, targets, "set_dof_velocity_target_tensor_indexed", actors, count)

    def set_dof_actuation_force_tensor(self, sim: Sim, forces: Tensor) -> bool:
        """Acts on DOFs in the modes none and effort, until it is set again."""
        return _command(sim, sim.effort, forces, "set_dof_actuation_force_tensor")

    def set_dof_actuation_force_tensor_indexed(self, sim: Sim, forces: Tensor, actors: Tensor, count: int) -> bool:
        return _command(sim, sim.effort, forces, "set_dof_actuation_force_tensor_indexed", actors, count)

    def apply_rigid_body_force_tensors(
        self,
        sim: Sim,
        forceTensor: Tensor | None = None,  # noqa: N803 (Isaac Gym's names)
        torqueTensor: Tensor | None = None,  # noqa: N803
        space: CoordinateSpace = CoordinateSpace.ENV_SPACE,
    ) -> bool:
        """Forces at the centres of mass and torques, each (bodies, 3), during the next ``simulate`` only."""
        shape, call = (len(sim.body_state), 3), "apply_rigid_body_force_tensors"
        force = None if forceTensor is None else _values(forceTensor, shape, sim, call)
        torque = None if torqueTensor is None else _values(torqueTensor, shape, sim, call)
        sim.apply_forces(force, torque, None, space)
        return True

    def apply_rigid_body_force_at_pos_tensors(
        self,
        sim: Sim,
        forceTensor: Tensor,  # noqa: N803 (Isaac Gym's names)
        posTensor: Tensor | None = None,  # noqa: N803
        space: CoordinateSpace = CoordinateSpace.ENV_SPACE,
    ) -> bool:
        """Forces (bodies, 3) at positions (bodies, 3), during the next ``simulate`` only."""
        shape, call = (len(sim.body_state), 3), "apply_rigid_body_force_at_pos_tensors"
        position = None if posTensor is None else _values(posTensor, shape, sim, call)
        sim.apply_forces(_values(forceTensor, shape, sim, call), None, position, space)
        return True

    # -- one actor at a time -------------------------------------------------------------------------------------

    def get_actor_dof_states(self, env: Env, handle: int, flags: int) -> np.ndarray:
        """Structured array with ``pos`` and ``vel``."""
        sim = _sim(env)
        if not sim.prepared:
            return start_of(actor_of(env, handle)).dofs.copy().view(datatypes.DofState.dtype)[:, 0]
        return sim.dofs_at(_dofs(env, handle)).cpu().numpy().view(datatypes.DofState.dtype)[:, 0]

    def set_actor_dof_states(self, env: Env, handle: int, states: np.ndarray, flags: int) -> bool:
        """``states``: structured array with ``pos`` and ``vel``, of which ``flags`` says what is taken."""
        sim, rows = _sim(env), _dofs(env, handle)
        count = rows.stop - rows.start
        if len(states) != count:
            raise ValueError(f"{call()}: {count} DOFs have states, not {len(states)}")
        values = sim.dofs_at(rows).cpu().numpy() if sim.prepared else start_of(actor_of(env, handle)).dofs
        if flags & STATE_POS:
            values[:, 0] = states["pos"]
        if flags & STATE_VEL:
            values[:, 1] = states["vel"]
        if sim.prepared:
            sim.set_dofs_at(rows, torch.from_numpy(values).to(sim.device), env)
        return True

    def get_actor_rigid_body_states(self, env: Env, handle: int, flags: int) -> np.ndarray:
        """Structured array with ``pose`` and ``vel``."""
        sim = _sim(env)
        if not sim.prepared:
            return body_states(actor_of(env, handle)).view(RigidBodyState.dtype)[:, 0]
        first = self.get_actor_rigid_body_index(env, handle, 0, IndexDomain.DOMAIN_SIM)
        states = sim.bodies_at(slice(first, first + self.get_actor_rigid_body_count(env, handle)))
        return states.float().cpu().numpy().view(RigidBodyState.dtype)[:, 0]

    def get_env_rigid_body_states(self, env: Env, flags: int) -> np.ndarray:
        return np.concatenate([self.get_actor_rigid_body_states(env, h, flags) for h in range(len(env.actors))])

    def set_actor_dof_position_targets(self, env: Env, handle: int, targets: np.ndarray) -> bool:
        return _actor_command(self, env, handle, "position_target", targets)

    def set_actor_dof_velocity_targets(self, env: Env, handle: int, targets: np.ndarray) -> bool:
        return _actor_command(self, env, handle, "velocity_target", targets)

    def apply_actor_dof_efforts(self, env: Env, handle: int, efforts: np.ndarray) -> bool:
        return _actor_command(self, env, handle, "effort", efforts)

    def get_actor_dof_position_targets(self, env: Env, handle: int) -> np.ndarray:
        return _commands(env, handle, "position_target")

    def get_actor_dof_velocity_targets(self, env: Env, handle: int) -> np.ndarray:
        return _commands(env, handle, "velocity_target")

    def apply_body_forces(
        self,
        env: Env,
        rigidHandle: int,  # noqa: N803 (Isaac Gym's name)
        force: Vec3 | None = None,
        torque: Vec3 | None = None,
        space: CoordinateSpace = CoordinateSpace.ENV_SPACE,
    ) -> None:
        """A force at the centre of mass and a torque on one body (handle within the environment), for the next step."""
        sim = _sim(env)
        sim.prepare()
        row = sim.first(env, "bodies") + within(rigidHandle, env.num_bodies, "rigid bodies")
        values = torch.zeros(2, 1, 3, device=sim.device)
        for k, v in enumerate((force, torque)):
            if v is not None:
                values[k, 0] = torch.tensor([v.x, v.y, v.z])
        sim.apply_forces(values[0], values[1], None, space, row)

    # -- beyond Isaac Gym ----------------------------------------------------------------------------------------

    def get_state(self, sim: Sim) -> dict[str, torch.Tensor]:
        """The whole physics state. Not in Isaac Gym: a run that saves it can be resumed exactly."""
        return sim.get_state()

    def set_state(self, sim: Sim, state: dict[str, torch.Tensor]) -> None:
        """The inverse of :meth:`get_state`, on a simulation with the same environments."""
        sim.set_state(state)


def _sim(env: Env) -> Sim:
    return env.sim  # type: ignore[attr-defined]


def _find(names: Sequence[str], name: str) -> int:
    return names.index(name) if name in names else INVALID_HANDLE


def _indices(names: Sequence[str]) -> dict[str, int]:
    return {name: i for i, name in enumerate(names)}


def _shape_ranges(asset: Asset) -> list[IndexRange]:
    owner = np.array(asset.shape_body)
    return [
        IndexRange(start=int((owner < body).sum()), count=int((owner == body).sum()))
        for body in range(len(asset.body_names))
    ]


def _checked_shapes(props: list[RigidShapeProperties], expected: int) -> list[RigidShapeProperties]:
    if len(props) != expected:
        raise ValueError(f"{call()}: there are {expected} rigid shapes, not {len(props)}")
    for p in props:
        if not 0.0 <= p.friction < np.inf or np.isnan(p.restitution):
            raise ValueError(f"{call()}: a shape cannot have friction {p.friction} and restitution {p.restitution}")
    warn_restitution(max((p.restitution for p in props), default=0.0), "a shape")
    return [RigidShapeProperties(**vars(p)) for p in props]


def _given(tensor: Tensor, call: str) -> torch.Tensor:
    if tensor is None:
        raise TypeError(f"gym.{call} takes a tensor, not None")
    return unwrap_tensor(tensor).values


def _values(tensor: Tensor, shape: tuple[int, ...], sim: Sim, call: str) -> torch.Tensor:
    values = _given(tensor, call)
    if values.dtype != torch.float32 or values.numel() != int(np.prod(shape)):
        raise ValueError(
            f"gym.{call} takes a float32 tensor of shape {shape}, not {values.dtype} {tuple(values.shape)}"
        )
    if values.device.type != sim.device.type:
        raise ValueError(f"gym.{call} takes a tensor on {sim.device}, not on {values.device}")
    return values.reshape(shape)


def _index(sim: Sim, tensor: Tensor, count: int, call: str) -> torch.Tensor:
    index = _given(tensor, call)
    if index.dtype != torch.int32 or index.ndim != 1:
        raise ValueError(
            f"gym.{call} takes actor indices as an int32 tensor of one dimension, not {index.dtype} {tuple(index.shape)}"
        )
    if not 0 <= operator.index(count) <= len(index):
        raise ValueError(f"gym.{call}: {count} actors asked for, but {len(index)} indices given")
    index = index[:count]
    if index.device.type == "cpu" and count:  # on a GPU they are left out and counted
        largest = int(index.numpy().max())
        if largest >= len(sim.actors):
            raise IndexError(f"gym.{call}: there is no actor {largest}; actors are 0..{len(sim.actors) - 1}")
    return index


def _command(
    sim: Sim, target: torch.Tensor, values: Tensor, call: str, actors: Tensor | None = None, count: int = 0
) -> bool:
    index = _index(sim, actors, count, call) if call.endswith("_indexed") else None  # type: ignore[arg-type]
    sim.set_command(target, _values(values, (len(sim.dof_state),), sim, call), index)
    return True


def _dofs(env: Env, handle: int) -> slice:
    count = len(actor_of(env, handle).asset.dof_names)
    first = _sim(env).first(env, "dofs") + sum(len(a.asset.dof_names) for a in env.actors[:handle])
    return slice(first, first + count)


def _commands(env: Env, handle: int, which: str) -> np.ndarray:
    actor, sim = actor_of(env, handle), _sim(env)
    values = getattr(sim, which)[_dofs(env, handle)].cpu().numpy() if sim.prepared else start_of(actor).commands[which]
    return values.copy()


def _actor_command(gym: Gym, env: Env, handle: int, which: str, values: np.ndarray) -> bool:
    sim, rows = _sim(env), _dofs(env, handle)
    values = np.asarray(values, dtype=np.float32).reshape(-1)
    if len(values) != rows.stop - rows.start:
        raise ValueError(f"{call()}: the actor has {rows.stop - rows.start} DOFs, not {len(values)}")
    if not np.isfinite(values).all():
        raise ValueError(f"{call()}: commands are finite, not {values}")
    if sim.prepared:
        target = getattr(sim, which)
        target[rows] = torch.as_tensor(values, device=target.device)
    else:
        start_of(actor_of(env, handle)).commands[which][:] = values
    return True
