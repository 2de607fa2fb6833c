"""The environments with other libraries: the page's examples, and what the adapters promise."""

from __future__ import annotations

import re

import gymnasium
import numpy as np
import pytest
import torch

import isaacgymenvs_tasks
from mtbench.gymnasium_ids import TASK_SETS
from mtbench.resources import CFG

PAGE = (CFG.parent / "docs" / "other_libraries.md").read_text()
SECTIONS = re.findall(r"^## (.+?)\n.*?```python\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
LIBRARIES = {"rsl_rl": "rsl_rl", "Stable-Baselines3": "stable_baselines3"}
MIX = {"task": "MT10", "num_envs": 3, "task_id": ["reach", "push"], "task_counts": [2, 1], "seed": 3}
SHORT = {"task.env.episodeLength": 4, "task.env.randomInitialProgress": False}


@pytest.mark.parametrize(("section", "code"), SECTIONS, ids=[name for name, _ in SECTIONS])
def test_the_pages_examples_run(section: str, code: str) -> None:
    if section in LIBRARIES:
        pytest.importorskip(LIBRARIES[section], reason="of the extra mtbench-robotics[test]")
    exec(compile(code, f"{section} of other_libraries.md", "exec"), {})


def test_every_task_set_has_an_id() -> None:
    files = {path.stem for path in (CFG / "task").glob("*.yaml") if not path.stem[0].islower()}
    assert files == set(TASK_SETS)
    assert {f"mtbench/{name}-v1" for name in TASK_SETS} <= set(gymnasium.registry)
    with pytest.raises(ValueError, match="task_name="):
        gymnasium.make_vec("mtbench/MT1-v1", num_envs=2)


def test_rsl_rl_sees_what_the_torch_environment_shows() -> None:
    pytest.importorskip("rsl_rl", reason="of the extra mtbench-robotics[test]")
    from mtbench.learning.rsl_rl_env import RslRlVecEnv

    plain, env = isaacgymenvs_tasks.make(**MIX, **SHORT), RslRlVecEnv(**MIX, **SHORT)
    assert torch.equal(env.get_observations()["policy"], plain.reset()["obs"])
    actions = torch.rand(5, 3, 4) * 3.0 - 1.5
    for step, action in enumerate(actions, 1):
        with torch.inference_mode():  # as the runner does
            obs, rewards, dones, extras = env.step(action)
        expected, expected_rewards, _, expected_extras = plain.step(action)
        assert torch.equal(obs["policy"], expected["obs"]) and torch.equal(rewards, expected_rewards)
        assert dones.tolist() == [step == 4] * 3 and torch.equal(extras["time_outs"], expected_extras["time_outs"])
        assert bool(extras["log"]["Episode/success"].isnan()) == (step < 4)
    env.episode_length_buf = torch.tensor([0, 3, 1])
    assert env.step(actions[0])[2].tolist() == [0, 1, 0]
    env.env.reset()  # outside of the runner's inference mode


def test_stable_baselines_gets_last_observations_and_success() -> None:
    pytest.importorskip("stable_baselines3", reason="of the extra mtbench-robotics[test]")
    from mtbench.learning.stable_baselines_env import StableBaselinesVecEnv

    plain, env = isaacgymenvs_tasks.make(**MIX, **SHORT), StableBaselinesVecEnv(**MIX, **SHORT)
    assert np.array_equal(env.reset(), plain.reset()["obs"].numpy())
    for step in range(1, 5):
        obs, rewards, done, infos = env.step(np.ones((3, 4), np.float32))
        expected, expected_rewards, _, extras = plain.step(torch.ones(3, 4))
        assert np.array_equal(obs, expected["obs"].numpy()) and np.array_equal(rewards, expected_rewards.numpy())
        assert done.tolist() == [step == 4] * 3 and [info["task"] for info in infos] == ["reach", "reach", "push"]
    for info, last in zip(infos, extras["final_obs"].numpy(), strict=True):
        assert np.array_equal(info["terminal_observation"], last)
        assert info["TimeLimit.truncated"] and info["is_success"] == 0.0
    env.seed(7)
    one = env.reset()
    env.seed(7)
    assert np.array_equal(one, env.reset())
    env.close()
