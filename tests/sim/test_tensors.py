"""Layouts, setters, Jacobian and mass matrix, many different environments, divergence, and exact resume."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtbench.sim import gymapi, gymtorch, torch_utils
from tests.sim.world import ARM, PENDULUM

MODES = {
    "dof_position_target": "DOF_MODE_POS",
    "dof_velocity_target": "DOF_MODE_VEL",
    "dof_actuation_force": "DOF_MODE_EFFORT",
}


def _mixed(w):
    """Four environments of two structures, interleaved: arm, arm and box, arm, arm and box."""
    arm, box = w.mjcf(ARM, fix_base_link=True), w.gym.create_box(w.sim, 0.1, 0.1, 0.1, w.options())
    for i in range(4):
        w.env(*((arm, (0.1 * i, 0, 1), "arm"), (box, (2 + i, 0, 5), "box"))[: 1 + i % 2])
    w.prepare()


def test_creation_order_and_shapes(make_world):
    w = make_world()
    _mixed(w)
    assert w.root.shape == (6, 13) and w.dof.shape == (12, 2) and w.body.shape == (18, 13)
    assert w.root.dtype == w.dof.dtype == w.body.dtype == torch.float32
    torch.testing.assert_close(w.root[:, 0], torch.tensor([0, 0.1, 3, 0.2, 0.3, 5]))
    envs = [w.gym.get_env(w.sim, i) for i in range(4)]
    assert [w.gym.get_actor_index(e, 0, gymapi.DOMAIN_SIM) for e in envs] == [0, 1, 3, 4]
    assert w.gym.find_actor_rigid_body_index(envs[1], 1, "box", gymapi.DOMAIN_SIM) == 8
    assert w.gym.find_actor_rigid_body_index(envs[3], 0, "lower", gymapi.DOMAIN_ENV) == 2
    assert w.gym.find_actor_dof_index(envs[2], 0, "reach", gymapi.DOMAIN_SIM) == 8


def test_environments_do_not_influence_each_other(make_world):
    """An environment in a crowd of others moves as it does alone."""
    crowd, alone = make_world(dt=0.01), make_world(dt=0.01)
    _mixed(crowd)
    arm = alone.mjcf(ARM, fix_base_link=True)
    box = alone.gym.create_box(alone.sim, 0.1, 0.1, 0.1, alone.options())
    alone.env((arm, (0.3, 0, 1), "arm"), (box, (5, 0, 5), "box"))
    alone.prepare()
    start = torch.linspace(-0.3, 0.8, 24).reshape(12, 2)
    crowd.set_dofs(start)
    alone.set_dofs(start[9:].clone())
    crowd.step(40)
    alone.step(40)
    assert torch.equal(crowd.dof[9:], alone.dof) and torch.equal(crowd.root[4:], alone.root)


def test_indexed_calls_touch_only_what_they_name(make_world):
    w = make_world()
    _mixed(w)
    w.step(3)
    root, dof = w.root.clone(), w.dof.clone()
    new_root, new_dof = torch.zeros_like(root) + 9, torch.zeros_like(dof) + 0.1
    new_root[:, 3:7] = torch.tensor([0, 0, 0, 1.0])
    actors = torch.tensor([2, 3, 5], dtype=torch.int32)  # box, arm, box
    w.gym.set_actor_root_state_tensor_indexed(
        w.sim, gymtorch.unwrap_tensor(new_root), gymtorch.unwrap_tensor(actors), 2
    )
    w.gym.set_dof_state_tensor_indexed(w.sim, gymtorch.unwrap_tensor(new_dof), gymtorch.unwrap_tensor(actors), 2)
    w.refresh()
    torch.testing.assert_close(w.root[2], new_root[2])
    torch.testing.assert_close(w.root[3, :7], new_root[3, :7])  # a fixed base moves too, and has no velocity
    assert torch.equal(w.root[[0, 1, 4, 5]], root[[0, 1, 4, 5]])  # the third index was not counted
    torch.testing.assert_close(w.dof[6:9], new_dof[6:9])
    assert torch.equal(w.dof[:6], dof[:6]) and torch.equal(w.dof[9:], dof[9:])
    targets = torch.full((12,), 0.5)
    w.gym.set_dof_position_target_tensor_indexed(
        w.sim, gymtorch.unwrap_tensor(targets), gymtorch.unwrap_tensor(actors[1:2]), 1
    )
    expected = torch.zeros(12)
    expected[6:9] = 0.5
    assert torch.equal(w.sim.position_target[:-1], expected)


def test_bodies_follow_a_setter_without_a_step(make_world):
    w = make_world()
    _mixed(w)
    moved = w.root.clone()
    moved[0, :3] = torch.tensor([1.0, 2.0, 3.0])
    w.set_roots(moved)
    w.refresh()
    torch.testing.assert_close(w.body[0, :3], moved[0, :3])
    torch.testing.assert_close(w.body[1, :3], moved[0, :3] + torch.tensor([0, 0, 0.1]))


def test_quaternions_are_xyzw(make_world):
    w = make_world(gravity=0.0)
    w.env((w.mjcf(ARM, fix_base_link=True), (0, 0, 1)), (w.gym.create_box(w.sim, 1, 1, 1, w.options()), (3, 0, 1)))
    w.prepare()
    state = w.root.clone()
    state[:, 3:7] = torch.tensor([0, 0, math.sin(0.3), math.cos(0.3)])  # 0.6 rad about z
    state[1, 10:13] = torch.tensor([0.5, 0, 0])  # world axes
    w.set_roots(state)
    w.refresh()
    torch.testing.assert_close(w.root[:, 3:], state[:, 3:])
    # upper sits 0.1 above base; its child at (0.1, 0, 0.3) is carried round z
    expected = torch.tensor([0.1 * math.cos(0.6), 0.1 * math.sin(0.6), 1.4])
    torch.testing.assert_close(w.body[2, :3], expected)
    w.step(10)
    torch.testing.assert_close(w.root[1, 10:13], state[1, 10:13], atol=1e-6, rtol=0)


@pytest.mark.parametrize("fixed", [True, False])
def test_jacobian_against_finite_differences(make_world, fixed):
    w = make_world(gravity=0.0)
    arm, n = w.mjcf(ARM, fix_base_link=fixed), 2
    for x in (0.1, 0.3):
        w.env((arm, (x, 0.2, 1), "arm"))
    w.prepare()
    jacobian = gymtorch.wrap_tensor(w.gym.acquire_jacobian_tensor(w.sim, "arm"))
    links, dofs = (3, 3) if fixed else (4, 9)
    assert jacobian.shape == (n, links, 6, dofs)
    q = torch.tensor([[0.4, 0.0], [-0.7, 0.0], [0.1, 0.0]]).repeat(n, 1)
    w.set_dofs(q)
    w.gym.refresh_jacobian_tensors(w.sim)
    first = 0 if not fixed else 1
    eps = 1e-3
    for j in range(3):
        shifted = []
        for sign in (1, -1):
            p = q.clone()
            p[j::3, 0] += sign * eps
            w.set_dofs(p)
            w.refresh()
            shifted.append(w.body.reshape(n, 4, 13)[:, first:].clone())
        linear = (shifted[0][..., :3] - shifted[1][..., :3]) / (2 * eps)
        turn = torch_utils.quat_mul(shifted[0][..., 3:7], torch_utils.quat_conjugate(shifted[1][..., 3:7]))
        angular = 2 * turn[..., :3] * turn[..., 3:].sign() / (2 * eps)
        column = jacobian[..., j if fixed else 6 + j]
        torch.testing.assert_close(column[..., :3], linear, atol=2e-3, rtol=0)
        torch.testing.assert_close(column[..., 3:], angular, atol=2e-3, rtol=0)


def _set_in_motion(w) -> torch.Tensor:
    """Turn and move a floating arm and its joints; return its generalized velocity, root first."""
    state = w.root.clone()
    state[0, 3:7] = torch.nn.functional.normalize(torch.tensor([0.2, -0.1, 0.4, 0.8]), dim=0)
    state[0, 7:] = torch.tensor([0.3, -0.1, 0.2, 0.5, 0.4, -0.6])
    w.set_roots(state)
    w.set_dofs(torch.tensor([[0.4, 0.7], [-0.7, -1.0], [0.1, 0.3]]))
    w.refresh()
    return torch.cat([state[0, 7:], w.dof[:, 1]])


def test_jacobian_maps_to_body_velocities(make_world):
    """For a floating base, with the root's own velocity in the first six columns."""
    w = make_world(gravity=0.0)
    w.env((w.mjcf(ARM), (0.1, 0.2, 1), "arm"))
    w.prepare()
    jacobian = gymtorch.wrap_tensor(w.gym.acquire_jacobian_tensor(w.sim, "arm"))
    velocity = _set_in_motion(w)
    w.gym.refresh_jacobian_tensors(w.sim)
    torch.testing.assert_close(jacobian[0] @ velocity, w.body[:, 7:], atol=1e-5, rtol=0)


def test_mass_matrix_gives_the_kinetic_energy(make_world):
    w = make_world(gravity=0.0)
    arm = w.mjcf(ARM)
    w.env((arm, (0.1, 0.2, 1), "arm"))
    w.prepare()
    matrix = gymtorch.wrap_tensor(w.gym.acquire_mass_matrix_tensor(w.sim, "arm"))
    v = _set_in_motion(w)
    w.gym.refresh_mass_matrix_tensors(w.sim)
    assert matrix.shape == (1, 9, 9)
    energy = 0.0
    for props, body in zip(w.gym.get_actor_rigid_body_properties(w.gym.get_env(w.sim, 0), 0), w.body, strict=True):
        com = torch.tensor([props.com.x, props.com.y, props.com.z])
        rotation = body[3:7]
        omega = body[10:]
        centre_velocity = body[7:10] + torch.linalg.cross(omega, torch_utils.quat_apply(rotation, com))
        local = torch_utils.quat_rotate_inverse(rotation, omega)
        inertia = torch.tensor([[r.x, r.y, r.z] for r in (props.inertia.x, props.inertia.y, props.inertia.z)])
        energy += 0.5 * props.mass * centre_velocity.square().sum() + 0.5 * local @ inertia @ local
    energy += 0.5 * 0.05 * w.dof[1, 1] ** 2  # armature of the pitch joint
    torch.testing.assert_close(0.5 * v @ matrix[0] @ v, energy, rtol=1e-4, atol=0)


def test_properties_differ_within_a_group(make_world):
    """Same structure, other masses, friction and gains: each environment keeps its own."""
    w = make_world(gravity=0.0)
    box = w.gym.create_box(w.sim, 0.1, 0.1, 0.1, w.options())
    envs = [w.env((box, (0, 0, 1))) for _ in range(3)]
    for env, mass in zip(envs, (1.0, 2.0, 4.0), strict=True):
        props = w.gym.get_actor_rigid_body_properties(env, 0)
        props[0].mass = mass
        w.gym.set_actor_rigid_body_properties(env, 0, props, recomputeInertia=True)
    w.prepare()
    force = torch.zeros(3, 3)
    force[:, 0] = 1.0
    w.gym.apply_rigid_body_force_tensors(w.sim, gymtorch.unwrap_tensor(force), None, gymapi.ENV_SPACE)
    w.step()
    torch.testing.assert_close(w.root[:, 7], torch.tensor([0.01, 0.005, 0.0025]))
    # and after preparation
    props = w.gym.get_actor_rigid_body_properties(envs[0], 0)
    props[0].mass = 10.0
    w.gym.set_actor_rigid_body_properties(envs[0], 0, props)
    before = w.root[:, 7].clone()
    w.gym.apply_rigid_body_force_tensors(w.sim, gymtorch.unwrap_tensor(force), None, gymapi.ENV_SPACE)
    w.step()
    torch.testing.assert_close(w.root[:, 7] - before, torch.tensor([0.001, 0.005, 0.0025]), atol=1e-7, rtol=1e-4)


def _poison(w, actor: int) -> None:
    """Give an actor a velocity that is no number."""
    values, index = w.root.clone(), torch.tensor([actor], dtype=torch.int32)
    values[actor, 7] = float("nan")
    handles = gymtorch.unwrap_tensor(values), gymtorch.unwrap_tensor(index)
    w.gym.set_actor_root_state_tensor_indexed(w.sim, *handles, 1)


@pytest.mark.parametrize("cause", ["velocity", "position"])
def test_a_diverged_environment_is_put_back_counted_and_said(make_world, cause):
    """At rest in the state before the step, or where it was created if that was no number either; others do not notice."""
    w, healthy = make_world(gravity=0.0), make_world(gravity=0.0)
    for each in (w, healthy):
        _mixed(each)
        each.set_dofs(torch.linspace(-0.3, 0.8, 24).reshape(12, 2))
        each.step(3)
    before, dofs, start = w.root.clone(), w.dof.clone(), w.sim.layout.actor_env[2]
    bad = w.dof.clone()
    bad[4, int(cause == "velocity")] = float("nan")
    w.set_dofs(bad)
    with pytest.warns(UserWarning, match=r"environment 1 diverged.*take_diverged"):
        w.step()
    healthy.step()
    assert w.root.isfinite().all() and w.dof.isfinite().all() and w.body.isfinite().all()
    assert int(w.gym.take_diverged(w.sim)) == 1 and int(w.gym.take_diverged(w.sim)) == 0
    mine = w.sim.layout.actor_env[:-1] == start
    assert not w.root[mine, 7:].any() and not w.dof[3:6, 1].any()
    if cause == "position":
        assert not w.dof[3:6, 0].any()
    else:
        torch.testing.assert_close(w.dof[3:6, 0], dofs[3:6, 0])
        torch.testing.assert_close(w.root[mine, :7], before[mine, :7])
    assert torch.equal(w.root[~mine], healthy.root[~mine])
    w.step(3)
    assert w.root.isfinite().all() and int(w.gym.take_diverged(w.sim)) == 0


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1e30])
@pytest.mark.parametrize("name", ["dof_position_target", "dof_velocity_target", "dof_actuation_force"])
def test_commands_that_are_not_finite_are_diverged(make_world, name, bad):
    """The environment is put back in every step, counted and said, until it is commanded anew; others do not notice."""

    def build():
        w = make_world(gravity=0.0)
        arm, mode = w.mjcf(ARM, fix_base_link=True), getattr(gymapi, MODES[name])
        for _ in range(2):
            w.drive(w.env((arm, (0, 0, 1))), driveMode=mode, stiffness=20.0, damping=1.0)
        w.prepare()
        w.set_dofs(torch.full((6, 2), 0.1))
        return w, getattr(w.gym, f"set_{name}_tensor")

    (w, command), (healthy, command_healthy) = build(), build()
    good = torch.linspace(0.1, 0.6, 6)
    poisoned = good.clone()
    poisoned[4] = bad
    command(w.sim, gymtorch.unwrap_tensor(poisoned))
    command_healthy(healthy.sim, gymtorch.unwrap_tensor(good))
    with pytest.warns(UserWarning, match=r"environment 1 diverged, or a command of its drives was not finite"):
        w.step(3)
    healthy.step(3)
    assert int(w.gym.take_diverged(w.sim)) == 3 and w.body.isfinite().all()
    torch.testing.assert_close(w.dof[3:], torch.tensor([[0.1, 0.0]]).expand(3, 2))
    assert torch.equal(w.dof[:3], healthy.dof[:3])
    command(w.sim, gymtorch.unwrap_tensor(good))
    w.step(3)
    assert int(w.gym.take_diverged(w.sim)) == 0 and (w.dof[3:, 1] != 0.0).all()


@pytest.mark.parametrize(("substeps", "stiffness"), [(1, 1e4), (1, 10.0), (2, 1e4)])
def test_a_limit_does_not_hide_a_command_that_is_not_finite(make_world, substeps, stiffness):
    w = make_world(gravity=0.0, substeps=substeps)
    env = w.env((w.mjcf(ARM, fix_base_link=True), (0, 0, 1)))
    w.drive(env, driveMode=gymapi.DOF_MODE_POS, stiffness=stiffness, damping=1.0, effort=5.0)
    w.prepare()
    w.gym.set_dof_position_target_tensor(w.sim, gymtorch.unwrap_tensor(torch.tensor([0.0, float("inf"), 0.0])))
    with pytest.warns(UserWarning, match="command of its drives"):
        w.step()
    assert int(w.gym.take_diverged(w.sim)) == 1 and not w.dof.any()
    w.gym.set_dof_position_target_tensor(w.sim, gymtorch.unwrap_tensor(torch.tensor([0.0, 1e20, 0.0])))
    w.step()  # far away, but the limit holds
    assert int(w.gym.take_diverged(w.sim)) == 0 and w.dof[1, 1] > 0.0


def test_a_diverged_environment_is_alone_and_recovers(make_world):
    w = make_world(keep_finite=False)
    _mixed(w)
    _poison(w, 2)
    healthy = make_world()
    _mixed(healthy)
    w.step(5)
    healthy.step(5)
    assert w.root[1:3].isnan().all() and w.dof[3:6].isnan().all()
    others = [0, 3, 4, 5]
    assert torch.equal(w.root[others], healthy.root[others])
    fresh = torch.zeros_like(w.root)
    fresh[:, 2], fresh[:, 6] = 2.0, 1.0
    actors = torch.tensor([1, 2], dtype=torch.int32)
    handles = gymtorch.unwrap_tensor(fresh), gymtorch.unwrap_tensor(actors)
    w.gym.set_actor_root_state_tensor_indexed(w.sim, *handles, 2)
    w.gym.set_dof_state_tensor_indexed(w.sim, gymtorch.unwrap_tensor(torch.zeros(12, 2)), handles[1], 2)
    w.step(5)
    assert w.root.isfinite().all() and w.dof.isfinite().all()


def test_state_resumes_bit_for_bit(make_world):
    w = make_world(dt=1 / 60, substeps=2)
    w.ground()
    _mixed(w)
    w.set_dofs(torch.linspace(-0.3, 0.8, 24).reshape(12, 2))
    w.step(70)
    saved = w.gym.get_state(w.sim)
    w.step(30)
    end = w.root.clone(), w.dof.clone(), w.body.clone()
    other = make_world(dt=1 / 60, substeps=2)
    other.ground()
    _mixed(other)
    other.gym.set_state(other.sim, saved)
    other.step(30)
    for a, b in zip(end, (other.root, other.dof, other.body), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(ValueError, match="saved physics state"):
        other.gym.set_state(other.sim, saved | {"physics": saved["physics"][:-3]})


def test_bad_input_is_refused_in_words(make_world):
    w = make_world()
    _mixed(w)
    with pytest.raises(ValueError, match=r"float32 tensor of shape \(6, 13\)"):
        w.set_roots(torch.zeros(5, 13))
    with pytest.raises(ValueError, match="int32"):
        index = gymtorch.unwrap_tensor(torch.tensor([0]))
        w.gym.set_dof_state_tensor_indexed(w.sim, gymtorch.unwrap_tensor(w.dof), index, 1)
    with pytest.raises(ValueError, match="actors are: arm, box"):
        w.gym.acquire_jacobian_tensor(w.sim, "leg")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.urdf"):
        w.gym.load_asset(w.sim, "/", "nowhere.urdf")
    with pytest.raises(ValueError, match="2 root bodies"):
        w.mjcf("<mujoco><worldbody><body><geom size='1'/></body><body><geom size='1'/></body></worldbody></mujoco>")
    with pytest.raises(ValueError, match="ball joint"):
        joint = "<body><joint name='j' type='ball'/><geom size='1'/></body>"
        w.mjcf(f"<mujoco><worldbody><body>{joint}</body></worldbody></mujoco>")
    with pytest.raises(RuntimeError, match="after prepare_sim"):
        w.env((w.mjcf(PENDULUM), (0, 0, 0)))
    with pytest.raises(AttributeError, match="did you mean 'simulate'"):
        w.gym.simulat(w.sim)


unit = st.floats(-1, 1, allow_nan=False, width=32)


@settings(max_examples=50, deadline=None)
@given(st.lists(unit, min_size=8, max_size=8), st.lists(unit, min_size=3, max_size=3))
def test_quaternion_helpers_against_scipy(numbers, vector):
    from scipy.spatial.transform import Rotation

    a, b = np.array(numbers[:4]), np.array(numbers[4:])
    if min(np.linalg.norm(a), np.linalg.norm(b)) < 0.1:
        return
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    ra, rb = Rotation.from_quat(a), Rotation.from_quat(b)
    ta, tb, tv = torch.tensor(a), torch.tensor(b), torch.tensor(vector, dtype=torch.float64)
    product = torch_utils.quat_mul(ta, tb).numpy()
    assert np.allclose(Rotation.from_quat(product).as_matrix(), (ra * rb).as_matrix(), atol=1e-9)
    assert np.allclose(torch_utils.quat_apply(ta, tv), ra.apply(vector), atol=1e-9)
    assert np.allclose(torch_utils.quat_rotate_inverse(ta, tv), ra.inv().apply(vector), atol=1e-9)
    if abs(ra.as_matrix()[2, 0]) < 0.999:  # Euler angles are not unique where the pitch is a right angle
        euler = torch.stack(torch_utils.get_euler_xyz(ta))
        again = torch_utils.quat_from_euler_xyz(*euler).numpy()
        assert np.allclose(Rotation.from_quat(again).as_matrix(), ra.as_matrix(), atol=1e-6)
    single = gymapi.Quat(*a) * gymapi.Quat(*b)
    assert np.allclose([single.x, single.y, single.z, single.w], product, atol=1e-9)


def test_domain_indices_follow_actors_that_are_added_late(make_world):
    """Indices asked for between creations, also when an earlier environment gets another actor afterwards."""
    w = make_world()
    arm, box = w.mjcf(ARM, fix_base_link=True), w.gym.create_box(w.sim, 0.1, 0.1, 0.1, w.options())
    first, second = w.env((arm, (0, 0, 0))), w.env((box, (0, 0, 1)))

    def begins() -> list[int]:
        gym, domain = w.gym, gymapi.DOMAIN_SIM
        return [gym.get_actor_index(second, 0, domain), gym.get_actor_rigid_body_index(second, 0, 0, domain)]

    assert begins() == [1, 4]
    w.gym.create_actor(first, box, gymapi.Transform(gymapi.Vec3(1, 0, 1)), "late", 0, 0)
    assert begins() == [2, 5]
    w.prepare()
    assert begins() == [2, 5] and len(w.root) == 3 and len(w.body) == 6


def test_tensors_change_on_refresh_alone(make_world):
    """Not on a step, a setter, a force or a look at one actor; a refresh also undoes what the client wrote into them."""
    w = make_world()
    w.ground()
    _mixed(w)
    gym, sim = w.gym, w.sim
    env = gym.get_env(sim, 1)
    more = {
        "contact": gymtorch.wrap_tensor(gym.acquire_net_contact_force_tensor(sim)),
        "force": gymtorch.wrap_tensor(gym.acquire_dof_force_tensor(sim)),
        "jacobian": gymtorch.wrap_tensor(gym.acquire_jacobian_tensor(sim, "arm")),
        "mass": gymtorch.wrap_tensor(gym.acquire_mass_matrix_tensor(sim, "arm")),
    }
    tensors = {"root": w.root, "dof": w.dof, "body": w.body, **more}
    for tensor in tensors.values():
        tensor.fill_(-3.0)
    roots = torch.zeros(6, 13)
    roots[:, 2], roots[:, 6] = 0.5, 1.0
    w.set_roots(roots)
    w.set_dofs(torch.full((12, 2), 0.1))
    gym.set_dof_actuation_force_tensor(sim, gymtorch.unwrap_tensor(torch.ones(12)))
    gym.apply_rigid_body_force_tensors(sim, gymtorch.unwrap_tensor(torch.ones(18, 3)), None, gymapi.LOCAL_SPACE)
    gym.simulate(sim)
    gym.fetch_results(sim, True)
    states = gym.get_actor_dof_states(env, 0, gymapi.STATE_ALL)
    gym.set_actor_dof_states(env, 0, states, gymapi.STATE_ALL)
    assert abs(gym.get_actor_rigid_body_states(env, 1, gymapi.STATE_ALL)["pose"]["p"]["z"][0] - 0.5) < 0.1
    gym.apply_body_forces(env, 0, gymapi.Vec3(1, 0, 0))
    assert gym.get_actor_dof_forces(env, 0).shape == (3,)
    assert gym.get_env_rigid_contact_forces(env).shape == (5,) and gym.get_rigid_contact_forces(sim).shape == (18,)
    props = gym.get_actor_rigid_body_properties(env, 1)
    props[0].mass *= 2
    gym.set_actor_rigid_body_properties(env, 1, props)
    gym.simulate(sim)
    for name, tensor in tensors.items():
        assert (tensor == -3.0).all(), name
    w.refresh()
    gym.refresh_net_contact_force_tensor(sim)
    gym.refresh_dof_force_tensor(sim)
    gym.refresh_jacobian_tensors(sim)
    gym.refresh_mass_matrix_tensors(sim)
    for name, tensor in tensors.items():
        assert not (tensor == -3.0).any(), name
    shown = w.body.clone()
    w.body.zero_()
    w.refresh()
    assert torch.equal(w.body, shown)


def test_indices_shapes_and_handles_are_refused_by_the_name_of_the_call(make_world):
    w = make_world()
    _mixed(w)  # 6 actors, 12 DOFs, 18 bodies; environment 0 has an arm alone
    gym, sim, env = w.gym, w.sim, w.gym.get_env(w.sim, 0)

    def ids(*index: int) -> gymtorch.Tensor:
        return gymtorch.unwrap_tensor(torch.tensor(index, dtype=torch.int32))

    roots, dofs, values = (gymtorch.unwrap_tensor(torch.zeros(s)) for s in ((6, 13), (12, 2), (12,)))
    indexed = {
        "set_actor_root_state_tensor_indexed": roots,
        "set_dof_state_tensor_indexed": dofs,
        "set_dof_position_target_tensor_indexed": values,
        "set_dof_velocity_target_tensor_indexed": values,
        "set_dof_actuation_force_tensor_indexed": values,
    }

    def state() -> torch.Tensor:
        w.refresh()
        commands = (sim.position_target[:-1], sim.velocity_target[:-1], sim.effort[:-1])
        return torch.cat([w.root.flatten(), w.dof.flatten(), *commands])

    before = state()
    for name, tensor in indexed.items():
        call = getattr(gym, name)
        for index in (6, 7, 1000):
            with pytest.raises(IndexError, match=rf"gym.{name}: there is no actor {index}; actors are 0\.\.5"):
                call(sim, tensor, ids(0, index), 2)
        call(sim, tensor, ids(-1, 1000), 1)  # a negative one names none, and only the first counts
        for count in (-1, 3):
            with pytest.raises(ValueError, match=f"gym.{name}: {count} actors"):
                call(sim, tensor, ids(0, 1), count)
        with pytest.raises(ValueError, match=f"gym.{name} takes actor indices"):
            call(sim, tensor, gymtorch.unwrap_tensor(torch.zeros(1, 1, dtype=torch.int32)), 1)
        with pytest.raises(ValueError, match=f"gym.{name} takes a float32 tensor"):
            call(sim, gymtorch.unwrap_tensor(torch.zeros(5)), ids(0), 1)
    assert torch.equal(before, state())
    refused = {
        "get_env": (sim, -1),
        "get_actor_name": (env, 1),
        "get_actor_dof_properties": (env, -1),
        "get_actor_rigid_body_index": (env, 0, 4, gymapi.DOMAIN_SIM),
        "get_actor_dof_handle": (env, 0, 3),
        "get_actor_dof_states": (env, 2, gymapi.STATE_ALL),
        "apply_body_forces": (env, 4, gymapi.Vec3(1, 0, 0)),
        "get_asset_rigid_body_name": (gym.get_actor_asset(env, 0), 4),
        "get_asset_dof_type": (gym.get_actor_asset(env, 0), -1),
    }
    for name, arguments in refused.items():
        with pytest.raises(IndexError, match=f"gym.{name}: there is no"):
            getattr(gym, name)(*arguments)
    for name in ("set_actor_dof_position_targets", "apply_actor_dof_efforts"):
        with pytest.raises(ValueError, match=f"gym.{name}: the actor has 3 DOFs, not 2"):
            getattr(gym, name)(env, 0, np.zeros(2))
    gym.destroy_sim(sim)
    with pytest.raises(RuntimeError, match="destroyed"):
        gym.simulate(sim)
