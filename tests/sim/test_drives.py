"""Drives and efforts against backward Euler: a drive goes by the position and velocity at the end of a substep."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mtbench.sim import gymapi, gymtorch
from mtbench.sim.scene import mass_matrix
from tests.sim.world import ARM

MODES = gymapi.DOF_MODE_NONE, gymapi.DOF_MODE_POS, gymapi.DOF_MODE_VEL, gymapi.DOF_MODE_EFFORT


def _hinge(make_world, inertia: float, dt: float = 1 / 60, substeps: int = 2, mode: int = 0, prepare=True, **fields):
    """A world of one hinge about z without gravity."""
    w = make_world(dt=dt, substeps=substeps, gravity=0.0)
    text = f"""<mujoco><worldbody><body name="base"><geom size="0.01" mass="1"/>
      <body name="arm"><joint name="j" axis="0 0 1"/>
      <inertial pos="0 0 0" mass="0.01" diaginertia="{inertia} {inertia} {inertia}"/></body></body></worldbody></mujoco>"""
    env = w.env((w.mjcf(text, fix_base_link=True, default_dof_drive_mode=mode), (0, 0, 0)))
    w.drive(env, **fields)
    if prepare:
        w.prepare()
    return w


def _backward_euler(inertia, kp, kd, target, speed, h, steps, q=0.0, v=0.0):
    """(q, v) of I q'' = kp (target - q) + kd (speed - q') after some implicit steps."""
    for _ in range(steps):
        v = (inertia * v + h * (kp * (target - q) + kd * speed)) / (inertia + h * kd + h * h * kp)
        q = q + h * v
    return q, v


def _set_target(w, position: float, velocity: float = 0.0) -> None:
    w.gym.set_dof_position_target_tensor(w.sim, gymtorch.unwrap_tensor(torch.tensor([position])))
    w.gym.set_dof_velocity_target_tensor(w.sim, gymtorch.unwrap_tensor(torch.tensor([velocity])))


@pytest.mark.parametrize(
    ("inertia", "kp", "kd", "substeps"),
    [
        (1e-3, 10.0, 0.1, 2),
        (1e-3, 100.0, 0.1, 2),
        (1e-3, 1000.0, 0.0, 2),
        (1e-2, 1000.0, 100.0, 3),
        (1e-4, 1e5, 0.0, 1),
    ],
)
def test_a_position_drive_is_implicit(make_world, inertia, kp, kd, substeps):
    w = _hinge(make_world, inertia, substeps=substeps, mode=gymapi.DOF_MODE_POS, stiffness=kp, damping=kd)
    _set_target(w, 0.1, 0.3)
    h = w.dt / substeps
    for steps in (1, 2, 5, 30):
        before = w.dof[0].tolist() if steps > 1 else [0.0, 0.0]
        w.step(steps)
        expected = _backward_euler(inertia, kp, kd, 0.1, 0.3, h, substeps * steps, *before)
        assert w.dof[0].tolist() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_energy_of_a_stiff_drive_never_grows(make_world):
    w = _hinge(make_world, 1e-3, mode=gymapi.DOF_MODE_POS, stiffness=1000.0)
    w.set_dofs(torch.tensor([[0.2, 3.0]]))
    energy = math.inf
    for _ in range(40):
        w.step()
        q, v = w.dof[0].double().tolist()
        now = 0.5 * 1e-3 * v * v + 0.5 * 1000.0 * q * q
        assert now <= energy + 1e-12
        energy = now
    assert energy < 1e-9


def test_a_velocity_drive_has_no_stiffness_and_is_implicit(make_world):
    w = _hinge(make_world, 1e-3, mode=gymapi.DOF_MODE_VEL, stiffness=50.0, damping=2.0)
    _set_target(w, 5.0, 0.8)
    w.step(3)
    assert w.dof[0].tolist() == pytest.approx(_backward_euler(1e-3, 0, 2.0, 0, 0.8, w.dt / 2, 6), rel=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_efforts_act_where_there_is_no_drive(make_world, mode):
    w = _hinge(make_world, 1.0, mode=mode)
    w.gym.set_dof_actuation_force_tensor(w.sim, gymtorch.unwrap_tensor(torch.ones(1)))
    w.step(60)
    driven = mode in (gymapi.DOF_MODE_POS, gymapi.DOF_MODE_VEL)
    assert w.dof[0, 1].item() == pytest.approx(0.0 if driven else 1.0, rel=1e-4)


@pytest.mark.parametrize("prepared", [True, False])
def test_efforts_of_single_calls_add_up_and_end_with_the_step(make_world, prepared):
    """Isaac Gym's documentation: cumulative within a frame, zero at the beginning of the next. v = (efforts) dt / I."""
    w = _hinge(make_world, 1.0, mode=gymapi.DOF_MODE_EFFORT, prepare=prepared)
    env, twice = w.gym.get_env(w.sim, 0), np.array([2.0], np.float32)
    w.gym.apply_actor_dof_efforts(env, 0, twice)
    w.gym.apply_dof_effort(env, 0, 0.5)
    w.gym.apply_actor_dof_efforts(env, 0, twice)
    w.prepare()
    w.gym.set_dof_actuation_force_tensor(w.sim, gymtorch.unwrap_tensor(torch.tensor([0.25])))
    saved, dt = w.gym.get_state(w.sim), w.dt
    for _ in range(2):
        w.step()
        assert w.dof[0, 1].item() == pytest.approx(4.75 * dt, rel=1e-4)
        w.step(3)  # the tensor's acts in every step
        assert w.dof[0, 1].item() == pytest.approx((4.75 + 3 * 0.25) * dt, rel=1e-4)
        w.gym.apply_dof_effort(env, 0, -1.0)
        w.step()
        assert w.dof[0, 1].item() == pytest.approx(4.75 * dt, rel=1e-4)
        assert w.gym.get_actor_dof_forces(env, 0)[0] == pytest.approx(-0.75)
        w.gym.set_state(w.sim, saved)


@pytest.mark.parametrize(("mode", "spring"), [(gymapi.DOF_MODE_NONE, 1.0), (gymapi.DOF_MODE_EFFORT, 0.0)])
def test_passive_stiffness_and_damping(make_world, mode, spring):
    """Damping acts in both modes, stiffness without a drive alone; both implicitly, so that none is too much."""
    inertia, stiffness, damping = 1e-3, 1e4, 0.5
    w = _hinge(make_world, inertia, mode=mode, stiffness=stiffness, damping=damping)
    w.set_dofs(torch.tensor([[0.2, 1.0]]))
    w.gym.set_dof_actuation_force_tensor(w.sim, gymtorch.unwrap_tensor(torch.tensor([0.7])))
    w.step(4)
    q, v, h = 0.2, 1.0, w.dt / 2
    for _ in range(8):
        v = (inertia * v + h * (0.7 - spring * stiffness * q)) / (inertia + h * damping + h * h * spring * stiffness)
        q += h * v
    assert w.dof[0].tolist() == pytest.approx((q, v), rel=1e-4, abs=1e-6)


def test_an_effort_limit_bounds_the_force_of_a_stiff_drive(make_world):
    """And the joint arrives, as without one. On Warp it is as if the joint were heavier by h (kd + h kp)."""
    w = _hinge(make_world, 1.0, substeps=4, mode=gymapi.DOF_MODE_POS, stiffness=400.0, damping=400.0, effort=2.0)
    force = gymtorch.wrap_tensor(w.gym.acquire_dof_force_tensor(w.sim))
    _set_target(w, 1.0)
    w.step()
    h = w.dt / 4
    heavier = h * (400.0 + h * 400.0) if w.sim.params.warp.enabled else 0.0
    assert w.dof[0, 1].item() == pytest.approx(
        2.0 * w.dt / (1.0 + heavier), rel=1e-5
    )  # as the limit alone accelerates it
    w.gym.refresh_dof_force_tensor(w.sim)
    assert abs(force[0].item()) <= 2.0 + 1e-6
    w.step(600)
    assert w.dof[0].tolist() == pytest.approx([1.0, 0.0], abs=0.02)


@pytest.mark.parametrize(
    ("inertia", "kp", "kd", "limit"),
    [(0.1, 1e6, 100.0, 200.0), (1.0, 400.0, 400.0, 2.0), (0.01, 100.0, 0.0, 5.0), (0.05, 50.0, 20.0, 1.0)],
)
def test_a_drive_at_its_limit_moves_as_fast_as_the_limit_lets_it(make_world, inertia, kp, kd, limit):
    """Backward Euler of I q'' = max(-L, min(L, kp (p - q) - kd q')), all the way to the target and after."""
    w = _hinge(
        make_world, inertia, substeps=2, mode=gymapi.DOF_MODE_POS, stiffness=kp, damping=kd, effort=limit, armature=0.0
    )
    if w.sim.params.warp.enabled:
        pytest.skip("MuJoCo Warp limits the force that a substep begins with")
    force = gymtorch.wrap_tensor(w.gym.acquire_dof_force_tensor(w.sim))
    _set_target(w, 0.7)
    q, v, h = 0.0, 0.0, w.dt / 2
    for _ in range(60):
        for _ in range(2):
            free = (inertia * v + h * kp * (0.7 - q)) / (inertia + h * kd + h * h * kp)
            f = max(-limit, min(limit, inertia * (free - v) / h))
            v += h * f / inertia
            q += h * v
        w.step()
        w.gym.refresh_dof_force_tensor(w.sim)
        assert w.dof[0].tolist() == pytest.approx([q, v], rel=1e-3, abs=1e-4 * (1 + limit * h / inertia))
        assert force[0].item() == pytest.approx(f, abs=2e-3 * limit)


def test_two_joints_at_their_limits_share_what_they_do(make_world):
    """Stiff drives of an arm, far from their targets: M(q) a + bias, by inverse dynamics, is about the limits."""
    w = make_world(dt=1e-3)
    env = w.env((w.mjcf(ARM, fix_base_link=True), (0, 0, 1)))
    w.drive(env, driveMode=gymapi.DOF_MODE_POS, stiffness=1e6, damping=1e3, effort=np.array([3.0, 2.0, 20.0]))
    w.prepare()
    if w.sim.params.warp.enabled:
        pytest.skip("MuJoCo Warp limits the force that a substep begins with")
    w.gym.set_dof_position_target_tensor(w.sim, gymtorch.unwrap_tensor(torch.tensor([1.5, -1.5, 0.15])))
    w.set_dofs(torch.tensor([[0.2, 0.1], [0.4, -0.2], [0.05, 0.1]]))
    model, data = w.sim.inspect(0)
    before = w.sim._engine.qvel.clone()
    w.step()
    data.qacc[:] = ((w.sim._engine.qvel - before)[:3] / w.dt).numpy()
    inverse = mass_matrix(model, data) @ data.qacc + data.qfrc_bias
    ratio = inverse / np.array([3.0, -2.0, 20.0])  # limited in what they begin with: 0.02, 1.5, 0.2
    assert ratio.min() > 0.6 and ratio.max() < 2.2


FINGER = """<mujoco><worldbody><body name="mount"><geom size="0.01" mass="1" contype="0" conaffinity="0"/>
  <body name="finger"><joint name="j" type="slide" axis="0 0 -1"/><geom size="0.05" mass="0.1"/></body></body>
  </worldbody></mujoco>"""


@pytest.mark.parametrize(("target", "force"), [(0.0501, None), (0.06, 200.0)])
def test_a_stiff_drive_presses_on_the_ground_at_rest(make_world, target, force):
    """It presses with kp times what it lacks, up to its limit of 200 N, and its weight; and nothing moves."""
    w = make_world(dt=1 / 60, substeps=2)
    w.ground()
    env = w.env((w.mjcf(FINGER, fix_base_link=True), (0, 0, 0.1)))
    w.drive(env, driveMode=gymapi.DOF_MODE_POS, stiffness=1e6, damping=1e2, effort=200.0)
    w.prepare()
    ground = gymtorch.wrap_tensor(w.gym.acquire_net_contact_force_tensor(w.sim))
    _set_target(w, target)
    w.step(60)
    rest = w.dof[0, 0].item()
    assert rest == pytest.approx(0.05, abs=5e-5)  # contacts give way a little
    for _ in range(30):
        w.step()
        w.gym.refresh_net_contact_force_tensor(w.sim)
        assert w.dof[0].tolist() == pytest.approx([rest, 0.0], abs=1e-6)
        pressed = 1e6 * (target - w.dof[0, 0].item()) if force is None else force
        assert ground[1, 2].item() == pytest.approx(pressed + 0.1 * 9.81, abs=0.1)


def test_a_motor_against_its_limit_stop_and_a_damper(make_world):
    """A damped joint that a constant torque drives into its stop comes to rest there, however much damping."""
    w = make_world(dt=1 / 60, substeps=1, gravity=0.0)
    text = """<mujoco><worldbody><body><geom size="0.01" mass="1"/><body><joint name="j" axis="0 0 1" range="-0.1 0.1"/>
      <inertial pos="0 0 0" mass="0.01" diaginertia="1e-4 1e-4 1e-4"/></body></body></worldbody></mujoco>"""
    asset = w.mjcf("<mujoco><compiler angle='radian'/>" + text[8:], fix_base_link=True)
    env = w.env((asset, (0, 0, 0)))
    w.drive(env, driveMode=gymapi.DOF_MODE_EFFORT, damping=5.0)
    w.prepare()
    w.gym.set_dof_actuation_force_tensor(w.sim, gymtorch.unwrap_tensor(torch.tensor([2.0])))
    w.step(9)
    assert w.dof[0, 1].item() == pytest.approx(0.4, rel=1e-3)  # 2 N m against 5 N m s
    w.step(60)
    assert w.dof[0].tolist() == pytest.approx([0.1, 0.0], abs=2e-3)


def test_a_damped_fall(make_world):
    """A free body with linear and angular damping, which are rates: v' = g - c v, by backward Euler."""
    w = make_world(dt=0.1, substeps=1)
    asset = w.mjcf("<mujoco><worldbody><body><geom size='.1' mass='3'/></body></worldbody></mujoco>", linear_damping=30.0,
                   angular_damping=50.0)  # fmt: skip
    w.env((asset, (0, 0, 9)))
    w.prepare()
    w.set_roots(torch.tensor([[0, 0, 9, 0, 0, 0, 1, 2.0, 0, 0, 0, 0, 4.0]]))
    w.step(2)
    assert w.root[0, 7].item() == pytest.approx(2.0 / (1 + 3.0) ** 2, rel=1e-5)
    assert w.root[0, 9].item() == pytest.approx(-0.981 / 4 * (1 + 1 / 4), rel=1e-5)
    assert w.root[0, 12].item() == pytest.approx(4.0 / (1 + 5.0) ** 2, rel=1e-5)


def test_the_mass_matrix_holds_no_damping(make_world):
    def matrix(**fields: float) -> torch.Tensor:
        w = make_world()
        env = w.env((w.mjcf(ARM, fix_base_link=True), (0, 0, 0), "arm"))
        w.drive(env, armature=0.01, **fields)
        w.prepare()
        out = gymtorch.wrap_tensor(w.gym.acquire_mass_matrix_tensor(w.sim, "arm"))
        w.gym.refresh_mass_matrix_tensors(w.sim)
        return out[0]

    free = matrix(driveMode=gymapi.DOF_MODE_EFFORT, damping=0.0)
    for fields in (
        {"driveMode": gymapi.DOF_MODE_POS, "stiffness": 900.0, "damping": 30.0},
        {"driveMode": gymapi.DOF_MODE_NONE, "stiffness": 40.0, "damping": 3.0},
    ):
        torch.testing.assert_close(matrix(**fields), free)


def test_drives_in_the_air_are_the_same_with_and_without_implicit_contacts(make_world):
    def moved(implicit: bool) -> torch.Tensor:
        w = make_world(gravity=0.0, implicit_contacts=implicit)
        env = w.env((w.mjcf(ARM, fix_base_link=True), (0, 0, 0)))
        w.drive(env, driveMode=gymapi.DOF_MODE_POS, stiffness=200.0, damping=10.0)
        w.prepare()
        w.gym.set_dof_position_target_tensor(w.sim, gymtorch.unwrap_tensor(torch.tensor([0.5, -0.3, 0.1])))
        w.step(20)
        return w.dof

    torch.testing.assert_close(moved(True), moved(False), atol=1e-5, rtol=0)


def test_gains_that_no_drive_has_are_refused(make_world):
    w = make_world()
    env = w.env((w.mjcf("<mujoco><worldbody><body><geom size='1'/><body><joint name='j'/><geom size='1'/></body></body>"
                        "</worldbody></mujoco>"), (0, 0, 0)))  # fmt: skip
    for name, value in (("stiffness", -1.0), ("damping", np.nan), ("armature", -0.1)):
        with pytest.raises(ValueError, match=f"gym.set_actor_dof_properties: {name} of actor"):
            w.drive(env, **{name: value})
