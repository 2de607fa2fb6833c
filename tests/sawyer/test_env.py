"""The official environments as a learner meets them."""

from __future__ import annotations

import importlib.metadata
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import isaacgymenvs_tasks
from isaacgymenvs_tasks import configure
from isaacgymenvs_tasks.configuration import CFG
from isaacgymenvs_tasks.multi_task import FRAME
from isaacgymenvs_tasks.sawyer import wheel
from isaacgymenvs_tasks.sawyer.env import OfficialMetaWorld
from isaacgymenvs_tasks.sawyer.tasks import TASKS
from tests.sawyer.recording import episode, recording

Make = Callable[..., OfficialMetaWorld]
FEW = ["reach", "push", "drawer_open"]
MT10 = list(configure("MetaWorldMT10", num_envs=10).env.tasks)


def random_actions(env: OfficialMetaWorld, seed: int) -> torch.Tensor:
    return 2.0 * torch.rand((env.num_envs, 4), generator=torch.Generator().manual_seed(seed)) - 1.0


def run(env: OfficialMetaWorld, steps: int, seed: int = 0) -> list[Any]:
    """Observations, rewards, ends and last observations of each step."""
    out = []
    for i in range(steps):
        obs, reward, done, extras = env.step(random_actions(env, 1000 * seed + i))
        out += [obs["obs"], reward, done, extras["final_obs"], env.success_buf.clone()]
    return out


def test_observations(make: Make) -> None:
    """39 numbers and the one-hot, hand first, goal last; the step before follows the present one."""
    env = make(FEW, 6)
    first = env.reset()["obs"]
    assert first.shape == (6, 39 + 3) and env.observation_space.shape == (42,)
    assert env.task_names == FEW and env.task_index.tolist() == [0, 0, 1, 1, 2, 2]
    torch.testing.assert_close(first[:, :FRAME], first[:, FRAME : 2 * FRAME])
    assert first[:, 39:].argmax(1).tolist() == env.task_index.tolist()
    second = env.step(torch.zeros(6, 4))[0]["obs"]
    torch.testing.assert_close(second[:, FRAME : 2 * FRAME], first[:, :FRAME])
    for k, name in enumerate(FEW):  # environments 0 and 1 of a task are at its goals 0 and 1
        told = recording(name)
        np.testing.assert_allclose(first[2 * k : 2 * k + 2, 36:39], told.goal, atol=2e-4)
        np.testing.assert_allclose(first[2 * k : 2 * k + 2, :FRAME], told.first_frame, atol=6e-4)


def follow_recording(make: Make, names: list[str]) -> np.ndarray:
    """How far observations are from the recorded ones, (tasks, 3), while recorded random actions are repeated."""
    env = make(names, 2 * len(names))
    env.reset()
    episodes = [episode(name) for name in names]
    actions = torch.from_numpy(np.stack([np.repeat(e.action[None], 2, 0) for e in episodes])).flatten(0, 1)
    apart = []
    for t in range(actions.shape[1]):
        obs = env.step(actions[:, t])[0]["obs"].numpy()
        if t + 1 in episodes[0].after:
            told = np.stack([e.frame[len(apart)] for e in episodes])
            apart.append(np.abs(obs[1::2, :FRAME] - told).max(1))
    return np.stack(apart, 1)


def test_random_actions_lead_where_they_led_the_package(make: Make) -> None:
    """A hundred steps on MT10, open loop; see test_parity for why not closer."""
    apart = follow_recording(make, MT10)
    assert (apart[:, 0] < 1e-3).all() and (apart[:, 1] < 2e-3).all()
    assert np.median(apart[:, 2]) < 5e-4 and (apart[:, 2] < 5e-3).all(), dict(zip(MT10, apart[:, 2], strict=True))


@pytest.mark.slow
def test_random_actions_on_all_tasks(make: Make) -> None:
    apart = follow_recording(make, list(TASKS))
    assert np.median(apart[:, 2]) < 1e-3
    assert (apart[:, 2] < 2e-2).mean() >= 0.9, dict(zip(TASKS, apart[:, 2], strict=True))


def test_episodes_end_after_500_steps_and_begin_anew(make: Make) -> None:
    env = make(["reach"], 2, **{"task.env.episodeLength": 4})
    assert configure("MetaWorldMT10", num_envs=10).env.episodeLength == 500
    env.reset()
    starts = {int(goal): env.obs_buf[int(goal), :39].clone() for goal in env.goal_index}
    for _ in range(3):
        assert not env.step(random_actions(env, 0))[2].any()
    obs, _, done, extras = env.step(random_actions(env, 0))
    assert done.all() and extras["time_outs"].all() and extras["episode"]["length"].tolist() == [4, 4]
    assert (extras["final_obs"][:, :3] - obs["obs"][:, :3]).abs().max() > 1e-3
    for row, goal in enumerate(env.goal_index):
        torch.testing.assert_close(obs["obs"][row, :39], starts[int(goal)], rtol=0.0, atol=0.0)


def test_a_start_depends_on_the_goal_alone(make: Make) -> None:
    """The same actions lead to the same places, whatever episode went before."""
    env = make(["push", "drawer_open"], 4, **{"task.env.fixed": True})
    env.reset()
    first = [env.step(random_actions(env, i))[0]["obs"] for i in range(5)][-1]
    run(env, 7, seed=3)
    env.reset()
    again = [env.step(random_actions(env, i))[0]["obs"] for i in range(5)][-1]
    torch.testing.assert_close(again, first, rtol=0.0, atol=1e-6)


def test_resuming_is_exact(make: Make) -> None:
    names = ["bin_picking", "push", "door_open"]
    settings = {"task.env.episodeLength": 9, "task.env.randomInitialProgress": True}
    env = make(names, 6, seed=5, **settings)
    env.reset()
    run(env, 6)
    state = env.get_env_state()
    expected = run(env, 8, seed=1)
    other = make(names, 6, seed=6, **settings)
    other.set_env_state(state)
    torch.testing.assert_close(other.obs_buf, state["buffers"]["obs_buf"])
    for value, was in zip(run(other, 8, seed=1), expected, strict=True):
        assert torch.equal(value, was)


def test_the_state_can_be_saved_as_tensors(make: Make, tmp_path: Any) -> None:
    env = make(["reach"], 2)
    env.reset()
    torch.save(env.get_env_state(), tmp_path / "state.pth")
    state = torch.load(tmp_path / "state.pth", weights_only=True)
    env.set_env_state(state)


def test_sharing_starts(make: Make) -> None:
    env = make(["push", "reach"], 4)
    env.reset()
    obs = env.share_starts(torch.tensor([1, 1, 2, 2]))["obs"]
    torch.testing.assert_close(obs[0], obs[1])
    torch.testing.assert_close(obs[2], obs[3])
    assert env.goal_index.tolist() == [1, 1, 0, 0]
    with pytest.raises(ValueError, match="another task"):
        env.share_starts(torch.tensor([2, 1, 2, 3]))


def test_the_hand_follows_the_action_and_stays_in_its_box(make: Make) -> None:
    env = make(["reach"], 2)
    before = env.reset()["obs"][:, :3]
    up = torch.tensor([[0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 0.0, -1.0]])
    for _ in range(60):
        obs = env.step(up)[0]["obs"]
    moved = obs[:, :3] - before
    assert 0.25 < moved[0, 2] < 0.31 and moved[0, :2].abs().max() < 0.02  # the box ends at 0.5 m
    assert 0.4 < moved[1, 0] < 0.5
    assert obs[0, 3] < obs[1, 3]  # positive closes


def test_divergence_ends_one_episode(make: Make) -> None:
    env = make(["push"], 2)
    env.reset()
    env.physics.engine.qvel[0] = torch.nan
    env.physics.engine.mark(torch.tensor([0]))
    _, reward, done, extras = env.step(torch.zeros(2, 4))
    assert done.tolist() == [True, False] and reward[0] == 0.0 and extras["diverged"] == 1
    obs, _, done, extras = env.step(torch.zeros(2, 4))
    assert not done.any() and torch.isfinite(obs["obs"]).all() and extras["diverged"] == 0


def test_rewards_of_all_kinds(make: Make) -> None:
    dense = make(["reach"], 2)
    dense.reset()
    reward = dense.step(torch.zeros(2, 4))[1]
    assert ((reward > 0.0) & (reward < 10.0)).all()
    first = make(["reach"], 2, reward="v1")
    first.reset()
    assert (first.step(torch.zeros(2, 4))[1] >= 0.0).all()
    sparse = make(["reach"], 2, reward="sparse")
    sparse.reset()
    assert sparse.step(torch.zeros(2, 4))[1].tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="must be v2, v1 or sparse"):
        make(["reach"], 2, reward="v2_metaworld")


def test_v1_names_what_cannot_succeed(make: Make) -> None:
    with pytest.warns(UserWarning, match="stick_push"):
        make(["stick_push", "reach"], 2, reward="v1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(["reach"], 1, reward="v1")
        make(["stick_push"], 1)


def test_success_can_end_an_episode(make: Make) -> None:
    """The hand goes straight to the goal of reach."""
    env = make(["reach"], 2, **{"task.env.terminateOnSuccess": True})
    env.reset()
    for _ in range(100):
        away = torch.cat((20.0 * (env.goal - env.frame[:, :3] + torch.tensor([0.0, 0.0, 0.045])), torch.zeros(2, 1)), 1)
        _, _, done, extras = env.step(away)
        if done.any():
            break
    assert done.any() and not extras["time_outs"].any() and extras["episode"]["success"].all()


def test_any_mix_with_counts() -> None:
    node = configure("MetaWorldMT50", task_id=["pick-place-v3", 5, "reach"], task_counts=[3, 1, 2])
    assert list(node.env.tasks) == ["pick_place", "button_press_topdown_wall", "reach"]
    assert node.env.numEnvs == 6
    assert configure("MetaWorldMT1", task_name="door-lock").name == "MetaWorldMT1_door_lock"
    for theirs in ("sweep-into", "sweep_into_goal"):
        assert list(configure("MetaWorldMT50", num_envs=2, task_id=[theirs]).env.tasks) == ["sweep_into"]
        assert list(configure("MT50", num_envs=2, task_id=[theirs]).env.tasks) == ["sweep_into_goal"]
    with pytest.raises(ValueError, match="did you mean 'pick_place'"):
        configure("MetaWorldMT50", task_id=["pick-plase"])
    for name, count in (("MetaWorldMT10", 10), ("MetaWorldMT25", 25), ("MetaWorldMT50", 50)):
        tasks = list(configure(name, num_envs=50).env.tasks)
        assert len(set(tasks)) == count and set(tasks) <= set(TASKS)
    assert (CFG / "task" / "MetaWorldMT10.yaml").is_file()


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence with the command, whether it is missing or too old."""

    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    class Old:
        version = "2.0.0"

    monkeypatch.setattr(wheel, "distribution", missing)
    wheel.load.cache_clear()
    with pytest.raises(ValueError, match="not installed: make official"):
        isaacgymenvs_tasks.make("MetaWorldMT10", 10)
    monkeypatch.setattr(wheel, "distribution", lambda name: Old())
    with pytest.raises(ValueError, match=r"2\.0\.0 is installed: make official"):
        isaacgymenvs_tasks.make("MetaWorldMT10", 10)
