"""Numbers, tensors and indices that make no sense: refused by the name of the call, and nothing is changed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mtbench.sim import gymapi, gymtorch
from tests.sim.world import ARM

UNWRAP = gymtorch.unwrap_tensor
SHAPES = {  # of two environments with a cube and an arm of three DOFs
    "set_actor_root_state_tensor": (4, 13),
    "set_dof_state_tensor": (6, 2),
    "set_dof_position_target_tensor": (6,),
    "set_dof_velocity_target_tensor": (6,),
    "set_dof_actuation_force_tensor": (6,),
}
INDICES = {
    "past the last actor": (torch.tensor([4], dtype=torch.int32), 1),
    "of 64 bits": (torch.tensor([1]), 1),
    "a float": (torch.tensor([1.0]), 1),
    "of two dimensions": (torch.ones(1, 1, dtype=torch.int32), 1),
    "fewer than their count": (torch.tensor([1], dtype=torch.int32), 2),
    "a negative count": (torch.tensor([1], dtype=torch.int32), -1),
    "none": (None, 1),
}
NO_NUMBER = (math.nan, math.inf, -math.inf)
DOFS = {
    **dict.fromkeys(("stiffness", "damping", "friction", "armature"), (*NO_NUMBER, -1.0)),
    **dict.fromkeys(("effort", "velocity"), (math.nan, -1.0)),
    **dict.fromkeys(("lower", "upper"), (math.nan,)),
}


def build(make_world, prepare: bool = True):
    """Two environments with a cube and an arm."""
    w = make_world()
    arm, cube = w.mjcf(ARM, fix_base_link=True), w.gym.create_box(w.sim, 0.1, 0.1, 0.1, w.options())
    envs = [w.env((cube, (1, i, 1), "cube"), (arm, (0, 0, i), "arm")) for i in range(2)]
    if prepare:
        w.prepare()
    return w, envs


@pytest.fixture
def world(make_world):
    return build(make_world)


def snapshot(w, envs):
    """All that the calls below could have changed."""
    g = w.gym
    tensors = [w.sim.position_target, w.sim.velocity_target, w.sim.effort]
    props = [
        g.get_actor_dof_properties(envs[0], 1).tobytes(),
        *map(str, map(vars, g.get_actor_rigid_shape_properties(envs[0], 1))),
    ]
    w.refresh()
    return [t.clone() for t in (*tensors, w.root, w.dof)], props


@pytest.mark.parametrize("name", SHAPES)
def test_tensors(name, world):
    w, envs = world
    shape = SHAPES[name]
    before = snapshot(w, envs)
    good, one = UNWRAP(torch.ones(shape)), UNWRAP(torch.tensor([1], dtype=torch.int32))
    wrong = [torch.ones(shape[0] - 1, *shape[1:]), torch.ones(shape[0] + 1, *shape[1:]), torch.ones(shape).double()]
    for bad in (*map(UNWRAP, wrong), None):
        with pytest.raises((ValueError, TypeError), match=f"gym.{name} takes"):
            getattr(w.gym, name)(w.sim, bad)
        with pytest.raises((ValueError, TypeError), match=f"gym.{name}_indexed takes"):
            getattr(w.gym, f"{name}_indexed")(w.sim, bad, one, 1)
    for ids, count in INDICES.values():
        with pytest.raises((ValueError, TypeError, IndexError), match=f"gym.{name}_indexed"):
            getattr(w.gym, f"{name}_indexed")(w.sim, good, None if ids is None else UNWRAP(ids), count)
    after = snapshot(w, envs)
    assert all(map(torch.equal, before[0], after[0])) and before[1] == after[1]


def test_properties_and_commands(world):
    w, envs = world
    g, before = w.gym, snapshot(w, envs)
    for field, values in DOFS.items():
        for bad in values:
            props = g.get_actor_dof_properties(envs[0], 1)
            props[field][1] = bad
            with pytest.raises(ValueError, match=f"gym.set_actor_dof_properties: {field}"):
                g.set_actor_dof_properties(envs[0], 1, props)
    for bad in NO_NUMBER:
        shapes = g.get_actor_rigid_shape_properties(envs[0], 1)
        shapes[-1].friction = bad
        with pytest.raises(ValueError, match=r"gym.set_actor_rigid_shape_properties: a shape cannot have friction"):
            g.set_actor_rigid_shape_properties(envs[0], 1, shapes)
    for bad in NO_NUMBER:
        for name in ("set_dof_target_position", "set_dof_target_velocity", "apply_dof_effort"):
            with pytest.raises(ValueError, match=f"gym.{name}: a command is finite"):
                getattr(g, name)(envs[1], 1, bad)
        for name in ("set_actor_dof_position_targets", "set_actor_dof_velocity_targets", "apply_actor_dof_efforts"):
            with pytest.raises(ValueError, match=f"gym.{name}: commands are finite"):
                getattr(g, name)(envs[1], 1, np.array([0.0, bad, 0.0], np.float32))
    after = snapshot(w, envs)
    assert all(map(torch.equal, before[0], after[0])) and before[1] == after[1]


def test_limits_may_be_infinite(world):
    w, envs = world
    props = w.gym.get_actor_dof_properties(envs[0], 1)
    props["effort"], props["velocity"], props["lower"], props["upper"] = math.inf, math.inf, -math.inf, math.inf
    assert w.gym.set_actor_dof_properties(envs[0], 1, props)


def test_what_is_made(make_world):
    w, envs = build(make_world, prepare=False)
    g, box = w.gym, w.gym.create_box(w.sim, 0.1, 0.1, 0.1, w.options())
    for bad in NO_NUMBER:
        for pose in (gymapi.Transform(gymapi.Vec3(0, bad, 0)), gymapi.Transform(r=gymapi.Quat(0, 0, bad, 1))):
            with pytest.raises(ValueError, match=r"gym.create_actor: an actor.s pose is finite"):
                g.create_actor(envs[0], box, pose, "x", 0, 0)
        with pytest.raises(ValueError, match=r"gym.create_sphere: AssetOptions.density"):
            g.create_sphere(w.sim, 0.1, w.options(density=bad))
        with pytest.raises(ValueError, match=r"gym.create_box: the size"):
            g.create_box(w.sim, 0.1, bad, 0.1, w.options())
    with pytest.raises(ValueError, match=r"gym.create_actor: an actor.s pose"):
        g.create_actor(envs[0], box, gymapi.Transform(r=gymapi.Quat(0, 0, 0, 0)), "x", 0, 0)
    assert g.get_actor_count(envs[0]) == 2
    w.prepare()
    with pytest.raises(RuntimeError, match=r"gym.create_actor: actors cannot be added"):
        g.create_actor(envs[0], box, gymapi.Transform(), "x", 0, 0)


def test_tensor_calls_before_prepare_sim(make_world):
    w, _ = build(make_world, prepare=False)
    one = UNWRAP(torch.zeros(1, dtype=torch.int32))
    for name, shape in SHAPES.items():
        given = UNWRAP(torch.zeros(shape))
        for call, arguments in ((name, (given,)), (f"{name}_indexed", (given, one, 1))):
            with pytest.raises(RuntimeError, match=rf"^gym\.{call}: call prepare_sim first$"):
                getattr(w.gym, call)(w.sim, *arguments)
    for call in ("apply_rigid_body_force_tensors", "apply_rigid_body_force_at_pos_tensors"):
        with pytest.raises(RuntimeError, match=rf"^gym\.{call}: call prepare_sim first$"):
            getattr(w.gym, call)(w.sim, UNWRAP(torch.zeros(10, 3)))
    for what in ("actor_root_state_tensor", "dof_state_tensor", "rigid_body_state_tensor", "mass_matrix_tensors"):
        with pytest.raises(RuntimeError, match=rf"^gym\.refresh_{what}: call prepare_sim first$"):
            getattr(w.gym, f"refresh_{what}")(w.sim)


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_no_torch_tensor(name, world):
    w, _ = world
    for bad in (None, np.zeros(SHAPES[name], np.float32), [0.0]):
        with pytest.raises(TypeError, match=rf"gym\.{name} takes a tensor, not .*: give it gymtorch.unwrap_tensor"):
            getattr(w.gym, name)(w.sim, bad)
        with pytest.raises(TypeError, match=r"gymtorch\.unwrap_tensor takes a torch tensor, not"):
            UNWRAP(bad)
    with pytest.raises(ValueError, match=rf"gym\.{name} takes a contiguous tensor"):
        getattr(w.gym, name)(w.sim, torch.zeros(SHAPES[name] + (2,))[..., 0])


def test_gradients_stay_outside(world):
    """A client may hand over what it differentiates: what it reads then has no history, and steps record none."""
    w, envs = world
    given = {name: torch.zeros(shape, requires_grad=True) for name, shape in SHAPES.items()}
    for name, tensor in given.items():
        getattr(w.gym, name)(w.sim, tensor * 1.0)
        getattr(w.gym, name)(w.sim, UNWRAP(tensor * 1.0))
    w.gym.apply_rigid_body_force_tensors(w.sim, UNWRAP(torch.zeros(10, 3, requires_grad=True)), None)
    w.gym.apply_actor_dof_efforts(envs[0], 1, torch.zeros(3, requires_grad=True))
    w.step()
    assert not any(t.requires_grad for t in (w.root, w.dof, w.body, w.sim.position_target, w.sim._engine.qpos))


def test_single_calls_say_what_they_take(world):
    w, envs = world
    calls = {
        "set_actor_dof_states": ((None, np.zeros(3)), gymapi.STATE_ALL),
        "set_actor_dof_position_targets": (("x", object()),),
        "apply_actor_dof_efforts": (("x", object()),),
    }
    for name, (bad, *rest) in calls.items():
        for value in bad:
            with pytest.raises(TypeError, match=rf"gym\.{name} takes"):
                getattr(w.gym, name)(envs[0], 1, value, *rest)
    for name in ("set_rigid_transform", "set_rigid_linear_velocity", "apply_body_forces", "apply_body_force_at_pos"):
        with pytest.raises(TypeError, match=rf"gym\.{name}: \w+ is a gymapi\."):
            getattr(w.gym, name)(envs[0], 0, "x")
