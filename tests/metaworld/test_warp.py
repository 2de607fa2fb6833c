"""MuJoCo Warp: fifty merged scenes move as on MuJoCo, and what goes wrong is seen.

On Warp's CPU device, or on the one that MTBENCH_TEST_DEVICE names, where sums are not in the same order each time.
"""

from __future__ import annotations

import os

import mujoco
import numpy as np
import pytest
import torch
from isaacgym import gymtorch

from benchmarks import on_gpu_steps
from isaacgymenvs_tasks import make
from isaacgymenvs_tasks.metaworld.experts import expert_policy, try_policy
from mtbench.sim.padding import merge, padded
from mtbench.sim.scene import build_groups
from tests.metaworld.graph_emulation import no_waiting

STEPS = 15
DEVICE = os.environ.get("MTBENCH_TEST_DEVICE", "cpu")
EXACT = 0.0 if DEVICE == "cpu" else 1e-3


def _environment(engine: str, num_envs: int = 50, seed: int = 4, **settings):
    # Episodes do not end in a test that does not wait for it: the next ones would be drawn by other generators on a GPU.
    settings = {"task.env.randomInitialProgress": False} | settings
    device = DEVICE if engine == "warp" else "cpu"
    return make("MT50", num_envs, seed, sim_device=device, physics_engine=engine, **settings)


def _same(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=0.0, atol=EXACT)


def _copy_state(source, target) -> None:
    """Let ``target`` continue from the state of ``source``, which another engine steps."""
    state = source.get_env_state()
    source.gym.refresh_actor_root_state_tensor(source.sim)
    roots, dofs = (x.to(target.device).contiguous() for x in (source.root_states, source.dof_states))
    target.gym.set_actor_root_state_tensor(target.sim, gymtorch.unwrap_tensor(roots))
    target.gym.set_dof_state_tensor(target.sim, gymtorch.unwrap_tensor(dofs))
    for name, values in state["buffers"].items():
        setattr(target, name, values.clone().to(target.device))
    target.control.target = state["control_target"].to(target.device)
    target.refresh()
    target._read()


def _roll(env, actions):
    """Observed frames (steps + 1, num_envs, 18)."""
    frames = [env.reading.frame.cpu()]
    frames += [env.step(action)[0]["obs"][:, :18].cpu() for action in actions]
    return torch.stack(frames)


@pytest.fixture(scope="module")
def actions():
    return 2.0 * torch.rand(STEPS, 50, 4, generator=torch.Generator().manual_seed(6)) - 1.0


@pytest.fixture(scope="module")
def warp():
    return _environment("warp")


def test_merged_scenes_move_as_their_own_models():
    """In plain MuJoCo: what a scene lacks of the merged model does not act on it."""
    env = _environment("mujoco")
    env.reset()
    groups = build_groups(env.sim.envs, env.sim.params, env.sim.ground)
    merged = merge(groups, env.sim.params)
    assert len(groups) == 30 and len(merged) == 1
    base = merged[0].base
    assert base.nv <= 1.1 * max(group.base.nv for group in groups)
    rng = np.random.default_rng(0)
    for own, place, handle in zip(merged[0].models, merged[0].places, merged[0].envs, strict=True):
        model = padded(base, own, place)
        model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_MIDPHASE)  # its trees were built for other sizes
        one, other = mujoco.MjData(own), mujoco.MjData(model)
        _, state = env.sim.inspect(handle.index)
        mocap = own.body_mocapid >= 0
        here, there = own.body_mocapid[mocap], base.body_mocapid[place.bodies[mocap]]
        for name, mine, theirs in (
            ("qpos", slice(None), place.qpos),
            ("mocap_pos", here, there),
            ("mocap_quat", here, there),
        ):
            getattr(one, name)[mine] = getattr(other, name)[theirs] = getattr(state, name)[mine]
        for step in range(60):
            if step % 20 == 0:
                one.ctrl[:] = 5.0 * rng.uniform(-1, 1, own.nu)
                other.ctrl[place.actuators] = one.ctrl
            mujoco.mj_step(own, one)
            mujoco.mj_step(model, other)
        np.testing.assert_allclose(other.qpos[place.qpos], one.qpos, atol=1e-8)
        assert other.ncon == one.ncon


def test_all_scenes_move_as_on_mujoco(warp, actions):
    mujoco_env = _environment("mujoco")
    for env in (mujoco_env, warp):
        env.reset()
    _copy_state(mujoco_env, warp)
    difference = (_roll(warp, actions) - _roll(mujoco_env, actions)).abs().amax(-1)
    assert difference[0].max() < 1e-5
    assert difference.median() < 1e-6
    assert difference[-1].max() < 1e-3, warp.task_names[int(difference[-1].argmax())]
    assert int(warp.sim.engine.overflow.sum()) == 0


def test_a_run_continues_bit_for_bit(warp, actions):
    warp.reset()
    _roll(warp, actions[:5])
    state = warp.get_env_state()
    first = [warp.step(action)[0]["obs"] for action in actions[5:9]]
    warp.reset()
    warp.set_env_state(state)
    again = [warp.step(action)[0]["obs"] for action in actions[5:9]]
    for one, other in zip(first, again, strict=True):
        _same(one, other)


def test_a_diverged_environment_is_reset_and_leaves_the_others_alone(warp, actions):
    warp.reset()
    state = warp.get_env_state()
    expected = [warp.step(action)[0]["obs"] for action in actions[:3]]
    warp.set_env_state(state)
    others = torch.arange(50) != 7
    for i, action in enumerate(actions[:3]):
        if i == 1:
            warp.sim.engine.qvel[warp.sim.layout.dof_qvel[warp.index.dofs[7, 0]]] = float("inf")
        obs, reward, done, extras = warp.step(action)
        assert int(extras["diverged"]) == (i == 1) and bool(done[7]) == (i == 1)
        assert torch.isfinite(obs["obs"]).all() and torch.isfinite(reward).all()
        _same(obs["obs"][others], expected[i][others])


def test_contacts_without_room_are_counted(actions):
    env = _environment("warp", task_id=["push", "bin_picking"], **{"task.sim.warp.constraints": 4})
    env.reset()
    crowded = [int(env.step(action)[3]["overflow"]) for action in actions]
    assert max(crowded) > 0
    assert int(env.sim.engine.peak[0, 1]) > 4


def test_no_step_waits_for_the_device(warp, actions):
    """Physics included: on the CPU by the operations that would wait on a GPU, there by PyTorch's own check."""
    warp.reset()
    masked, warp.masked = warp.masked, True
    try:
        for action in actions[:4]:
            warp.step(action)
        if DEVICE == "cpu":
            with no_waiting() as waits:
                warp.step(actions[4])
            assert not waits
        else:
            warp.step(action)
            torch.cuda.set_sync_debug_mode("error")
            warp.rl_device, before = warp.device, warp.rl_device
            warp.step(actions[4].to(warp.device, non_blocking=True))
            warp.rl_device = before
    finally:
        warp.masked = masked
        if DEVICE != "cpu":
            torch.cuda.set_sync_debug_mode("default")


def test_a_step_that_cannot_be_captured_runs_as_it_is(warp, actions, monkeypatch):
    warp.reset()
    state = warp.get_env_state()
    expected = [warp.step(action)[0]["obs"] for action in actions[:2]]
    warp.set_env_state(state)
    engine = warp.sim.engine

    def refuse(*args, **kwargs):
        raise RuntimeError("no graphs here")

    with monkeypatch.context() as patch:
        patch.setattr("warp.ScopedCapture", refuse)
        patch.setattr(engine, "_graphs", {})
        patch.setattr(engine, "not_captured", "")
        with pytest.warns(UserWarning, match="no graphs here"):
            first = warp.step(actions[0])[0]["obs"]
        assert engine.not_captured == "no graphs here"
        found = [first, warp.step(actions[1])[0]["obs"]]
    for worlds in engine._groups:
        assert not worlds.model.opt.graph_conditional
        worlds.model.opt.graph_conditional = True
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other, rtol=0.0, atol=max(EXACT, 1e-4))


def test_what_the_command_for_a_gpu_asks_of_a_divergence(warp):
    assert on_gpu_steps.diverged_alone({"device": DEVICE}, warp)


def test_a_jacobian_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="auto, dense or sparse"):
        _environment("warp", 1, task_id=["reach"], **{"task.sim.warp.jacobian": "thick"})


@pytest.mark.slow
def test_the_sparse_jacobian_moves_scenes_alike(warp, actions):
    """Another model structure, which compiles for a minute."""
    sparse = _environment("warp", **{"task.sim.warp.jacobian": "sparse"})
    assert sparse.sim.engine._groups[0].model.is_sparse and not warp.sim.engine._groups[0].model.is_sparse
    for env in (warp, sparse):
        env.reset()
    _copy_state(warp, sparse)
    assert (_roll(sparse, actions[:5]) - _roll(warp, actions[:5])).abs().max() < 1e-3


@pytest.mark.slow
def test_experts_succeed_as_often_as_on_mujoco():
    """All tasks, twenty episodes each (three minutes of one core)."""
    rates = {}
    for engine in ("mujoco", "warp"):
        env = _environment(engine, 1000, 0)
        trials = try_policy(env, expert_policy(env), 1)
        rates[engine] = np.array([trials[name].success_rate for name in env.task_names])
    difference = rates["warp"] - rates["mujoco"]
    assert abs(difference.mean()) <= 0.01
    assert np.abs(difference).max() <= 0.051, difference  # 5 percentage points: one episode of twenty
