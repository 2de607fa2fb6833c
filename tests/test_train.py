"""train.py as a new user runs it: one command trains, evaluates, resumes; mistakes end in one sentence."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mtbench.commands.command_line import run_application
from mtbench.commands.launch import CFG, launch

ROOT = Path(__file__).resolve().parents[1]
TOY = [
    "task=metaworld",
    "task.factory=tests.learning.toy_env:make",
    "task.env.tasks=[near,far]",
    "task.env.episodeLength=10",
    "sim_device=cpu",
    "rl_device=cpu",
    "num_envs=16",
    "schedule.horizon_length=8",
    "actor.units=[16]",
    "critic.units=[16]",
    "eval_goals=3",
]


def train(directory: Path, *overrides: str, flags: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run train.py in ``directory``, where it puts runs/; ``flags``: of Python."""
    command = [sys.executable, *flags, str(ROOT / "train.py"), *overrides]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=120)


def train_here(directory: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    """The same in this process, without the seconds in which one starts."""
    out, error = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        patch.chdir(directory)
        patch.syspath_prepend(ROOT)
        patch.setattr(sys, "argv", ["train.py", *overrides])
        code = run_application(launch, CFG)
    return subprocess.CompletedProcess(overrides, code, out.getvalue(), error.getvalue())


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A short run: its working directory and its output, stderr with a line for every module that was imported."""
    directory = tmp_path_factory.mktemp("user")
    return directory, train(directory, *TOY, "max_iterations=2", "experiment=first", flags=["-X", "importtime"])


@pytest.fixture(scope="module")
def finished(first: tuple[Path, subprocess.CompletedProcess[str]]) -> Path:
    """The working directory of a short run."""
    directory, result = first
    assert result.returncode == 0, result.stderr
    assert "frames/s" in result.stdout and "ETA" in result.stdout
    return directory


def test_a_run_loads_only_what_it_uses(first: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """So that it starts within seconds: no plots, no films, no clusters, no compilers."""
    loaded = {line.rpartition("|")[2].strip() for line in first[1].stderr.splitlines() if "import time:" in line}
    assert "torch" in loaded and "mtbench.learning.agents" in loaded
    heavy = {"matplotlib", "pandas", "imageio", "ray", "trimesh", "warp", "torchjd", "torch._inductor.compile_fx"}
    assert not heavy & loaded


def test_a_run_leaves_what_it_should_and_nothing_else(finished: Path) -> None:
    assert [path.name for path in finished.iterdir()] == ["runs"]
    run = finished / "runs" / "first"
    assert {path.name for path in run.iterdir()} == {
        ".lock",
        "config.yaml",
        "metrics.csv",
        "nn",
        "run.json",
        "summaries",
    }
    assert {path.name for path in (run / "nn").iterdir()} == {"last.pth", "best.pth"}


def test_evaluating_a_checkpoint(finished: Path) -> None:
    result = train_here(finished, *TOY, "test=True", "checkpoint=runs/first/nn/best.pth")
    assert result.returncode == 0, result.stderr
    assert "near" in result.stdout and "mean" in result.stdout
    assert (finished / "runs" / "first" / "evaluation.csv").read_text().startswith("task,episodes,success,return")


def test_a_single_task_is_trained_evaluated_and_filmed(tmp_path: Path) -> None:
    small = [item for item in TOY if not item.startswith(("task", "num_envs"))]
    real = ["task=MT1", "task_name=Reach-Wall", "num_envs=2", "task.env.episodeLength=7", *small, "train=MTPPO"]
    result = train_here(tmp_path, *real, "max_iterations=1", "experiment=one")
    assert result.returncode == 0, result.stderr
    assert "1 task, 2 environments" in result.stdout
    best = "runs/one/nn/best.pth"
    result = train_here(tmp_path, *real, "test=True", "capture_video=true", f"checkpoint={best}")
    if "needs OpenGL" in result.stderr:
        pytest.skip("no OpenGL to film with")
    assert result.returncode == 0, result.stderr
    assert "reach_wall" in result.stdout and "filmed in" in result.stdout
    assert (tmp_path / "runs" / "one" / "evaluation.mp4").stat().st_size > 1000


def test_continuing_a_run_keeps_its_folder(finished: Path) -> None:
    result = train_here(finished, *TOY, "max_iterations=3", "checkpoint=runs/first/nn/last.pth")
    assert result.returncode == 0, result.stderr
    assert "epoch     3" in result.stdout and "epoch     2" not in result.stdout
    rows = (finished / "runs" / "first" / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["frames", "256", "384"]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["task=MT11"], ["no task=MT11", "nearest: MT1", "MT10", "MT50"]),
        (["task=MT1"], ["task_name="]),
        (["task=MT1", "task_name=pick-plaice"], ["pick-plaice", "did you mean 'pick_place'"]),
        (["task_id=[reach,99]"], ["99", "ids are"]),
        (["task_id=[reach,push]", "task_counts=[4]"], ["task_counts=[4]", "2 tasks"]),
        (["task_id=[reach,push]", "task_counts=[4,0]"], ["task_counts=[4, 0]", "at least 1"]),
        (["task_id=[reach,push]", "task_counts=[4,2]", "num_envs=7"], ["add up to 6", "num_envs=7"]),
        (["task_id=[reach,40]"], ["reach", "twice"]),
        (["reward=v3", "task_id=[reach]", "num_envs=1"], ["reward=v3", "v2, v2_metaworld, v1 or sparse"]),
        (["train=TOPO"], ["no train=TOPO", "nearest: TOPPO", "MTPPO"]),
        (["num_env=4"], ["no setting 'num_env'", "nearest: num_envs"]),
        (["num_envs=-4"], ["num_envs=-4", "at least 1"]),
        (["num_envs=3"], ["num_envs=3", "10 tasks"]),
        (["sim_device=cuda:99"], ["sim_device=cuda:99", "sim_device=cpu"]),
        (["physics_engine=isaacgim"], ["physics_engine=isaacgim", "nearest: isaacgym"]),
        (["balancing.critic=fairgard"], ["fairgard", "fairgrad"]),
        (["normalize_input=sharde"], ["normalize_input=sharde", "nearest: shared", "per_task", "none"]),
        (["value_norm=popat"], ["value_norm=popat", "nearest: popart", "running", "none"]),
        (["schedule.clip_value=0.2"], ["schedule.clip_value=0.2", "true or false"]),
        (["schedule.mini_epochs=true"], ["schedule.mini_epochs=true", "whole number"]),
        (["max_frames=true"], ["max_frames=true", "whole number"]),
        (["diagnose_interval=0"], ["diagnose_interval=0", "at least 1"]),
        (["eval_protocol=mtbnech"], ["mtbnech", "nearest: mtbench"]),
        (["test=True"], ["checkpoint="]),
        (["train=MTBC"], ["train=MTBC learns from trajectories", "add data=datasets/NAME"]),
        (["train=TOPPO_BC"], ["add data=datasets/NAME", "or bc_coef=0"]),
        (["train=TOPPO", "data=datasets/a"], ["train=TOPPO takes no trajectories"]),
        (["train=TOPPO", "part=0.5"], ["train=TOPPO takes no trajectories"]),
        ([*TOY, "capture_video=true"], ["capture_video=true", "cannot film"]),
        ([*TOY, "task.env.tasks=[near,fra]"], ["fra", "far"]),
    ],
)
def test_mistakes_end_at_once_in_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    overrides: list[str],
    words: list[str],
) -> None:
    """In this process, to be quick; the exit code and the streams are those train.py hands on."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.setattr(sys, "argv", ["train.py", *overrides])
    assert run_application(launch, CFG) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert all(word in error for word in words), error
    assert not any(tmp_path.rglob("*.pth"))


def test_a_mistake_seen_from_outside(tmp_path: Path) -> None:
    result = train(tmp_path, "task=MT11")
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert not any(tmp_path.iterdir())


def test_checkpoints_that_do_not_fit(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = finished / "runs" / "first" / "nn" / "best.pth"
    half = finished / "runs" / "half.pth"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    cases = [
        (["checkpoint=runs/half.pth"], "damaged or incomplete"),
        (["task.env.tasks=[near,left]", f"checkpoint={whole}"], "same tasks in the same order"),
        (["train=MTPPO", "test=True", f"checkpoint={whole}"], "another architecture"),
        (["num_envs=18", f"checkpoint={whole}"], "num_envs=16, not 18"),
        (["experiment=first"], "run 'first' exists"),
    ]
    for overrides, words in cases:
        monkeypatch.chdir(finished)
        monkeypatch.setattr(sys, "argv", ["train.py", *TOY, *overrides])
        assert run_application(launch, CFG) == 2
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1, error
