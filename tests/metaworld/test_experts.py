"""Scripted policies on the real environment: ten resets a task."""

from __future__ import annotations

from statistics import mean

import pytest
import torch

from isaacgymenvs_tasks.metaworld import experts
from isaacgymenvs_tasks.metaworld.scenes import TASKS

EPISODES = 10


@pytest.fixture(scope="module")
def env():
    torch.set_num_threads(1)
    return experts.make_env(list(TASKS), EPISODES * len(TASKS), seed=7)


@pytest.fixture(scope="module")
def trials(env) -> dict[str, experts.Trial]:
    return experts.try_policy(env, rounds=1)


@pytest.fixture(scope="module")
def random_trials(env, trials) -> dict[str, experts.Trial]:
    return experts.try_policy(env, rounds=1, random=True)


@pytest.mark.parametrize("name", TASKS)
def test_expert_succeeds(name: str, trials: dict[str, experts.Trial]) -> None:
    assert len(trials[name].successes) == EPISODES
    assert sum(trials[name].successes) >= EPISODES - 1


@pytest.mark.parametrize("name", TASKS)
def test_expert_beats_random_actions(
    name: str, trials: dict[str, experts.Trial], random_trials: dict[str, experts.Trial]
) -> None:
    median = sorted(trials[name].returns)[EPISODES // 2]
    assert median > max(random_trials[name].returns)


@pytest.mark.parametrize("name", TASKS)
def test_reward_rises_along_the_way(name: str, trials: dict[str, experts.Trial]) -> None:
    """The last quarter before success pays more than the first."""
    trial = trials[name]
    rising = [late > early for early, late in zip(trial.early, trial.late, strict=True)]
    assert mean(trial.late) > mean(trial.early) and mean(rising) >= 0.9


@pytest.mark.parametrize("argument", ["episodes", "tasks=reach,pusch", "task=MT11", "colour=red"])
def test_command_line_says_what_is_wrong(argument: str) -> None:
    with pytest.raises(SystemExit) as failure:
        experts.main([argument])
    assert argument.split("=")[-1].split(",")[-1] in str(failure.value)
