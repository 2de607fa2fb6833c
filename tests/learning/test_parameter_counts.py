"""Parameter counts against those of MTBench's repository and of the TOPPO paper."""

import pytest

from mtbench.commands.count import ROWS, SAC_ROWS, TASK_SETS, Row, count, count_sac, line
from mtbench.commands.launch import CFG

PAGE = (CFG.parent / "docs" / "parameter_counts.md").read_text()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name.strip())
def test_parameters_are_theirs_up_to_the_explained_difference(row: Row) -> None:
    for num_tasks, theirs in zip(TASK_SETS, row.theirs, strict=True):
        difference = row.difference(num_tasks) if row.difference else 0
        assert count(row.overrides, num_tasks) == theirs + difference
    assert line(row) in PAGE, "docs/parameter_counts.md has another number"


@pytest.mark.parametrize(
    ("overrides", "num_tasks", "parameters"),
    [
        (["train=TOPPO"], 10, 684_865),
        (["train=TOPPO"], 50, 717_105),
        (["network=multihead"], 10, 111_158 + 36),
        (["network=multihead"], 50, 144_638 + 196),
        (["network=moore"], 10, 2_703_627 + 36),
        (["network=paco"], 50, 13_514_300),
        (["network=care"], 10, 2_014_797),
    ],
)
def test_counts_as_numbers(overrides: list[str], num_tasks: int, parameters: int) -> None:
    assert count(overrides, num_tasks) == parameters


@pytest.mark.parametrize(("name", "network", "settings", "thousands"), SAC_ROWS, ids=lambda value: str(value)[:8])
def test_sac_agents_of_these_architectures_have_the_sizes_of_table_b2(
    name: str, network: str, settings: dict[str, object], thousands: tuple[int, int]
) -> None:
    for num_tasks, theirs in zip(TASK_SETS, thousands, strict=True):
        assert abs(count_sac(network, settings, num_tasks) - 1000 * theirs) <= 520, f"{name} beyond rounding"
