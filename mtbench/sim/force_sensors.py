"""Force sensors: the net force and torque on a body, at a frame of the body.

Isaac Gym's sensors tell the sum of all that acts on a body, so that a body at rest shows zero; two switches leave out what
contacts do, or everything else. MuJoCo gives a body's acceleration and its contacts: the sum is m a and the change of
angular momentum, the contacts are one part, and the rest (gravity, joints, drives, applied forces) is the difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import mujoco
import numpy as np
import torch
from torch import Tensor

from .component_types import ForceSensorProperties, SpatialForce
from .pose_types import Transform, Vec3

if TYPE_CHECKING:
    from .scene import Env
    from .simulation import Simulation

#: Prefix of MuJoCo's sensors of a body, and the numbers they give: linear and angular acceleration, and the contacts' force,
#: torque and place, all along world axes.
PREFIX, WIDTH = "force/", 15


@dataclass(frozen=True)
class AssetSensor:
    """A sensor of an asset: its body and its frame there."""

    body: int
    pose: Transform
    props: ForceSensorProperties


def add_to(spec: mujoco.MjSpec, env: Env) -> None:
    """Measure what :class:`ForceSensors` needs, for each body with sensors, actor by actor; after all other sensors."""
    kinds = mujoco.mjtSensor
    for i, actor in enumerate(env.actors):
        for body in _bodies(actor.asset.force_sensors):
            name = f"{i}/{actor.asset.model.body(1 + body).name}"
            for kind in (kinds.mjSENS_FRAMELINACC, kinds.mjSENS_FRAMEANGACC, kinds.mjSENS_CONTACT):
                sensor = spec.add_sensor(
                    name=f"{PREFIX}{kind.name}/{name}",
                    type=kind,
                    objtype=mujoco.mjtObj.mjOBJ_BODY,
                    objname=name,
                )
                if kind == kinds.mjSENS_CONTACT:
                    data = mujoco.mjtConDataField
                    wanted = (data.mjCONDATA_FORCE, data.mjCONDATA_TORQUE, data.mjCONDATA_POS)
                    # these data, reduced to one wrench, one slot
                    sensor.intprm[:3] = sum(1 << int(field.value) for field in wanted), 3, 1


def first_number(model: mujoco.MjModel) -> tuple[int, int]:
    """Where the sensors' data begin in a model's ``sensordata``, and of how many bodies they are."""
    ours = [k for k in range(model.nsensor) if model.sensor(k).name.startswith(PREFIX)]
    return (int(model.sensor_adr[ours[0]]), len(ours) // 3) if ours else (0, 0)


def _bodies(sensors: list[AssetSensor]) -> list[int]:
    """Bodies with sensors, each once."""
    return list(dict.fromkeys(sensor.body for sensor in sensors))


class ForceSensors:
    """The sensors of a simulation, in the order of environments, actors and their creation. S sensors.

    Attributes:
        values: (S, 6) force (N) and torque (N m), filled by :meth:`refresh`.
    """

    def __init__(self, sim: Simulation) -> None:
        self.sim, rank = sim, sim.layout.env_rank.tolist()
        count = {env.index: sum(len(_bodies(a.asset.force_sensors)) for a in env.actors) for env in sim.envs}
        by_rank = sorted(sim.envs, key=lambda env: rank[env.index])
        start = dict(zip((e.index for e in by_rank), np.cumsum([0, *(count[e.index] for e in by_rank)]), strict=False))
        rows, bodies, frames, flags, owners = [], [], [], [], []
        for env in sim.envs:
            row, body = int(start[env.index]), sim.first(env, "bodies")
            for actor in env.actors:
                sensors = actor.asset.force_sensors
                order = _bodies(sensors)
                for sensor in sensors:
                    p, r, props = sensor.pose.p, sensor.pose.r.normalize(), sensor.props
                    rows.append(row + order.index(sensor.body))
                    bodies.append(body + sensor.body)
                    frames.append([p.x, p.y, p.z, r.x, r.y, r.z, r.w])
                    forward, solver = props.enable_forward_dynamics_forces, props.enable_constraint_solver_forces
                    flags.append([float(forward), float(solver), float(props.use_world_frame)])
                    owners.append((rank[env.index], body + sensor.body - sim.first(env, "bodies") + 1))
                row, body = row + len(order), body + len(actor.asset.body_names)
        self._row, self._body = torch.tensor(rows), torch.tensor(bodies)
        self._frame, self._flags = torch.tensor(frames).reshape(-1, 7), torch.tensor(flags).reshape(-1, 3)
        self._owners = owners
        self.values = torch.zeros(len(rows), 6)
        self.read_masses()

    def read_masses(self) -> None:
        """Take over masses and inertias from the models."""
        mass, inertia, frame = [], [], []
        for rank, body in self._owners:
            m = self.sim._engine.model(rank)
            mass.append(float(m.body_mass[body]))
            inertia.append(m.body_inertia[body].tolist())
            w, x, y, z = m.body_iquat[body].tolist()
            frame.append([x, y, z, w])
        self._mass = torch.tensor(mass)[:, None]
        self._inertia, self._axes = torch.tensor(inertia).reshape(-1, 3), torch.tensor(frame).reshape(-1, 4)

    def refresh(self) -> None:
        """Fill ``values``."""
        self.values[:] = self.read()

    def read(self) -> Tensor:
        """(S, 6), what acted in the last substep."""
        sim = self.sim
        engine = sim._engine
        data = engine.force_sensor[self._row]  # type: ignore[attr-defined]
        row = sim.layout.body_row[self._body]
        position, centre = engine.xpos[row], engine.xipos[row]
        quat, omega = engine.xquat[row][:, [1, 2, 3, 0]], engine.cvel[row][:, :3]
        g = sim.params.gravity
        linear, angular = data[:, :3] + torch.tensor([g.x, g.y, g.z]), data[:, 3:6]  # MuJoCo's has no weight in it
        at = position + _rotate(quat, self._frame[:, :3])
        axes = _multiply(quat, self._axes)

        def momentum(turning: Tensor) -> Tensor:
            return _rotate(axes, self._inertia * _rotate(_inverse(axes), turning))

        force = self._mass * linear
        torque = momentum(angular) + torch.linalg.cross(omega, momentum(omega))
        torque = torque + torch.linalg.cross(centre - at, force)
        # MuJoCo's contact sensor gives what the body exerts.
        push, twist, place = -data[:, 6:9], -data[:, 9:12], data[:, 12:15]
        twist = twist + torch.linalg.cross(place - at, push)
        net, contact = torch.cat([force, torque], dim=1), torch.cat([push, twist], dim=1)
        forward, solver, world = (self._flags[:, k : k + 1] for k in range(3))
        wanted = forward * (net - contact) + solver * contact
        back = _inverse(_multiply(quat, self._frame[:, 3:]))
        local = torch.cat([_rotate(back, wanted[:, :3]), _rotate(back, wanted[:, 3:])], dim=1)
        return torch.where(world > 0, wanted, local)


class ForceSensor:
    """One sensor of an actor."""

    def __init__(self, sensors: ForceSensors, index: int) -> None:
        self._sensors, self._index = sensors, index

    def get_forces(self) -> SpatialForce:
        """What it reads now."""
        force = self._sensors.read()[self._index].tolist()
        return SpatialForce(Vec3(*force[:3]), Vec3(*force[3:]))

    def get_global_index(self) -> int:
        """Its row in the tensor of force sensors."""
        return self._index


def _rotate(quat: Tensor, v: Tensor) -> Tensor:
    """Rotate vectors (n, 3) by quaternions (n, 4) xyzw."""
    u, w = quat[:, :3], quat[:, 3:]
    t = 2.0 * torch.linalg.cross(u, v)
    return v + w * t + torch.linalg.cross(u, t)


def _multiply(a: Tensor, b: Tensor) -> Tensor:
    u, w, v, s = a[:, :3], a[:, 3:], b[:, :3], b[:, 3:]
    return torch.cat([w * v + s * u + torch.linalg.cross(u, v), w * s - (u * v).sum(1, keepdim=True)], dim=1)


def _inverse(quat: Tensor) -> Tensor:
    return torch.cat([-quat[:, :3], quat[:, 3:]], dim=1)
