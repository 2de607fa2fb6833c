"""Drives and efforts against backward Euler: a drive goes by the position and velocity at the end of a substep."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mtbench.sim import gymapi, gymtorch

MODES = gymapi.DOF_MODE_NONE, gymapi.DOF_MODE_POS, gymapi.DOF_MODE_VEL, gymapi.DOF_MODE_EFFORT


def _hinge(make_world, inertia: float, dt: float = 1 / 60, substeps: int = 2, mode: int = 0, **fields: object):
    """A world of one hinge about z without gravity."""
    w = make_world(dt=dt, substeps=substeps, gravity=0.0)
    text = f"""<mujoco><worldbody><body name="base"><geom size="0.01" mass="1"/>
      <body name="arm"><joint name="j" axis="0 0 1"/>
      <inertial pos="0 0 0" mass="0.01" diaginertia="{inertia} {inertia} {inertia}"/></body></body></worldbody></mujoco>"""
    env = w.env((w.mjcf(text, fix_base_link=True, default_dof_drive_mode=mode), (0, 0, 0)))
    w.drive(env, **fields)
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


def test_an_effort_limit_bounds_the_mean_force_of_a_stiff_drive(make_world):
    """And the joint arrives, as without one."""
    w = _hinge(make_world, 1.0, substeps=4, mode=gymapi.DOF_MODE_POS, stiffness=400.0, damping=20.0, effort=2.0)
    force = gymtorch.wrap_tensor(w.gym.acquire_dof_force_tensor(w.sim))
    _set_target(w, 1.0)
    w.step()
    assert 0.0 < w.dof[0, 1].item() <= 2.0 * w.dt
    w.gym.refresh_dof_force_tensor(w.sim)
    assert abs(force[0].item()) <= 2.0 + 1e-6
    w.step(600)
    assert w.dof[0].tolist() == pytest.approx([1.0, 0.0], abs=0.02)


def test_gains_that_no_drive_has_are_refused(make_world):
    w = make_world()
    env = w.env((w.mjcf("<mujoco><worldbody><body><geom size='1'/><body><joint name='j'/><geom size='1'/></body></body>"
                        "</worldbody></mujoco>"), (0, 0, 0)))  # fmt: skip
    for name, value in (("stiffness", -1.0), ("damping", np.nan), ("armature", -0.1)):
        with pytest.raises(ValueError, match=f"gym.set_actor_dof_properties: {name} of actor"):
            w.drive(env, **{name: value})
