"""The command ``mtbench``, and the old names of its parts."""

from __future__ import annotations

import errno
import importlib
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import mtbench
from mtbench.commands import benchmark
from mtbench.commands.command_line import run_command
from mtbench.commands.main import COMMANDS, main
from mtbench.learning.errors import UserError


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in COMMANDS)
    assert main(["--version"]) == 0 and capsys.readouterr().out.strip() == mtbench.__version__


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_exists_and_says_what_it_takes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = COMMANDS[name]
    assert callable(getattr(importlib.import_module(command.module), command.function))
    assert main([name, "--help"]) == 0
    assert f"mtbench {name}" in capsys.readouterr().out


def test_an_unknown_command_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: there is no command 'trian' (nearest: train)\n") and "render" in error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "task=MT11"], "no task=MT11"),
        (["eval", "task=MT10"], "test=True needs a policy"),
        (["watch"], "checkpoint="),
        (["report"], "name the runs"),
        (["diagnose"], "say what to diagnose"),
        (["count", "x=1"], "takes no settings"),
        (["benchmark", "thruput"], "nearest: throughput"),
        (["report", "x", "out="], "needs the name of a folder"),
        (["diagnose", "checkpoint=assets/mt10/nn/policy.pth", "out=/dev/null/x"], "out=/dev/null/x cannot be written"),
        (["experts", "tasks=reach", "out=/dev/null/x.csv"], "out=/dev/null/x.csv cannot be written"),
        (["experts", "task=MetaWorldMT10"], "no scripted experts of ours"),
        (["render", "task=MetaWorldMT10"], "no scripted experts of ours"),
        (["render", "tasks=reach", "seed=4294967296"], "seed=4294967296 must be a whole number from 0 to 4294967295"),
        (["walking", "checkpoint=x", "seconds=nan"], "seconds=nan must be a whole number"),
        (["walking", "checkpoint=x", "seconds=8", "out=x.png"], "there must be at least 9"),
        (["walking", "checkpoint=assets/mt10/nn/policy.pth"], "not of one Parkour task"),
        (["walking", "checkpoint=assets/go1/walking.pth", "keep=/dev/null/x.pth"], "keep=/dev/null/x.pth cannot be"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mtbench", *arguments])
    assert main() == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and words in error and error.count("\n") == 1


def test_a_disk_that_is_full_is_told_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(arguments: Sequence[str]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "there/it.png")

    assert run_command(fail, []) == 2
    assert capsys.readouterr().err == "error: there/it.png cannot be read or written: No space left on device\n"


def test_benchmarks_are_of_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["benchmark"]) == 0 and "throughput" in capsys.readouterr().out
    monkeypatch.setattr(benchmark, "BENCHMARKS", tmp_path)
    with pytest.raises(UserError, match="clone"):
        benchmark.main([])


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("mtbench.evaluation.report", "there is no setting 'x'"),
        ("mtbench.evaluation.watch", "cannot read 'x"),
        ("mtbench.learning.diagnose", "cannot read 'x=1'"),
        ("mtbench.learning.networks.count", "takes no settings"),
        ("isaacgymenvs_tasks.metaworld.experts", "cannot read 'x=1'"),
        ("isaacgymenvs_tasks.metaworld.render", "cannot read 'x=1'"),
        ("isaacgymenvs_tasks.parkour.walking", "cannot read 'x=1'"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_old_names_still_run(
    module: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [module, "x=1"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module(module, run_name="__main__")
    assert end.value.code not in (0, None)
    assert words in f"{end.value.code}{capsys.readouterr().err}"
