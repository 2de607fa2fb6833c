"""Calls on one body, DOF or joint at a time against the tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mtbench.sim import gymapi, gymtorch
from tests.sim.world import ARM


@pytest.fixture
def arms(make_world):
    """Two environments, each with a cube and an arm whose joints move."""
    w = make_world(dt=0.005)
    arm = w.mjcf(ARM, fix_base_link=True, disable_gravity=True)
    cube = w.gym.create_box(w.sim, 0.1, 0.1, 0.1, w.options())
    envs = [w.env((cube, (1, i, 1), "cube"), (arm, (0, 0, i), "arm")) for i in range(2)]
    w.prepare()
    w.set_dofs(torch.tensor([[0.1, 1.0], [0.2, -0.5], [0.05, 0.3], [-0.3, 0.2], [0.4, 0.6], [-0.02, 0.1]]))
    w.step(2)
    return w, envs


def test_bodies(arms):
    w, envs = arms
    g = w.gym
    handle = g.get_rigid_handle(envs[1], "arm", "slider")
    assert (
        handle == 4 and g.get_rigid_name(envs[1], handle) == "slider" and g.get_rigid_handle(envs[1], "arm", "no") == -1
    )
    row = w.body[5 + handle]
    pose, v, omega = (
        f(envs[1], handle) for f in (g.get_rigid_transform, g.get_rigid_linear_velocity, g.get_rigid_angular_velocity)
    )
    numbers = [
        pose.p.x,
        pose.p.y,
        pose.p.z,
        pose.r.x,
        pose.r.y,
        pose.r.z,
        pose.r.w,
        v.x,
        v.y,
        v.z,
        omega.x,
        omega.y,
        omega.z,
    ]
    torch.testing.assert_close(torch.tensor(numbers), row, atol=1e-6, rtol=0)
    many = g.get_vec_rigid_transform(envs, handle)
    np.testing.assert_allclose([list(many["p"][1])], [row[:3].tolist()], atol=1e-6)
    speeds = g.get_vec_rigid_linear_velocity(envs, [0, np.int64(handle)])
    np.testing.assert_allclose([list(speeds[1])], [row[7:10].tolist()], atol=1e-6)
    states = g.get_sim_rigid_body_states(w.sim, gymapi.STATE_ALL)
    assert states["pose"]["p"]["z"][9] == pytest.approx(row[2].item())
    with pytest.raises(IndexError, match=r"gym.get_rigid_transform: there is no 5 among the bodies of environment 0"):
        g.get_rigid_transform(envs[0], 5)


def test_roots_are_set(arms):
    w, envs = arms
    g = w.gym
    g.set_rigid_transform(envs[1], 0, gymapi.Transform(gymapi.Vec3(2, 3, 4), gymapi.Quat(0, 0, 1, 0)))
    g.set_rigid_linear_velocity(envs[1], 0, gymapi.Vec3(0.5, 0, 0))
    g.set_rigid_angular_velocity(envs[1], 0, gymapi.Vec3(0, 0, 0.7))
    w.refresh()
    expected = torch.tensor([2.0, 3, 4, 0, 0, 1, 0, 0.5, 0, 0, 0, 0, 0.7])
    torch.testing.assert_close(w.root[2], expected, atol=1e-5, rtol=0)
    states = g.get_actor_rigid_body_states(envs[0], 0, gymapi.STATE_ALL)
    states["pose"]["p"]["x"] = 9.0
    g.set_actor_rigid_body_states(envs[0], 0, states, gymapi.STATE_POS)
    w.refresh()
    assert w.root[0, 0].item() == 9.0
    with pytest.raises(ValueError, match="hangs on a joint"):
        g.set_rigid_transform(envs[0], 2, gymapi.Transform())
    with pytest.raises(ValueError, match="4 bodies on joints"):
        g.set_actor_rigid_body_states(envs[0], 1, states, gymapi.STATE_POS)


def test_dofs_and_joints(arms):
    w, envs = arms
    g = w.gym
    assert [g.get_dof_position(envs[1], k) for k in range(3)] == pytest.approx(w.dof[3:, 0].tolist(), abs=1e-6)
    assert [g.get_dof_velocity(envs[1], k) for k in range(3)] == pytest.approx(w.dof[3:, 1].tolist(), abs=1e-6)
    joint = g.get_joint_handle(envs[1], "arm", "pitch")
    assert g.get_joint_name(envs[1], joint) == "pitch" and g.get_joint_type_string(gymapi.JOINT_FIXED) == "Fixed"
    assert g.get_joint_position(envs[1], joint) == pytest.approx(w.dof[4, 0].item(), abs=1e-6)
    assert g.get_joint_velocity(envs[1], joint) == pytest.approx(w.dof[4, 1].item(), abs=1e-6)
    g.set_joint_target_position(envs[1], joint, torch.tensor([0.25]))
    g.set_dof_target_velocity(envs[1], 2, np.float32(0.5))
    assert g.get_dof_target_position(envs[1], 1) == 0.25 and g.get_joint_target_velocity(envs[1], 2) == 0.5
    frame = g.get_dof_frame(envs[1], 0)
    assert (frame.origin.z, frame.axis.z) == (pytest.approx(1.1), pytest.approx(1.0))
    assert g.get_actor_dof_frames(envs[1], 1)["axis"]["z"][0] == pytest.approx(1.0)
    assert g.get_vec_actor_dof_states(envs, 1, gymapi.STATE_ALL).shape == (2, 3)
    w.drive(envs[0], 1, driveMode=gymapi.DOF_MODE_EFFORT)
    g.apply_dof_effort(envs[0], 2, 1.5)
    w.step(1)
    assert g.get_actor_dof_forces(envs[0], 1).tolist() == pytest.approx([0, 0, 1.5])
    with pytest.raises(IndexError, match=r"gym.get_dof_position: there is no -1 among the DOFs of environment 0"):
        g.get_dof_position(envs[0], -1)


def test_a_force_beside_the_centre_turns(make_world):
    w = make_world(dt=0.01, gravity=0.0)
    env = w.env((w.gym.create_box(w.sim, 0.2, 0.2, 0.2, w.options()), (0, 0, 1)))
    w.prepare()
    w.gym.apply_body_force_at_pos(env, 0, gymapi.Vec3(0, 0, 4), gymapi.Vec3(0.1, 0, 1), gymapi.ENV_SPACE)
    w.step(1)
    mass, inertia = 8.0, 8.0 * 0.08 / 12
    assert w.root[0, 9].item() == pytest.approx(4 / mass * 0.01, rel=1e-4)
    assert w.root[0, 11].item() == pytest.approx(-0.1 * 4 / inertia * 0.01, rel=1e-3)


def test_contact_forces_by_environment(make_world):
    w = make_world(dt=0.005)
    w.ground()
    box = w.gym.create_box(w.sim, 0.2, 0.2, 0.1, w.options(density=500.0))
    envs = [w.env((box, (0, 0, 0.05 + i))) for i in range(2)]
    w.prepare()
    w.gym.get_rigid_contact_forces(w.sim)  # measured from the first call on
    w.step(60)
    assert w.gym.get_env_rigid_contact_forces(envs[0])["z"][0] == pytest.approx(2 * 9.81, rel=0.01)
    assert w.gym.get_vec_env_rigid_contact_forces(envs)["z"][1] == 0.0
    assert gymtorch.wrap_tensor(w.gym.acquire_net_contact_force_tensor(w.sim)).shape == (2, 3)


def test_states_and_targets_before_anything_is_prepared(make_world):
    """Set while environments are created, as Isaac Gym's examples do; read then, and from the tensors afterwards."""
    w = make_world(gravity=0.0)
    g, arm = w.gym, w.mjcf(ARM)
    dofs, target = np.zeros(3, gymapi.DofState.dtype), [0.3, 0.2, 0.1]
    dofs["pos"], dofs["vel"] = [0.5, -0.3, 0.1], [0.2, 0.1, -0.3]
    for k in range(3):
        env = w.env((arm, (k, 0, 1)), (arm, (k, 2, 1)))
        assert (
            g.set_actor_dof_states(env, 1, dofs, gymapi.STATE_ALL)
            and not g.get_actor_dof_states(env, 0, 3)["pos"].any()
        )
        assert g.set_actor_dof_position_targets(env, 1, target)
        g.set_dof_target_velocity(env, 4, 0.7)
        g.set_rigid_transform(env, 4, gymapi.Transform(gymapi.Vec3(k, 3, 1), gymapi.Quat(0.5, 0.5, 0.5, 0.5)))
        g.set_rigid_linear_velocity(env, 4, gymapi.Vec3(1, 2, 3))
        g.set_rigid_angular_velocity(env, 4, gymapi.Vec3(0.3, 0.2, 0.1))
        assert g.get_dof_position(env, 3) == pytest.approx(0.5) and g.get_dof_target_velocity(env, 4) == pytest.approx(
            0.7
        )
    before = np.stack([g.get_actor_rigid_body_states(g.get_env(w.sim, 2), h, gymapi.STATE_ALL) for h in range(2)])
    frame = g.get_dof_frame(env, 5)
    assert not w.sim.prepared
    w.prepare()
    w.refresh()
    after = w.body[-8:].numpy()
    np.testing.assert_allclose(before.view(np.float32).reshape(8, 13), after, atol=2e-6)
    assert w.body[-4:, 7:].abs().min() > 0.0
    again = g.get_dof_frame(env, 5)
    for a, b in ((frame.origin, again.origin), (frame.axis, again.axis)):
        assert (a.x, a.y, a.z) == pytest.approx((b.x, b.y, b.z), abs=1e-6)
    np.testing.assert_allclose(g.get_actor_dof_position_targets(env, 1), target, rtol=1e-6)
    np.testing.assert_allclose(w.sim.velocity_target[:-1].numpy(), [0, 0, 0, 0, 0.7, 0] * 3)
    np.testing.assert_allclose(w.dof[3:6, 0].numpy(), dofs["pos"])
