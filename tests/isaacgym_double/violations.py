"""Every rule of the double, broken once: prints the rules that it let pass."""

# ruff: noqa: I001

from __future__ import annotations

from isaacgym import gymapi, gymtorch  # before torch

import torch

gym = gymapi.acquire_gym()
params = gymapi.SimParams()
sim = gym.create_sim(0, -1, gymapi.SIM_PHYSX, params)
box = gym.create_box(sim, 0.1, 0.1, 0.1, gymapi.AssetOptions())
env = gym.create_env(sim, gymapi.Vec3(), gymapi.Vec3(1.0, 1.0, 1.0), 1)
gym.create_actor(env, box, gymapi.Transform(), "box", 0, 0)
passed = []


def refuses(what: str, error: type[Exception], call: object) -> None:
    try:
        call()  # type: ignore[operator]
    except error:
        return
    passed.append(what)


def index(dtype: torch.dtype = torch.int32) -> torch.Tensor:
    return torch.zeros(1, dtype=dtype)


refuses("acquire before prepare_sim", AssertionError, lambda: gym.acquire_dof_state_tensor(sim))
refuses("simulate before prepare_sim", AssertionError, lambda: gym.simulate(sim))
gym.prepare_sim(sim)
refuses("actor after prepare_sim", AssertionError, lambda: gym.create_actor(env, box, gymapi.Transform(), "late", 0, 0))
roots = gymtorch.wrap_tensor(gym.acquire_actor_root_state_tensor(sim))
gym.refresh_actor_root_state_tensor(sim)
before = roots.clone()
roots[0, 2] = 5.0  # a buffer of its own
gym.refresh_actor_root_state_tensor(sim)
if not torch.equal(roots, before):
    passed.append("writing to a buffer moved an actor")
state, first = before.clone(), index()
state[0, 2] = 1.0


def place(values: torch.Tensor, where: torch.Tensor) -> None:
    a, b = gymtorch.unwrap_tensor(values), gymtorch.unwrap_tensor(where)
    gym.set_actor_root_state_tensor_indexed(sim, a, b, 1)


refuses("int64 indices", AssertionError, lambda: place(state, index(torch.int64)))
refuses("float64 states", AssertionError, lambda: place(state.double(), first))
refuses("not contiguous", AssertionError, lambda: place(before.new_zeros(13, 2).T, first))
refuses("a bare tensor", AttributeError, lambda: gym.set_actor_root_state_tensor_indexed(sim, state, first, 1))
gone = gymtorch.unwrap_tensor(first.clone())
refuses(
    "an index that is gone",
    AssertionError,
    lambda: gym.set_actor_root_state_tensor_indexed(sim, gymtorch.unwrap_tensor(state), gone, 1),
)
refuses(
    "DOFs of an actor without any",
    AssertionError,
    lambda: gym.set_dof_state_tensor_indexed(
        sim, gymtorch.unwrap_tensor(torch.zeros(0, 2)), gymtorch.unwrap_tensor(first), 1
    ),
)
place(state, first)
refuses("a second setter", AssertionError, lambda: place(state, first))
refuses("refresh after a setter", AssertionError, lambda: gym.refresh_actor_root_state_tensor(sim))
gym.simulate(sim)
gym.refresh_actor_root_state_tensor(sim)
if not 0.9 < roots[0, 2] < 1.1:
    passed.append("what was set did not arrive")
refuses("get_state", AttributeError, lambda: gym.get_state(sim))
refuses("a call that does not exist", AttributeError, lambda: gym.simulates(sim))
refuses("a name that does not exist", AttributeError, lambda: gymapi.SimParameters)
refuses("too few arguments", TypeError, lambda: gym.get_actor_index(env, 0))
refuses("a keyword of ours", TypeError, lambda: gym.get_actor_count(env=env))
refuses("a field that does not exist", AttributeError, lambda: setattr(params, "sub_steps", 1))
refuses("a field of PhysX that does not exist", AttributeError, lambda: setattr(params.physx, "iterations", 1))
refuses("a device of flex", AssertionError, lambda: gym.create_sim(0, -1, gymapi.SIM_FLEX, params))
print(passed)
