"""The official environments on MuJoCo Warp, and their steps without waiting for a device: resets by mask, recorded parts.

On Warp's CPU device, or on the one that MTBENCH_TEST_DEVICE names.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np
import pytest
import torch

from isaacgymenvs_tasks.recording import Recorder
from isaacgymenvs_tasks.sawyer.env import OfficialMetaWorld
from isaacgymenvs_tasks.vec_task import Rows
from tests.metaworld.graph_emulation import EmulatedGraph, no_waiting, random_actions, roll

Make = Callable[..., OfficialMetaWorld]
DEVICE = os.environ.get("MTBENCH_TEST_DEVICE", "cpu")
WARP = {"physics_engine": "warp", "sim_device": DEVICE}
TASK = ["button_press"]  # a body without joints, with geoms that collide, stands elsewhere at each goal
MIXED = ["push", "drawer_open", "stick_push"]  # the last one reads sensors
SHORT = {"task.env.episodeLength": 7, "task.env.randomInitialProgress": True}


def masked(make: Make, recorder: Recorder | None = None, **settings: Any) -> OfficialMetaWorld:
    env = make(MIXED, 6, seed=3, **SHORT, **settings)
    env.masked, env._recorder = True, recorder
    return env


def test_warp_moves_as_mujoco(make: Make) -> None:
    """Twenty control steps from the same starts: the hand among the buttons."""
    cpu, warp = make(TASK, 2), make(TASK, 2, **WARP)
    torch.testing.assert_close(warp.reset()["obs"], cpu.reset()["obs"])
    for action in random_actions(cpu, 20):
        (expected, reward, *_), (obs, other, _, extras) = cpu.step(action), warp.step(action)
        torch.testing.assert_close(obs["obs"], expected["obs"], rtol=0.0, atol=1e-4)
        torch.testing.assert_close(other, reward, rtol=0.0, atol=1e-3)
        assert extras["overflow"] == 0 and extras["diverged"] == 0


def test_geoms_stand_with_the_bodies_that_a_goal_moves(make: Make) -> None:
    """MuJoCo Warp places geoms that hang on the world when its data is made, and never again."""
    env = make(TASK, 2, **WARP)
    env.reset()
    for source in ([0, 1], [1, 0]):
        env.share_starts(torch.tensor(source))
        shown = env.physics.engine._groups[0].data.geom_xpos.numpy()
        places = []
        for i in range(2):
            model, data = env.physics.inspect(i)
            mujoco.mj_forward(model, data)
            np.testing.assert_allclose(shown[i], data.geom_xpos, atol=1e-5)
            places.append(data.geom_xpos.copy())
        assert np.abs(places[0] - places[1]).max() > 1e-3


def test_a_start_forgets_what_was_before(make: Make) -> None:
    """Also where it is stepped at once: MuJoCo Warp's welds read velocities that a stage before left."""
    used, fresh = (make(TASK, 2, **WARP) for _ in range(2))
    roll(used, 3)
    for env in (used, fresh):
        env._begin(Rows(env._all), torch.tensor([0, 1], device=env.device))
        env.physics.ctrl.zero_()
        env.physics.engine.warmstart.zero_()
        env.physics.step()
    torch.testing.assert_close(used.physics.qpos, fresh.physics.qpos, rtol=0.0, atol=0.0 if DEVICE == "cpu" else 1e-5)


def test_warp_resumes_exactly(make: Make) -> None:
    env = make(TASK, 2, **WARP)
    env.reset()
    for action in random_actions(env, 4):
        env.step(action)
    state = env.get_env_state()
    expected = [env.step(action)[0]["obs"] for action in random_actions(env, 4)]
    other = make(TASK, 2, seed=9, **WARP)
    other.set_env_state(state)
    for action, obs in zip(random_actions(other, 4), expected, strict=True):
        torch.testing.assert_close(other.step(action)[0]["obs"], obs, rtol=0.0, atol=0.0 if DEVICE == "cpu" else 1e-3)


def test_replayed_steps_equal_eager_ones(make: Make) -> None:
    recorder = Recorder(EmulatedGraph)
    eager, replayed = roll(masked(make), 20), roll(masked(make, recorder), 20)
    assert not recorder.failed and set(recorder._graphs) == {"_act", "_judge", "_restart", "_observe"}
    for one, other in zip(eager, replayed, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("reward", ["v2", "v1", "sparse"])
@pytest.mark.filterwarnings("ignore:under V1")
def test_no_part_of_a_step_waits(make: Make, reward: str) -> None:
    env = masked(make, reward=reward)
    env.reset()
    env.step(torch.zeros(6, 4))
    with no_waiting() as waits:
        for part in (env._act, env._judge, env._restart):
            part()
    env.simulator.settle()
    with no_waiting() as more:
        env._observe()
    assert not waits + more


def test_resets_by_mask_touch_only_those_that_ended(make: Make) -> None:
    env = masked(make)
    env.reset()
    for action in random_actions(env, 3):
        env.step(action)
    ended = torch.tensor([True, False, False, True, False, False])
    goals, qpos, started = env.goal_index.clone(), env.physics.qpos.clone(), env.physics.xpos.clone()
    env.goal_index[ended] = 1 - goals[ended]
    env.fixed, env._done = True, ended
    env.reset_done()
    assert torch.equal(env.goal_index, torch.where(ended, 1 - goals, goals))
    own = env.physics._qpos_rows[~ended]
    assert torch.equal(env.physics.qpos[own], qpos[own])
    moved = (env.physics.xpos - started).abs().amax(1).view(-1) > 1e-6
    count = [model.nbody for model in env.models for _ in range(2)]
    by_env = torch.stack([part.any() for part in moved.split(count)])
    assert torch.equal(by_env, ended)


def test_isaac_gym_has_no_official_tasks(make: Make) -> None:
    with pytest.raises(ValueError, match="physics_engine=mujoco or warp"):
        make(["reach"], 2, **{"task.sim.engine": "isaacgym"})
