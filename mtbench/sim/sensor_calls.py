"""The calls of ``gymapi.Gym`` about force sensors."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from .arguments import checked
from .checks import check_pose
from .component_types import ForceSensorProperties
from .datatypes import INVALID_HANDLE
from .force_sensors import AssetSensor, ForceSensor
from .gymtorch import Tensor
from .handles import actor_of, call, index_of, simulation
from .pose_types import Transform

if TYPE_CHECKING:
    from .assets import Asset
    from .scene import Env
    from .simulation import Simulation as Sim


@checked
class SensorCalls:
    """Force sensors, on the CPU engine."""

    def create_asset_force_sensor(
        self, asset: Asset, body_idx: int, local_pose: Transform, props: ForceSensorProperties | None = None
    ) -> int:
        """Give a body of an asset a sensor, before ``prepare_sim``; its index, or -1 where there is no such body."""
        if any(sim.prepared for sim in asset.sizes[1.0].simulations):
            late = "an actor of the asset is in a simulation that is prepared"
            raise RuntimeError(f"{call()}: {late}; give assets their sensors before prepare_sim and the first simulate")
        if not 0 <= index_of(body_idx) < len(asset.body_names):
            return INVALID_HANDLE
        check_pose(local_pose, "a sensor's pose")
        sensor = AssetSensor(index_of(body_idx), copy.deepcopy(local_pose), copy.copy(props or ForceSensorProperties()))
        asset.force_sensors.append(sensor)
        return len(asset.force_sensors) - 1

    def get_actor_force_sensor_count(self, env: Env, handle: int) -> int:
        return len(actor_of(env, handle).asset.force_sensors)

    def get_sim_force_sensor_count(self, sim: Sim) -> int:
        return sum(len(a.asset.force_sensors) for env in sim.envs for a in env.actors)

    def get_actor_force_sensor(self, env: Env, handle: int, index: int) -> ForceSensor | None:
        """One sensor, with ``get_forces`` and ``get_global_index``; None where there is no such one."""
        if not 0 <= index_of(index) < self.get_actor_force_sensor_count(env, handle):
            return None
        sim = simulation(env)
        before = [a for e in sim.envs[: env.index] for a in e.actors] + env.actors[: index_of(handle)]
        return ForceSensor(sim.measure_forces(), sum(len(a.asset.force_sensors) for a in before) + index_of(index))

    def acquire_force_sensor_tensor(self, sim: Sim) -> Tensor:
        """(sensors, 6): force (N) and torque (N m) of the last substep, in the sensor's frame or along world axes."""
        return Tensor(sim.measure_forces().values)

    def refresh_force_sensor_tensor(self, sim: Sim) -> bool:
        """True if there are sensors."""
        if self.get_sim_force_sensor_count(sim):
            sim.measure_forces().refresh()
            return True
        return False
