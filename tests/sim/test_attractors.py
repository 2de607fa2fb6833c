"""Attractors against springs: where they hold a weight, how they swing, and that no stiffness is too large."""

from __future__ import annotations

import math

import pytest
import torch

from mtbench.sim import gymapi
from tests.sim.world import World

MASS = 1000.0 * 0.2**3


@pytest.fixture
def world(tmp_path) -> World:
    return World(tmp_path, dt=0.005)


def pulled(w: World, stiffness: float, damping: float = 0.0, axes: int = gymapi.AXIS_TRANSLATION, **more) -> gymapi.Env:
    """An environment with a cube at (0, 0, 1), pulled to (0, 0, 1) unless ``more`` says otherwise."""
    env = w.env((w.gym.create_box(w.sim, 0.2, 0.2, 0.2, w.options()), (0, 0, 1)))
    props = gymapi.AttractorProperties()
    props.stiffness, props.damping, props.axes, props.rigid_handle = stiffness, damping, axes, 0
    props.target.p = gymapi.Vec3(0, 0, 1)
    for key, value in more.items():
        setattr(props, key, value)
    assert w.gym.create_rigid_body_attractor(env, props) == 0
    return env


def test_a_weight_hangs_where_the_spring_says(world):
    stiffnesses = (200.0, 2e4, 5e7)
    for k in stiffnesses:
        pulled(world, k, damping=2 * math.sqrt(k * MASS))
    world.prepare()
    world.step(500)
    for height, k in zip(world.root[:, 2].tolist(), stiffnesses, strict=True):
        # the stiffest is as hard as MuJoCo's hardest constraint
        assert height == pytest.approx(1 - MASS * 9.81 / k, rel=1e-3, abs=1e-6 if k < 1e7 else 1e-5)


def test_it_swings_as_a_spring(tmp_path):
    w = World(tmp_path, dt=0.001, gravity=0.0)
    pulled(w, 50.0)
    w.prepare()
    start = w.root.clone()
    start[0, 0] = 0.1
    w.set_roots(start)
    period = 2 * math.pi / math.sqrt(50.0 / MASS)
    w.step(round(period / 4 / w.dt))
    assert w.root[0, 0].item() == pytest.approx(0.0, abs=1e-3)
    w.step(round(period / 4 / w.dt))
    assert w.root[0, 0].item() == pytest.approx(-0.1, rel=0.02)


def test_rotation_has_the_same_stiffness(tmp_path):
    """A torque of 0.5 N m turns the cube by 0.5 / k rad; the pull is at a corner of it, to a turned target."""
    w = World(tmp_path, dt=0.01, gravity=0.0)
    target = gymapi.Transform(gymapi.Vec3(0, 0, 1), gymapi.Quat.from_axis_angle(gymapi.Vec3(0, 0, 1), 0.4))
    env = pulled(w, 20.0, 5.0, gymapi.AXIS_ALL, target=target)
    w.prepare()
    for _ in range(250):
        w.gym.apply_body_forces(env, 0, None, gymapi.Vec3(0, 0, 0.5), gymapi.ENV_SPACE)
        w.step(1)
    angle = 2 * math.atan2(w.root[0, 5].item(), w.root[0, 6].item())
    assert angle == pytest.approx(0.4 + 0.5 / 20.0, abs=1e-3)
    torch.testing.assert_close(w.root[0, :3], torch.tensor([0.0, 0.0, 1.0]), atol=1e-4, rtol=0)


def test_offset_and_a_moving_target(world):
    offset = gymapi.Transform(gymapi.Vec3(0.1, 0, 0))
    env = pulled(world, 1e4, 600.0, gymapi.AXIS_ALL, offset=offset)
    world.prepare()
    world.gym.set_attractor_target(env, 0, gymapi.Transform(gymapi.Vec3(0.5, -0.2, 1.3)))
    world.step(500)
    expected = torch.tensor([0.4, -0.2, 1.3 - MASS * 9.81 / 1e4])
    torch.testing.assert_close(world.root[0, :3], expected, atol=1e-3, rtol=0)
    props = world.gym.get_attractor_properties(env, 0)
    assert props.target.p.x == 0.5 and props.stiffness == 1e4
    props.stiffness = props.damping = 0.0
    world.gym.set_attractor_properties(env, 0, props)
    before = world.root[0, 2].item()
    world.step(40)
    assert world.root[0, 2].item() - before == pytest.approx(-0.5 * 9.81 * 0.2**2, rel=0.03)  # it falls


def test_what_is_refused(world):
    with pytest.raises(NotImplementedError, match="AXIS_TRANSLATION or AXIS_ALL"):
        pulled(world, 1.0, axes=gymapi.AXIS_X)
    with pytest.raises(ValueError, match=r"bodies 0\.\.0, not 3"):
        pulled(world, 1.0, rigid_handle=3)
    with pytest.raises(ValueError, match="stiffness is finite and not negative"):
        pulled(world, -1.0)
    env = pulled(world, 1.0)
    with pytest.raises(ValueError, match="none with handle 4"):
        world.gym.set_attractor_target(env, 4, gymapi.Transform())
