"""A run that is killed loses nothing; one that cannot write says so in one sentence and keeps its last checkpoint."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from mtbench.learning.agents.checkpoint import load_checkpoint
from tests.test_train import ROOT, TOY

RUN = [*TOY, "save_interval=1", "eval_interval=128", "experiment=a"]


@pytest.mark.slow
def test_three_kills_lose_nothing() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "kills.py"), "--kills", "3", "--train", "TOPPO"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=600)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "3 kills" in result.stdout and "0 differences" in result.stdout


def limited(directory: Path, size: int, *overrides: str) -> subprocess.CompletedProcess[str]:
    """train.py where no file may grow beyond ``size`` bytes, as on a disk that is full."""
    return subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *RUN, *overrides],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )


@pytest.mark.slow
def test_a_full_disk_ends_in_one_sentence_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    fits = limited(tmp_path, 10**9, "max_iterations=2")
    assert fits.returncode == 0, fits.stderr
    run = tmp_path / "runs" / "a"
    last = run / "nn" / "last.pth"
    before = last.read_bytes()
    for size in (len(before) - 1000, 6000, 2500, 10):  # in the checkpoint, in the events, in the record
        result = limited(tmp_path, size, "max_iterations=400", f"checkpoint={last.relative_to(tmp_path)}")
        lines = result.stderr.strip().splitlines()
        assert result.returncode == 2 and len(lines) == 1 and lines[0].startswith("error: "), (size, result.stderr)
        assert "File too large" in lines[0]
        load_checkpoint(last)
        assert not list(run.rglob(".*.tmp"))
    more = limited(tmp_path, 10**9, "max_iterations=3", f"checkpoint={last.relative_to(tmp_path)}")
    assert more.returncode == 0, more.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_read_only_folder_ends_in_one_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    result = limited(tmp_path, 10**9, "max_iterations=1")
    tmp_path.chmod(0o755)
    assert result.returncode == 2 and result.stderr.count("\n") == 1 and "cannot be written" in result.stderr
