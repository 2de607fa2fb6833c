"""The environments without rl-games: torch, gymnasium, and the code that README shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics

import isaacgymenvs_tasks
from isaacgymenvs_tasks.configuration import plain
from isaacgymenvs_tasks.gymnasium_env import GymnasiumVectorEnv
from isaacgymenvs_tasks.metaworld.env import MetaWorld
from isaacgymenvs_tasks.metaworld.experts import expert_policy, try_policy
from isaacgymenvs_tasks.metaworld.scenes import TASKS

ROOT = Path(__file__).parents[2]
MIX = {"task": "MT10", "num_envs": 6, "task_id": ["reach", 38, "window-open"], "task_counts": [3, 1, 2]}
SHORT = {"task.env.episodeLength": 5}


def test_make_takes_a_name_ids_and_counts() -> None:
    env = isaacgymenvs_tasks.make(**MIX, reward="sparse", seed=3)
    assert env.task_names == ["reach", "push", "window_open"]
    assert env.task_index.tolist() == [0, 0, 0, 1, 2, 2]
    with pytest.raises(RuntimeError, match="reset"):
        env.step(env.zero_actions())
    env.reset()
    obs, reward, done, extras = env.step(env.zero_actions())
    assert obs["obs"].shape == (6, 42) and not done.any() and reward.eq(0).all() and "time_outs" in extras


def test_make_takes_numbers_of_numpy_and_torch() -> None:
    """Counts and seeds come out of arrays: the environment is the one that Python's own numbers make."""
    numbers = {
        "num_envs": np.int64(6),
        "task_id": [np.str_("reach"), torch.tensor(38), np.str_("window-open")],
        "task_counts": np.array([3, 1, 2]),
        "seed": torch.tensor([3]),
        "headless": np.bool_(True),
        "task.env.episodeLength": np.array(5),
        "task.env.fixed": np.bool_(True),
        "task.env.resetNoise": np.float32(0.25),
        "task.sim.num_threads": np.array([1]),
    }
    named = {"task.env.episodeLength": 5, "task.env.fixed": True, "task.env.resetNoise": 0.25}
    env = isaacgymenvs_tasks.make("MT10", **numbers)  # type: ignore[arg-type]
    other = isaacgymenvs_tasks.make(**MIX, seed=3, **named, **{"task.sim.num_threads": 1})
    assert env.cfg == other.cfg and env.task_names == ["reach", "push", "window_open"]
    assert torch.equal(env.reset()["obs"], other.reset()["obs"])
    again = isaacgymenvs_tasks.make(dict(other.cfg), np.array([6]), np.uint8(3))  # type: ignore[arg-type]
    assert torch.equal(again.reset()["obs"], isaacgymenvs_tasks.make(dict(other.cfg), 6, 3).reset()["obs"])


@pytest.mark.parametrize(
    ("value", "one", "expected"),
    [
        (np.array([4]), True, 4),
        (np.array([[4]]), True, 4),
        (torch.tensor([4]), False, [4]),
        (np.array([4, 5]), True, [4, 5]),
        ([np.int8(4), torch.tensor([5]), "a"], False, [4, 5, "a"]),
        ({"a": (np.bool_(True), np.array(2.5))}, True, {"a": [True, 2.5]}),
        ("reach", True, "reach"),
        (None, True, None),
    ],
)
def test_settings_are_plain_data(value: object, one: bool, expected: object) -> None:
    result = plain(value, one)
    assert result == expected and repr(result) == repr(expected)  # the same types, too


def test_meta_worlds_own_shaping_is_a_choice() -> None:
    mix = {"task": "MT10", "num_envs": 2, "task_id": ["push", "pick_place"], "seed": 3}
    ours, theirs = isaacgymenvs_tasks.make(**mix), isaacgymenvs_tasks.make(**mix, reward="v2_metaworld")
    paid = []
    for env in (ours, theirs):
        env.reset()
        for _ in range(10):
            _, reward, _, _ = env.step(env.zero_actions())
        paid.append(reward)
    assert paid[0][0] == paid[1][0] and paid[0][1] > paid[1][1] + 0.05


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"task": "MT11"}, "no task=MT11"),
        ({"task": "MT1"}, "task_name="),
        ({"task": "MT10", "task_ids": [1]}, "did you mean 'task_id'"),
        ({"task": "MT10", "task_id": ["reahc"]}, "did you mean 'reach'"),
        ({"task": "MT10", "task_counts": [1, 2]}, "10 tasks"),
        ({"task": "MT10", "num_envs": 9}, "10 tasks need"),
        ({"task": "MT10", "num_envs": np.array([10, 10])}, "whole number"),
        ({"task": "MT10", "num_envs": np.float64(10.5)}, "whole number"),
        ({"task": "MT10", "num_envs": np.bool_(True)}, "whole number"),
        ({"task": "MT10", "seed": np.float64(0.5)}, "seed is 0.5"),
        ({"task": "MT10", "task_counts": np.ones(10)}, "whole number of at least 1 for each of the 10"),
        ({"task": "MT10", "reward": "v4"}, "v2, v2_metaworld, v1 or sparse"),
    ],
)
def test_mistakes_are_one_sentence(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("[", r"\[")):
        isaacgymenvs_tasks.make(**{"num_envs": 10, **arguments})  # type: ignore[arg-type]


def test_gymnasium_shows_what_the_torch_environment_shows() -> None:
    plain = isaacgymenvs_tasks.make(**MIX, seed=3, **SHORT, **{"task.env.randomInitialProgress": False})
    envs = GymnasiumVectorEnv(**MIX, seed=3, **SHORT)
    assert isinstance(envs, VectorEnv) and envs.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    assert envs.observation_space.shape == (6, 42) and envs.single_action_space.shape == (4,)
    first, infos = envs.reset()
    assert np.array_equal(first, plain.reset()["obs"].numpy())
    assert infos["task"].tolist() == ["reach"] * 3 + ["push"] + ["window_open"] * 2
    envs.action_space.seed(0)
    for step in range(1, 12):
        actions = envs.action_space.sample()
        obs, reward, terminated, truncated, infos = envs.step(actions)
        expected, expected_reward, _, extras = plain.step(torch.from_numpy(actions))
        assert obs in envs.observation_space and np.array_equal(obs, expected["obs"].numpy())
        assert np.array_equal(reward, expected_reward.numpy()) and not terminated.any()
        assert truncated.all() == (step % 5 == 0) and ("final_obs" in infos) == (step % 5 == 0)
        if "final_obs" in infos:
            assert np.array_equal(infos["final_obs"], extras["final_obs"].numpy()) and infos["_final_obs"].all()
    envs.close()


def test_gymnasium_seeds_and_wrappers() -> None:
    envs = RecordEpisodeStatistics(GymnasiumVectorEnv(**MIX, **SHORT))
    one, two, other = (envs.reset(seed=seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(one, two) and not np.array_equal(one, other)
    for _ in range(5):
        *_, infos = envs.step(np.zeros((6, 4), np.float32))
    assert (infos["episode"]["l"] == 5).all()
    with pytest.raises(ValueError, match="one seed"):
        envs.env.reset(seed=[1, 2, 3, 4, 5, 6])


BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS, ids=[block.splitlines()[0][:40] for block in BLOCKS])
def test_readme_code_runs(code: str) -> None:
    exec(compile(code, "README.md", "exec"), {})


def test_the_documented_task_is_solved() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "adding_a_task.md").read_text(), re.DOTALL)
    module: dict[str, Any] = {}
    exec(compile(code, "lift.py", "exec"), module)
    spec = module["LIFT"]
    assert spec.task_id not in [other.task_id for other in TASKS.values()]
    env_cfg = {"tasks": ["lift"], "numEnvs": 20, "episodeLength": 150, "randomInitialProgress": False}
    env = MetaWorld({"seed": 0, "env": env_cfg}, registry={"lift": spec})
    trial = try_policy(env, expert_policy(env), 1)["lift"]
    assert trial.success_rate >= 0.95 and trial.rising >= 0.95
