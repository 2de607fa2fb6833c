"""Force sensors against weights and analytic loads."""

from __future__ import annotations

import math

import pytest
import torch

from mtbench.sim import gymapi, gymtorch
from tests.sim.world import World

SLED = """
<mujoco><worldbody><body name="rail"><geom type="box" size="0.05 0.05 0.05" contype="0" conaffinity="0"/>
  <body name="sled" pos="0 0 0.5"><joint name="slide" type="slide" axis="1 0 0"/>
    <inertial pos="0.1 0 0.2" mass="2" diaginertia="0.01 0.02 0.03"/></body></body></worldbody></mujoco>"""


@pytest.fixture
def world(tmp_path) -> World:
    return World(tmp_path, dt=0.005)  # MuJoCo Warp has no force sensors


def sense(w: World, asset, body: int, pose: gymapi.Transform, forward=True, solver=True, world_frame=False) -> int:
    props = gymapi.ForceSensorProperties()
    props.enable_forward_dynamics_forces = forward
    props.enable_constraint_solver_forces = solver
    props.use_world_frame = world_frame
    return w.gym.create_asset_force_sensor(asset, body, pose, props)


def readings(w: World) -> torch.Tensor:
    values = gymtorch.wrap_tensor(w.gym.acquire_force_sensor_tensor(w.sim))
    w.gym.refresh_force_sensor_tensor(w.sim)
    return values


def test_a_body_at_rest_shows_zero_and_its_contacts_its_weight(world):
    w = world
    w.ground()
    box = w.gym.create_box(w.sim, 0.2, 0.2, 0.1, w.options(density=500.0))  # 2 kg
    tilt = gymapi.Quat.from_axis_angle(gymapi.Vec3(0, 1, 0), 0.3)
    assert sense(w, box, 0, gymapi.Transform()) == 0
    assert sense(w, box, 0, gymapi.Transform(), forward=False) == 1
    sense(w, box, 0, gymapi.Transform(), solver=False)
    sense(w, box, 0, gymapi.Transform(gymapi.Vec3(0.05, 0, 0), tilt), forward=False)
    sense(w, box, 0, gymapi.Transform(gymapi.Vec3(0.05, 0, 0), tilt), forward=False, world_frame=True)
    assert sense(w, box, 1, gymapi.Transform()) == -1
    for _ in range(2):
        w.env((box, (0, 0, 0.05)))
    assert w.gym.get_sim_force_sensor_count(w.sim) == 10
    w.prepare()
    w.step(400)
    weight = 2 * 9.81
    net, contact, rest, tilted, along_world = readings(w)[5:]
    torch.testing.assert_close(net, torch.zeros(6), atol=2e-3, rtol=0)
    torch.testing.assert_close(contact, torch.tensor([0, 0, weight, 0, 0, 0]), atol=5e-3, rtol=0)
    torch.testing.assert_close(rest, torch.tensor([0, 0, -weight, 0, 0, 0]), atol=5e-3, rtol=0)
    # 5 cm beside the middle, the weight's force turns about -(r x F)
    torch.testing.assert_close(along_world, torch.tensor([0, 0, weight, 0, 0.05 * weight, 0]), atol=5e-3, rtol=0)
    expected = [-weight * math.sin(0.3), 0, weight * math.cos(0.3)]
    torch.testing.assert_close(tilted[:3], torch.tensor(expected), atol=5e-3, rtol=0)
    sensor = w.gym.get_actor_force_sensor(w.sim.envs[1], 0, 1)
    assert sensor.get_global_index() == 6 and sensor.get_forces().force.z == pytest.approx(weight, abs=5e-3)
    assert w.gym.get_actor_force_sensor(w.sim.envs[1], 0, 5) is None


def test_a_falling_body_shows_its_weight(world):
    w = world
    ball = w.gym.create_sphere(w.sim, 0.1, w.options(density=1000.0))
    sense(w, ball, 0, gymapi.Transform(gymapi.Vec3(0, 0.1, 0)))
    w.env((ball, (0, 0, 5)))
    w.prepare()
    w.step(3)
    mass = 1000.0 * 4 / 3 * math.pi * 0.1**3
    # at (0, 0.1, 0), the weight in the middle turns about x: r x F = (0, -0.1, 0) x (0, 0, -mg)
    expected = torch.tensor([0, 0, -mass * 9.81, 0.1 * mass * 9.81, 0, 0])
    torch.testing.assert_close(readings(w)[0], expected, rtol=1e-4, atol=1e-4)


def test_an_accelerated_sled_and_a_changed_mass(world):
    w = world
    asset = w.mjcf(SLED, fix_base_link=True, default_dof_drive_mode=gymapi.DOF_MODE_EFFORT)
    sense(w, asset, 1, gymapi.Transform())
    sense(w, asset, 1, gymapi.Transform(), solver=False)
    env = w.env((asset, (0, 0, 1)))
    w.prepare()
    w.gym.set_dof_actuation_force_tensor(w.sim, gymtorch.unwrap_tensor(torch.tensor([6.0])))
    w.step(2)
    # 6 N along x at the centre of mass (0.1, 0, 0.2): about the body's origin r x F = (0, 0.2 * 6, 0)
    expected = torch.tensor([6.0, 0, 0, 0, 1.2, 0])
    torch.testing.assert_close(readings(w), expected.expand(2, 6), rtol=1e-4, atol=1e-4)
    props = w.gym.get_actor_rigid_body_properties(env, 0)
    props[1].mass = 3.0
    w.gym.set_actor_rigid_body_properties(env, 0, props, False)
    w.step(2)
    torch.testing.assert_close(readings(w), expected.expand(2, 6), rtol=1e-4, atol=1e-4)  # the same force


def test_without_sensors(world):
    w = world
    w.env((w.gym.create_sphere(w.sim, 0.1, w.options()), (0, 0, 1)))
    w.prepare()
    assert readings(w) is None and not w.gym.refresh_force_sensor_tensor(w.sim)


def test_reading_one_sensor_leaves_the_tensor(world):
    w = world
    ball = w.gym.create_sphere(w.sim, 0.1, w.options())
    sense(w, ball, 0, gymapi.Transform())
    env = w.env((ball, (0, 0, 1)))
    w.prepare()
    shown = readings(w).fill_(-3.0)
    w.step()
    assert w.gym.get_actor_force_sensor(env, 0, 0).get_forces().force.z == pytest.approx(-41.09, rel=1e-3)
    assert (shown == -3.0).all()
