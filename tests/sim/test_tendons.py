"""Fixed tendons against springs, limits and sums of joint positions."""

from __future__ import annotations

import math

import pytest
import torch

from mtbench.sim import gymapi
from tests.sim.world import World

TWO = """
<mujoco><worldbody><body name="rail"><geom type="sphere" size="0.01" mass="1"/>
  <body name="a" pos="0 0 0.1"><joint name="x" type="slide" axis="1 0 0"/>
    <inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/></body>
  <body name="b" pos="0 0 0.2"><joint name="z" type="slide" axis="0 0 -1"/>
    <inertial pos="0 0 0" mass="2" diaginertia="1 1 1"/></body>
</body></worldbody><tendon>
  <fixed name="t"><joint joint="x" coef="2"/><joint joint="z" coef="-1"/></fixed>
  <fixed name="stop" limited="true" range="-0.1 0.1"><joint joint="z" coef="1"/></fixed>
</tendon></mujoco>"""


@pytest.fixture
def world(tmp_path) -> World:
    return World(tmp_path, dt=0.002)


def loaded(w: World, gravity: bool = True) -> gymapi.Asset:
    asset = w.mjcf(TWO, fix_base_link=True, disable_gravity=not gravity)
    assert w.gym.get_asset_tendon_count(asset) == 2
    return asset


def test_what_the_file_says(world):
    asset, g = loaded(world), world.gym
    assert [g.get_asset_tendon_name(asset, k) for k in range(2)] == ["t", "stop"]
    assert g.find_asset_tendon_index(asset, "stop") == 1 and g.find_asset_tendon_index(asset, "no") == -1
    assert g.get_asset_fixed_tendon_joint_name(asset, 0, 1) == "z"
    assert g.get_asset_fixed_tendon_joint_coefficients(asset, 0) == [2.0, -1.0]
    props = g.get_asset_tendon_properties(asset)
    assert props[0].type == gymapi.TENDON_FIXED and props[0].num_joints == 2 and not props[0].is_fixed_limited
    assert (props[1].fixed_lower_limit, props[1].fixed_upper_limit) == (-0.1, 0.1) and props[1].limit_stiffness == 1.0
    with pytest.raises(ValueError, match="2 fixed tendons, not 1"):
        g.set_asset_tendon_properties(asset, props[:1])
    props[0].stiffness = -1.0
    with pytest.raises(ValueError, match="not negative"):
        g.set_asset_tendon_properties(asset, props)


def test_a_spring_on_a_sum_of_joints(world):
    """Length l = 2 x - z + offset; its spring of 50 pulls x with 2 F and z with -F, so that l swings at
    sqrt(k (4 / m_x + 1 / m_z))."""
    asset, g = loaded(world, gravity=False), world.gym
    props = g.get_asset_tendon_properties(asset)
    props[0].stiffness, props[0].fixed_spring_rest_length = 50.0, 0.03
    props[1].is_fixed_limited = False
    g.set_asset_tendon_properties(asset, props)
    env = world.env((asset, (0, 0, 1)))
    g.set_actor_tendon_offset(env, 0, 0, 0.01)
    world.prepare()
    assert g.get_actor_tendon_offset(env, 0, 0) == 0.01
    omega = math.sqrt(50.0 * (4 / 1 + 1 / 2))
    half = round(math.pi / omega / world.dt)
    world.step(half)
    length = 2 * world.dof[0, 0] - world.dof[1, 0] + 0.01
    swing = 0.02 * (1 + (omega * world.dt) ** 2) ** (-half / 2)  # backward Euler damps that much
    assert length.item() == pytest.approx(0.03 + swing, abs=1e-5)  # from 0.02 below rest to as much above
    # the pull on x is twice that on z and the other way round
    assert world.dof[0, 0].item() * 1.0 == pytest.approx(-2 * 2.0 * world.dof[1, 0].item(), rel=1e-3)
    props = g.get_actor_tendon_properties(env, 0)
    props[0].damping = 10.0
    g.set_actor_tendon_properties(env, 0, props)
    world.step(1500)
    length = 2 * world.dof[0, 0] - world.dof[1, 0] + 0.01
    assert length.item() == pytest.approx(0.03, abs=1e-4)


@pytest.mark.parametrize("stiffness", [400.0, 4e7])
def test_limits_are_springs_of_the_clients_stiffness(world, stiffness):
    """2 kg hang on the limit at 0.1 m, which gives way by m g / k."""
    asset, g = loaded(world), world.gym
    props = g.get_asset_tendon_properties(asset)
    props[1].limit_stiffness, props[1].damping = stiffness, 20.0
    g.set_asset_tendon_properties(asset, props)
    world.env((asset, (0, 0, 1)))
    world.prepare()
    world.step(3000)
    assert world.dof[1, 0].item() == pytest.approx(0.1 + 2 * 9.81 / stiffness, abs=2e-4)


def test_limits_of_the_file_are_hard_and_can_go(world):
    asset, g = loaded(world), world.gym
    first, second = world.env((asset, (0, 0, 1))), world.env((asset, (0, 0, 1)))
    props = g.get_actor_tendon_properties(second, 0)
    props[1].limit_stiffness = 0.0
    g.set_actor_tendon_properties(second, 0, props)
    world.prepare()
    world.step(200)
    assert world.dof[1, 0].item() == pytest.approx(0.1, abs=2e-3)
    assert world.dof[3, 0].item() == pytest.approx(0.5 * 9.81 * 0.4**2, rel=0.01)  # falls freely
    assert g.find_actor_tendon_index(first, 0, "stop") == 1 and g.get_actor_tendon_count(first, 0) == 2
    assert g.find_actor_fixed_tendon_joint_index(first, 0, 0, "z") == 1
    g.set_actor_fixed_tendon_joint_coefficients(first, 0, 1, [2.0])
    world.step(600)
    torch.testing.assert_close(world.dof[1, 0], torch.tensor(0.05), atol=3e-3, rtol=0)
