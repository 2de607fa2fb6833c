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
