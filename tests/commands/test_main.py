"""The command ``mtbench``, and the old names of its parts."""

from __future__ import annotations

import importlib
import runpy
import sys
from pathlib import Path

import pytest

import mtbench
from mtbench.commands import benchmark
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
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mtbench", *arguments])
    assert main() == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and words in error and error.count("\n") == 1


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
        ("mtbench.evaluation.watch", "unknown setting 'x'"),
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
