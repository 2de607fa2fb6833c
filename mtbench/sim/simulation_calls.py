"""The calls of ``gymapi.Gym`` on the whole simulation: its parameters, its ground, its steps, its time, its state."""

from __future__ import annotations

import time
from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np
import torch

from . import shapes
from .arguments import checked
from .checks import FINITE, NOT_NEGATIVE, POSITIVE, check_fields, check_pose, check_unprepared, check_vector
from .coverage import PAGE
from .datatypes import HeightFieldParams, PlaneParams, SimParams, SimType, TriangleMeshParams, Version
from .ground import array, from_samples, from_triangles
from .handles import call, index_of, simulation
from .numbers import number
from .simulation import Simulation as Sim

if TYPE_CHECKING:
    from .scene import Env


#: Seconds: a step is between these. PhysX and MuJoCo are made for hundredths.
SHORTEST, LONGEST = 1e-6, 1.0


@checked
class SimulationCalls:
    """From ``create_sim`` to ``destroy_sim``."""

    # -- made and destroyed ---------------------------------------------------------------------------------------

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
        _check(params)
        return Sim(params, f"cuda:{index_of(compute_device)}" if params.use_gpu_pipeline else "cpu")

    def destroy_sim(self, sim: Sim) -> None:
        sim.close_studio()
        sim.destroy()

    def get_sim_params(self, sim: Sim) -> SimParams:
        """A copy: changes act through ``set_sim_params``."""
        return deepcopy(sim.params)

    def set_sim_params(self, sim: Sim, params: SimParams) -> None:
        """After ``prepare_sim`` gravity can change, and what has no effect; the rest is compiled into the models."""
        _check(params)
        if sim.prepared:
            sim.change_params(params)
        sim.params = deepcopy(params)

    # -- ground -------------------------------------------------------------------------------------------------

    def add_ground(self, sim: Sim, params: PlaneParams) -> None:
        _check_ground(sim, params)
        check_vector(params.normal, "PlaneParams.normal", some=True)
        check_fields(params, FINITE, "distance")
        sim.ground.plane = deepcopy(params)

    def add_heightfield(self, sim: Sim, heightSamples: np.ndarray, params: HeightFieldParams) -> None:  # noqa: N803
        """A ground of integer heights, ``nbColumns`` (along x) times ``nbRows`` (along y, fastest) of them, for all
        environments; the first stands at ``params.transform``, which may not turn. MuJoCo sees slopes between neighbouring
        samples, never walls."""
        _check_ground(sim, params)
        check_pose(params.transform, "HeightFieldParams.transform")
        check_fields(params, POSITIVE, "column_scale", "row_scale")
        check_fields(params, FINITE, "vertical_scale")
        scale = params.column_scale, params.row_scale, params.vertical_scale
        sizes = params.nbRows, params.nbColumns
        samples = array(heightSamples, "heightSamples")
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
        _check_ground(sim, params)
        check_pose(params.transform, "TriangleMeshParams.transform")
        sim.ground.maps.append(from_triangles(vertices, triangles, params.transform, params.static_friction))

    def set_env_ground(self, env: Env, x: float, y: float, length: float, width: float) -> None:
        """Let an environment hold only the part of the height fields within x ... x + length and y ... y + width (metres),
        before ``prepare_sim``. Not in Isaac Gym: there all environments share one ground in one world, here each world has a
        copy. Environments with windows of the same size still share one structure. MuJoCo Warp keeps one ground for all
        worlds, so a GPU ignores windows."""
        sim = simulation(env)
        check_unprepared(sim, "the ground cannot change")
        given = {"x": x, "y": y, "length": length, "width": width}
        x, y, length, width = (number(v, float, f"{call()}: {key}") for key, v in given.items())
        if not (x in FINITE and y in FINITE and length in POSITIVE and width in POSITIVE):
            raise ValueError(f"{call()}: a window is finite and its sizes positive, not {list(given.values())}")
        if sim.device.type == "cpu" and not sim.params.warp.enabled:
            env.window = x, y, length, width

    # -- steps --------------------------------------------------------------------------------------------------

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

    # -- beyond Isaac Gym ---------------------------------------------------------------------------------------

    def get_state(self, sim: Sim) -> dict[str, torch.Tensor]:
        """The whole physics state. Not in Isaac Gym: a run that saves it can be resumed exactly."""
        return sim.get_state()

    def set_state(self, sim: Sim, state: dict[str, torch.Tensor]) -> None:
        """The inverse of :meth:`get_state`, on a simulation with the same environments."""
        sim.set_state(state)


def _check(params: SimParams) -> None:
    if not SHORTEST <= params.dt <= LONGEST:
        raise ValueError(f"{call()}: SimParams.dt is from {SHORTEST:g} to {LONGEST:g} s, not {params.dt}")
    if params.substeps < 1:
        raise ValueError(f"{call()}: SimParams.substeps is at least 1, not {params.substeps}")
    check_vector(params.gravity, "SimParams.gravity")


def _check_ground(sim: Sim, params: PlaneParams | HeightFieldParams | TriangleMeshParams) -> None:
    check_unprepared(sim, "the ground cannot change")
    check_fields(params, NOT_NEGATIVE, "static_friction", "dynamic_friction")
    shapes.warn_restitution(params.restitution, "the ground")
