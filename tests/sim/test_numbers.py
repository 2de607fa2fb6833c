"""Whatever is one number is taken where the Tensor API takes a number: numpy's and torch's, alone or in an array of one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mtbench.sim import gymapi, gymtorch
from tests.sim.world import ARM

KINDS = {
    "np.int64": np.int64,
    "np.uint8": np.uint8,
    "np.float64": np.float64,
    "0-d array": np.array,
    "array of one": lambda x: np.array([x]),
    "tensor": torch.tensor,
    "tensor of one": lambda x: torch.tensor([x]),
}
TENDON = """<tendon><fixed name='pair'><joint joint='yaw' coef='1'/><joint joint='pitch' coef='-2'/></fixed></tendon>"""


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def one(request):
    """An integer as one of the kinds."""
    return request.param


def arms(make_world, one):
    """Two environments with a cube and an arm, made of such numbers."""
    w = make_world()
    asset = w.mjcf(ARM.replace("</worldbody>", f"</worldbody>{TENDON}"), fix_base_link=True)
    g = w.gym
    cube = g.create_box(w.sim, one(1), one(1), one(1), w.options(density=one(10), disable_gravity=np.bool_(True)))
    if not w.sim.params.warp.enabled:  # which measures none
        assert g.create_asset_force_sensor(asset, one(2), gymapi.Transform()) == 0
    envs = []
    for i in range(2):
        env = g.create_env(w.sim, gymapi.Vec3(), gymapi.Vec3(one(1), one(1), one(1)), one(2))
        for name, kind, x in (("cube", cube, 3), ("arm", asset, 0)):
            pose = gymapi.Transform(gymapi.Vec3(one(x), one(i), one(1)))
            g.create_actor(env, kind, pose, name, one(i), one(0), one(7))
        envs.append(env)
    return w, asset, envs


def test_handles_and_indices(make_world, one):
    w, asset, envs = arms(make_world, one)
    g, sim, env = w.gym, w.sim, envs[1]
    actor, body, dof, all_of = one(1), one(3), one(2), gymapi.DOMAIN_SIM
    assert g.get_env(sim, actor) is env
    assert g.get_asset_dof_name(asset, dof) == "reach" and g.get_asset_rigid_body_name(asset, body) == "slider"
    assert g.get_asset_joint_name(asset, dof) == "reach" and g.get_asset_dof_type(asset, dof) == gymapi.DOF_TRANSLATION
    assert g.get_asset_tendon_name(asset, one(0)) == "pair"
    assert g.get_asset_fixed_tendon_joint_name(asset, one(0), one(1)) == "pitch"
    assert g.get_actor_tendon_offset(env, actor, one(0)) == 0.0
    indices = [
        g.get_actor_handle(env, actor),
        g.get_actor_index(env, actor, all_of),
        g.get_actor_rigid_body_index(env, actor, body, all_of),
        g.get_actor_dof_index(env, actor, dof, all_of),
        g.get_actor_joint_index(env, actor, dof, all_of),
        g.get_actor_rigid_body_handle(env, actor, body),
        g.get_actor_dof_handle(env, actor, dof),
        g.get_actor_joint_handle(env, actor, dof),
        g.get_actor_root_rigid_body_handle(env, actor),
        g.find_actor_rigid_body_index(env, actor, "slider", gymapi.DOMAIN_ENV),
    ]
    assert indices == [1, 3, 9, 5, 5, 4, 2, 2, 1, 4] and {type(index) for index in indices} == {int}
    assert g.get_rigid_name(env, one(4)) == "slider" and g.get_joint_name(env, dof) == "reach"
    w.prepare()
    if not w.sim.params.warp.enabled:  # which measures none
        assert g.get_actor_force_sensor(env, actor, one(0)).get_global_index() == 1
    poses = g.get_vec_rigid_transform(envs, one(0))
    np.testing.assert_array_equal(poses["p"]["y"], [0.0, 1.0])
    poses = g.get_vec_rigid_transform(envs, torch.tensor([0, 1]))
    np.testing.assert_array_equal(poses["p"]["y"], [0.0, 1.0])
    with pytest.raises(ValueError, match="3 handles are given for 2 environments"):
        g.get_vec_rigid_transform(envs, [0, 1, 2])
    for call, index in ((g.get_env, 2), (g.get_asset_tendon_name, 1)):
        with pytest.raises(IndexError, match=f"gym.{call.__name__}: there is no {index}"):
            call(sim if call == g.get_env else asset, one(index))
    with pytest.raises(IndexError, match="there is no 3 among the joints"):
        g.get_actor_joint_index(env, actor, one(3), gymapi.DOMAIN_ENV)


def test_states_commands_and_counts(make_world, one):
    w, _, envs = arms(make_world, one)
    g, sim, env, actor = w.gym, w.sim, envs[1], one(1)
    assert g.set_actor_scale(env, one(0), one(2)) and g.get_actor_scale(env, one(0)) == 2.0
    w.prepare()
    g.set_dof_target_position(env, one(2), one(1))
    assert sim.position_target.tolist() == [0, 0, 0, 0, 0, 1, 0] and g.get_dof_target_position(env, one(2)) == 1.0
    w.root[:, 2] = torch.tensor([5.0, 6.0, 7.0, 8.0])
    index = torch.tensor([2, 3, 0], dtype=torch.int32)
    unwrap = gymtorch.unwrap_tensor
    g.set_actor_root_state_tensor_indexed(sim, unwrap(w.root.clone()), unwrap(index), one(2))
    w.refresh()
    assert w.root[:, 2].tolist() == [1.0, 1.0, 7.0, 8.0]
    states = g.get_actor_dof_states(env, actor, one(gymapi.STATE_ALL))
    states["pos"], states["vel"] = 0.1, 2.0
    assert g.set_actor_dof_states(env, actor, states, one(gymapi.STATE_POS))
    w.refresh()
    torch.testing.assert_close(w.dof[3:], torch.tensor([[0.1, 0.0]] * 3))
    g.apply_body_forces(env, one(0), gymapi.Vec3(one(0), one(0), one(8)))
    # a cube of 2 m, 10 kg/m^3: 80 kg, without weight
    g.simulate(sim)
    w.refresh()
    assert w.root[2, 9].item() == pytest.approx(8.0 / 80.0 * w.dt, rel=1e-5)


@pytest.mark.parametrize("value", [np.array([1, 2]), torch.zeros(2), "1", None, 1.5, np.nan])
def test_what_is_no_index_is_refused(make_world, value):
    w, _, envs = arms(make_world, int)
    with pytest.raises(TypeError, match="is an integer, not"):
        w.gym.get_actor_name(envs[0], value)


def test_parameters(one):
    params = gymapi.SimParams()
    params.substeps, params.dt, params.warp.contacts, params.use_gpu_pipeline = one(2), one(1), one(64), np.bool_(False)
    given = params.substeps, params.dt, params.warp.contacts, params.use_gpu_pipeline
    assert given == (2, 1.0, 64, False) and [type(x) for x in given] == [int, float, int, bool]
    turn = gymapi.Quat.from_axis_angle(gymapi.Vec3(0, 0, 1), one(1))
    assert (turn.z, turn.w) == (pytest.approx(np.sin(0.5)), pytest.approx(np.cos(0.5)))
