"""Motion through the Tensor API against closed-form solutions and against plain MuJoCo."""

from __future__ import annotations

import math
import warnings

import mujoco
import numpy as np
import pytest
import torch

from mtbench.sim import gymapi, gymtorch
from tests.sim.world import ARM, PENDULUM


def test_free_fall(make_world):
    w = make_world(dt=0.01)
    w.env((w.gym.create_sphere(w.sim, 0.1, w.options()), (0, 0, 5)))
    w.prepare()
    start = w.root.clone()
    start[0, 7:10] = torch.tensor([0.3, -0.2, 1.0])
    w.set_roots(start)
    w.step(50)
    t = 0.5
    # semi-implicit Euler falls g t dt / 2 further than the parabola
    expected = torch.tensor([0.3 * t, -0.2 * t, 5 + 1.0 * t - 0.5 * 9.81 * t * (t + w.dt)])
    torch.testing.assert_close(w.root[0, :3], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(w.root[0, 7:10], torch.tensor([0.3, -0.2, 1.0 - 9.81 * t]), atol=1e-5, rtol=0)


def test_gravity_can_be_switched_off(make_world):
    w = make_world()
    w.env((w.gym.create_box(w.sim, 0.1, 0.1, 0.1, w.options(disable_gravity=True)), (0, 0, 1)))
    w.prepare()
    w.step(50)
    assert w.root[0, 2].item() == pytest.approx(1.0, abs=1e-6)


def test_linear_and_angular_damping(make_world):
    w = make_world(gravity=0.0, dt=0.001)
    w.env((w.gym.create_box(w.sim, 0.1, 0.2, 0.3, w.options(linear_damping=0.5, angular_damping=2.0)), (0, 0, 1)))
    w.prepare()
    start = w.root.clone()
    start[0, 7], start[0, 12] = 1.0, 3.0
    w.set_roots(start)
    w.step(1000)
    assert w.root[0, 7].item() == pytest.approx(math.exp(-0.5), rel=1e-2)
    assert w.root[0, 12].item() == pytest.approx(3 * math.exp(-2.0), rel=1e-2)


def test_pendulum_period_and_energy(make_world):
    w = make_world(dt=0.002)
    w.env((w.mjcf(PENDULUM, fix_base_link=True), (0, 0, 2)))
    w.prepare()
    amplitude = 0.05
    w.set_dofs(torch.tensor([[amplitude, 0.0]]))
    inertia, m, arm = 0.1 + 2 * 0.25, 2.0, 0.5
    period = 2 * math.pi * math.sqrt(inertia / (m * 9.81 * arm)) * (1 + amplitude**2 / 16)
    steps = round(3 * period / w.dt)
    w.step(steps)
    phase = 2 * math.pi * steps * w.dt / period
    assert w.dof[0, 0].item() == pytest.approx(amplitude * math.cos(phase), abs=2e-3 * amplitude + 5e-4)

    def energy() -> float:
        q, v = w.dof[0].tolist()
        return 0.5 * inertia * v * v - m * 9.81 * arm * math.cos(q)

    swing = m * 9.81 * arm * (1 - math.cos(amplitude))
    before = energy()
    w.step(500)
    assert energy() == pytest.approx(before, abs=0.02 * swing)


def test_sliding_block_stops_where_coulomb_says(make_world):
    w = make_world(dt=0.005)
    w.ground(friction=0.3)
    box = w.gym.create_box(w.sim, 0.2, 0.2, 0.1, w.options())
    props = w.gym.get_asset_rigid_shape_properties(box)
    props[0].friction = 0.3
    w.gym.set_asset_rigid_shape_properties(box, props)
    w.env((box, (0, 0, 0.05)))
    w.prepare()
    w.step(100)  # settle
    start = w.root.clone()
    start[0, 7] = 1.5
    w.set_roots(start)
    w.step(40)
    t = 40 * w.dt
    # soft contacts leak a little: one part in twenty of the friction
    assert w.root[0, 7].item() == pytest.approx(1.5 - 0.3 * 9.81 * t, rel=0.05)
    w.step(200)
    assert abs(w.root[0, 7].item()) < 5e-3
    distance = w.root[0, 0].item() - start[0, 0].item()
    assert distance == pytest.approx(1.5**2 / (2 * 0.3 * 9.81), rel=0.05)


def test_friction_of_a_pair(make_world):
    """An actor alone meets the ground with the mean of their frictions, as PhysX has it, negative ones too; among several
    actors it is the larger of the two. Blocks slide as Coulomb says, with what is set before and after ``prepare_sim``."""
    w = make_world(dt=0.005)
    w.ground(friction=0.2)
    box = w.gym.create_box(w.sim, 0.2, 0.2, 0.1, w.options())
    alone = {0.6: 0.4, 0.1: 0.15, -0.1: 0.05, -0.5: 0.0}
    envs = [w.env((box, (0, 0, 0.05))) for _ in alone]
    shared = w.env((box, (0, 0, 0.05)), (box, (0, 2, 0.05)))
    actors = [*((env, 0) for env in envs), (shared, 0), (shared, 1)]
    given, acts = [*alone, 0.6, -0.1], [*alone.values(), 0.6, 0.2]

    def give(frictions: list[float]) -> list[str]:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            for (env, handle), friction in zip(actors, frictions, strict=True):
                props = w.gym.get_actor_rigid_shape_properties(env, handle)
                props[0].friction = friction
                w.gym.set_actor_rigid_shape_properties(env, handle, props)
            if w.sim.prepared:
                w.step(1)
            else:
                w.prepare()
        return [str(warning.message) for warning in said]

    def slow_down() -> torch.Tensor:
        w.step(100)
        start = w.root.clone()
        start[:, 7] = 1.0
        w.set_roots(start)
        w.step(20)
        return (1.0 - w.root[:, 7]) / (9.81 * 20 * w.dt)

    assert ["several actors" in message for message in give(given)] == [True]
    assert slow_down().tolist() == pytest.approx(acts, rel=0.06, abs=2e-3)
    assert not give(given[::-1])
    assert slow_down().tolist() == pytest.approx([0.05, 0.4, 0.0, 0.05, 0.2, 0.6], rel=0.06, abs=2e-3)
    assert w.gym.get_actor_rigid_shape_properties(envs[0], 0)[0].friction == pytest.approx(-0.1)


def test_a_box_without_a_length_is_a_plate(make_world):
    w = make_world(dt=0.005)
    w.ground()
    plate, ball = w.gym.create_box(w.sim, 0.4, 0.4, 0.0, w.options(fix_base_link=True)), w.gym.create_sphere(w.sim, 0.1)
    w.env((plate, (0, 0, 0.5)), (ball, (0, 0, 0.65)))
    w.prepare()
    w.step(200)
    assert w.root[1, 2].item() == pytest.approx(0.6, abs=2e-3)


def test_position_drive_is_a_spring_damper(make_world):
    w = make_world(dt=0.001, gravity=0.0)
    env = w.env((w.mjcf(PENDULUM, fix_base_link=True, default_dof_drive_mode=gymapi.DOF_MODE_POS), (0, 0, 2)))
    kp, kd, inertia = 40.0, 3.0, 0.6
    w.drive(env, stiffness=kp, damping=kd)
    w.prepare()
    target = torch.tensor([0.7])
    w.gym.set_dof_position_target_tensor(w.sim, gymtorch.unwrap_tensor(target))
    omega, zeta = math.sqrt(kp / inertia), kd / (2 * math.sqrt(kp * inertia))
    damped = omega * math.sqrt(1 - zeta**2)
    for steps in (200, 200, 400):
        w.step(steps)
        t = w.gym.get_sim_time(w.sim)
        decay = math.exp(-zeta * omega * t)
        q = 0.7 * (1 - decay * (math.cos(damped * t) + zeta * omega / damped * math.sin(damped * t)))
        assert w.dof[0, 0].item() == pytest.approx(q, abs=4e-3)


def test_velocity_drive_reaches_its_target(make_world):
    w = make_world(gravity=0.0)
    env = w.env((w.mjcf(PENDULUM, fix_base_link=True, default_dof_drive_mode=gymapi.DOF_MODE_VEL), (0, 0, 2)))
    w.drive(env, damping=5.0)
    w.prepare()
    w.gym.set_dof_velocity_target_tensor(w.sim, gymtorch.unwrap_tensor(torch.tensor([0.8])))
    w.step(200)
    assert w.dof[0, 1].item() == pytest.approx(0.8, abs=1e-4)


def test_effort_drive_accelerates(make_world):
    w = make_world(gravity=0.0)
    w.env((w.mjcf(PENDULUM, fix_base_link=True, default_dof_drive_mode=gymapi.DOF_MODE_EFFORT), (0, 0, 2)))
    w.prepare()
    w.gym.set_dof_actuation_force_tensor(w.sim, gymtorch.unwrap_tensor(torch.tensor([1.2])))
    w.step(10)
    assert w.dof[0, 1].item() == pytest.approx(1.2 / 0.6 * 0.1, rel=1e-4)


@pytest.mark.parametrize("damping", [0.0, 60.0])
def test_effort_limits_the_drive(make_world, damping):
    """A drive at its limit is a constant torque T: a hanging pendulum swings up to where T q = m g arm (1 - cos q). On Warp,
    where the joint is as if it were heavier by h (kd + h kp), a stiff one begins with less."""
    w = make_world(dt=1 / 60, substeps=8)
    env = w.env((w.mjcf(PENDULUM, fix_base_link=True, default_dof_drive_mode=gymapi.DOF_MODE_POS), (0, 0, 2)))
    w.drive(env, stiffness=2000.0, damping=damping, effort=4.0)
    w.prepare()
    force = gymtorch.wrap_tensor(w.gym.acquire_dof_force_tensor(w.sim))
    w.gym.set_dof_position_target_tensor(w.sim, gymtorch.unwrap_tensor(torch.tensor([1.2])))
    if w.sim.params.warp.enabled and damping:
        h, inertia = w.dt / 8, 0.1 + 2 * 0.5**2
        w.step()
        w.gym.refresh_dof_force_tensor(w.sim)
        assert force[0].item() == pytest.approx(4.0 * inertia / (inertia + h * (damping + h * 2000.0)), rel=0.02)
        return
    highest = 0.0
    for _ in range(150):
        w.step()
        highest = max(highest, w.dof[0, 0].item())
        w.gym.refresh_dof_force_tensor(w.sim)
        assert force[0].item() == pytest.approx(4.0, rel=0.02)
    weight = 2 * 9.81 * 0.5
    assert 4.0 * highest == pytest.approx(weight * (1 - math.cos(highest)), rel=0.02)


def test_arm_moves_as_in_plain_mujoco(make_world):
    w = make_world(dt=0.01, substeps=2)
    asset = w.mjcf(ARM, fix_base_link=True)
    w.env((asset, (0.2, 0.1, 0.4)))
    w.prepare()
    start = torch.tensor([[0.4, 1.0], [-0.6, 0.5], [0.1, -0.2]])
    w.set_dofs(start)
    spec = mujoco.MjSpec.from_string(ARM)
    spec.option.timestep, spec.option.integrator = 0.005, mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.worldbody.first_body().pos = [0.2, 0.1, 0.4]
    m = spec.compile()
    d = mujoco.MjData(m)
    d.qpos[:], d.qvel[:] = start[:, 0], start[:, 1]
    for _ in range(60):
        w.step()
        mujoco.mj_step(m, d, 2)
        np.testing.assert_allclose(w.dof[:, 0], d.qpos, atol=1e-5)
    mujoco.mj_forward(m, d)
    np.testing.assert_allclose(w.body[:, :3], d.xpos[1:], atol=1e-5)
    for b in range(1, m.nbody):
        velocity = np.zeros(6)
        mujoco.mj_objectVelocity(m, d, mujoco.mjtObj.mjOBJ_XBODY, b, velocity, 0)
        np.testing.assert_allclose(w.body[b - 1, 7:10], velocity[3:], atol=1e-4)
        np.testing.assert_allclose(w.body[b - 1, 10:13], velocity[:3], atol=1e-4)


def test_poses_belong_to_the_state(make_world):
    """MuJoCo's own derived quantities would lag one substep behind."""
    w = make_world(dt=0.02)
    w.env((w.mjcf(PENDULUM, fix_base_link=True), (0, 0, 2)), (w.gym.create_box(w.sim, 0.1, 0.1, 0.1), (1, 0, 3)))
    w.prepare()
    w.set_dofs(torch.tensor([[1.0, 4.0]]))
    for _ in range(5):
        w.step()
        half = w.dof[0, 0] / 2
        torch.testing.assert_close(w.body[1, 3:7], torch.tensor([0, half.sin(), 0, half.cos()]), atol=1e-6, rtol=0)
        torch.testing.assert_close(w.body[2], w.root[1])
    before, velocity = w.root[1, 2].item(), w.root[1, 9].item()
    w.step()
    assert w.root[1, 2].item() - before == pytest.approx((velocity - 9.81 * 0.02) * 0.02, abs=1e-6)


def test_net_contact_force_carries_the_weight(make_world):
    w = make_world(dt=0.005)
    w.ground()
    box = w.gym.create_box(w.sim, 0.1, 0.1, 0.1, w.options(density=1000.0))
    w.env((box, (0, 0, 0.05)), (box, (0, 0, 0.15)))
    w.prepare()
    force = gymtorch.wrap_tensor(w.gym.acquire_net_contact_force_tensor(w.sim))
    w.step(300)
    w.gym.refresh_net_contact_force_tensor(w.sim)
    # each box weighs 9.81 N and is held by a net force of its own weight
    torch.testing.assert_close(force[:, 2], torch.tensor([9.81, 9.81]), atol=0.05, rtol=0)


def test_rigid_body_forces_act_once(make_world):
    w = make_world(gravity=0.0)
    box = w.gym.create_box(w.sim, 0.1, 0.1, 0.1, w.options())
    w.env((box, (0, 0, 1)), (box, (1, 0, 1)))
    w.prepare()
    turned = w.root.clone()
    turned[:, 3:7] = torch.tensor([0, 0, math.sqrt(0.5), math.sqrt(0.5)])  # 90 degrees about z
    w.set_roots(turned)
    force, torque = torch.zeros(2, 3), torch.zeros(2, 3)
    force[1, 0], torque[0, 2] = 2.0, 0.01
    w.gym.apply_rigid_body_force_tensors(
        w.sim, gymtorch.unwrap_tensor(force), gymtorch.unwrap_tensor(torque), gymapi.LOCAL_SPACE
    )
    w.step(3)
    assert w.root[1, 8].item() == pytest.approx(2.0 * 0.01, rel=1e-4)  # local x is world y, one step of 0.01 s
    assert w.root[1, 7].item() == pytest.approx(0.0, abs=1e-6)
    assert w.root[0, 12].item() == pytest.approx(0.01 * 0.01 / (1.0 * 0.1**2 / 6), rel=1e-3)
    # a force off the centre of mass turns the body
    force, position = torch.zeros(2, 3), w.root[:, :3].clone()
    force[0, 0] = 1.0
    position[0, 1] += 0.05
    before = w.root[0, 12].item()
    w.gym.apply_rigid_body_force_at_pos_tensors(
        w.sim, gymtorch.unwrap_tensor(force), gymtorch.unwrap_tensor(position), gymapi.ENV_SPACE
    )
    w.step()
    assert w.root[0, 12].item() - before == pytest.approx(-0.05 * 0.01 / (0.1**2 / 6), rel=1e-2)


def test_collision_groups_and_filters(make_world):
    w = make_world(dt=0.005)
    w.ground()
    plate = w.gym.create_box(w.sim, 1, 1, 0.1, w.options(fix_base_link=True))
    ball = w.gym.create_sphere(w.sim, 0.1, w.options())
    w.env((plate, (0, 0, 1)), (ball, (0, 0, 1.3)), filters=(0, 0))
    w.env((plate, (0, 0, 1)), (ball, (0, 0, 1.3)), filters=(1, 1))
    w.env((plate, (0, 0, 1)), (ball, (0, 0, 1.3)), filters=(1, 2))
    env = w.gym.create_env(w.sim, gymapi.Vec3(), gymapi.Vec3(), 1)
    for asset, z, group in ((plate, 1.0, 7), (ball, 1.3, 8)):
        w.gym.create_actor(env, asset, gymapi.Transform(gymapi.Vec3(0, 0, z)), "a", group, 0)
    w.prepare()
    w.step(400)
    heights = w.root[1::2, 2]
    # on the plate; through it (shared filter bit); on the plate; through it (other group) and onto the ground
    torch.testing.assert_close(heights, torch.tensor([1.15, 0.1, 1.15, 0.1]), atol=0.01, rtol=0)


def test_a_box_that_is_set_sliding_hops_less_with_shorter_substeps(make_world):
    """What docs/moving_off_isaac_gym.md says of it: friction 1, 2 m/s."""
    rise = {}
    for substeps in (2, 4):
        w = make_world(dt=0.01, substeps=substeps)
        w.ground()
        w.env((w.gym.create_box(w.sim, 0.2, 0.2, 0.1, w.options()), (0, 0, 0.05)))
        w.prepare()
        w.step(50)
        start = w.root.clone()
        start[0, 7] = 2.0
        w.set_roots(start)
        heights = []
        for _ in range(12):
            w.step()
            heights.append(w.root[0, 2].item())
        rise[substeps] = 1e3 * (max(heights) - start[0, 2].item())
    assert rise[2] == pytest.approx(13.6, abs=0.2) and rise[4] == pytest.approx(4.6, abs=0.2)
