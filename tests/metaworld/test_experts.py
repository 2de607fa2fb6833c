"""Scripted policies, random actions and doing nothing on the real environment: ten resets a task."""

from __future__ import annotations

import pytest
import torch

from isaacgymenvs_tasks.metaworld import experts
from isaacgymenvs_tasks.metaworld.scenes import TASKS
from mtbench.commands.experts import main

EPISODES = 10


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, float]]:
    torch.set_num_threads(1)
    return {row["task"]: row for row in experts.compare(list(TASKS), EPISODES, seed=7)}


@pytest.mark.parametrize("name", TASKS)
def test_expert_succeeds(name: str, rows: dict[str, dict[str, float]]) -> None:
    assert rows[name]["episodes"] == EPISODES
    assert rows[name]["success"] >= 0.8


@pytest.mark.parametrize("name", TASKS)
def test_expert_beats_random_actions(name: str, rows: dict[str, dict[str, float]]) -> None:
    assert rows[name]["return"] > rows[name]["random_95"]


@pytest.mark.parametrize("name", TASKS)
def test_luck_and_doing_nothing_do_not_solve_it(name: str, rows: dict[str, dict[str, float]]) -> None:
    assert rows[name]["random_success"] <= 0.1 and rows[name]["idle_success"] <= 0.1


@pytest.mark.parametrize("name", TASKS)
def test_reward_rises_in_every_quarter_of_the_way(name: str, rows: dict[str, dict[str, float]]) -> None:
    """What MTBench's shaping fails: its terms vanish where hand and object are right."""
    assert rows[name]["rising"] >= 0.9


@pytest.mark.parametrize("argument", ["episodes", "tasks=reach,pusch", "task=MT11", "colour=red"])
def test_command_line_says_what_is_wrong(argument: str) -> None:
    with pytest.raises(SystemExit) as failure:
        main([argument])
    assert argument.split("=")[-1].split(",")[-1] in str(failure.value)
