"""A run that is killed loses nothing; one that cannot write says so in one sentence and keeps its last checkpoint."""

from __future__ import annotations

import contextlib
import csv
import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import torch

from mtbench.learning import run_record
from mtbench.learning.agents.checkpoint import load_checkpoint
from mtbench.learning.evaluate import Evaluation
from mtbench.learning.files import write_atomically
from mtbench.learning.gradient_record import GradientRecord
from tests.test_train import ROOT, TOY, train_here

RUN = [*TOY, "save_interval=1", "eval_interval=128", "diagnose_interval=128", "experiment=a"]


@pytest.mark.slow
def test_three_kills_lose_nothing() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "kills.py"), "--kills", "3", "--train", "TOPPO"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=600)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "3 kills" in result.stdout and "0 differences" in result.stdout


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder ``runs`` of a run of two epochs, which can be continued."""
    directory = tmp_path_factory.mktemp("begun")
    assert train_here(directory, *RUN, "max_iterations=2").returncode == 0
    return directory / "runs"


@contextlib.contextmanager
def full_disk(name: str, size: int) -> Iterator[None]:
    """Once a file ``name`` is being written, no file grows beyond what this one has and ``size`` bytes more: the system
    answers as it does when a disk is full, at the byte where it happens."""
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    open_file, reached = Path.open, False

    def open_and_fill(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        nonlocal reached
        file = open_file(path, mode, *arguments, **options)
        if path.name == name and mode[0] in "wa":
            resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + size, unlimited[1]))
            reached = True
        return file

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", open_and_fill)
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert reached, f"{name} was never written"


@pytest.mark.parametrize(
    ("name", "size"),
    [
        (".config.yaml.tmp", 1000),
        (".run.json.tmp", 100),
        ("metrics.csv", 20),
        (".gradients.npz.tmp", 1000),  # from here on the events do not grow either
        (".last.pth.tmp", 30_000),
        (".best.pth.tmp", 100),
    ],
)
def test_a_full_disk_ends_in_one_sentence_and_the_run_goes_on_once_there_is_room(
    name: str, size: int, begun: Path, tmp_path: Path
) -> None:
    shutil.copytree(begun, tmp_path / "runs")
    folder, last = tmp_path / "runs/a", tmp_path / "runs/a/nn/last.pth"
    again = [*RUN, "checkpoint=runs/a/nn/last.pth"]
    with full_disk(name, size), pytest.MonkeyPatch.context() as patch:
        if name == ".best.pth.tmp":
            patch.setattr(Evaluation, "mean_success", 1.0)
        result = train_here(tmp_path, *again, "max_iterations=40")
    error = result.stderr
    assert result.returncode == 2 and error.startswith("error: ") and error.count("\n") == 1, error
    assert "File too large" in error and "runs/a" in error
    assert not list(folder.rglob(".*.tmp"))
    reached = load_checkpoint(last)["frame"]
    assert reached in (256, 384)
    result = train_here(tmp_path, *again, f"max_frames={reached + 128}")
    assert result.returncode == 0, result.stderr
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frames"]) for row in rows] == list(range(128, reached + 129, 128))
    assert all(value for row in rows for value in row.values())
    assert GradientRecord.read(folder / "gradients.npz")["frames"].tolist() == list(range(0, reached + 1, 128))
    assert run_record.read(folder)["status"] == "complete"


class Short:
    """A file on a disk that is full after so many bytes, and says so in every write from then on."""

    def __init__(self, file: BinaryIO, room: int) -> None:
        self.file, self.room = file, room

    def write(self, data: Any) -> int:
        self.room -= len(memoryview(data).cast("B"))
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


@pytest.mark.parametrize("room", [0, 500, 5_000, 40_300])
@pytest.mark.parametrize("save", [torch.save, lambda state, file: np.savez(file, **state)], ids=["torch", "numpy"])
def test_what_the_disk_says_is_what_is_raised(save: Callable[..., None], room: int, tmp_path: Path) -> None:
    """torch has a RuntimeError of its own when an archive ends too soon."""
    path = tmp_path / "state"
    write_atomically(path, lambda file: file.write(b"before"))
    state = {"a": torch.zeros(100), "b": torch.zeros(10_000)}
    with pytest.raises(OSError, match="No space left on device"):
        write_atomically(path, lambda file: save(state, Short(file, room)))
    assert path.read_bytes() == b"before" and [file.name for file in tmp_path.iterdir()] == ["state"]


def on_a_disk(kilobytes: int, directory: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    """train.py in ``directory``, whose ``runs`` are on a disk of that size meanwhile; what is there at the end is copied to
    ``directory/after``. A namespace of its own lets everyone mount."""
    script = (
        f"mount -t tmpfs -o size={kilobytes}k none disk && cp -r runs/. disk && mount --bind disk runs || exit 77; "
        '"$@"; code=$?; cp -r disk after; exit $code'
    )
    (directory / "disk").mkdir(exist_ok=True)
    mounted = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    return subprocess.run(
        [*mounted, sys.executable, str(ROOT / "train.py"), *RUN, *overrides],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare, of util-linux")
@pytest.mark.parametrize("free", [16, 90])  # kilobytes: no room for a checkpoint; for the first, beside the old ones
def test_a_disk_that_is_really_full(free: int, begun: Path, tmp_path: Path) -> None:
    shutil.copytree(begun, tmp_path / "runs")
    pages = sum(-(-path.stat().st_size // 4096) + 1 for path in (tmp_path / "runs").rglob("*"))
    result = on_a_disk(4 * pages + free, tmp_path, "max_iterations=400", "checkpoint=runs/a/nn/last.pth")
    if result.returncode in (1, 77) and ("unshare" in result.stderr or "mount" in result.stderr):
        pytest.skip("nobody may mount here")
    lines = result.stderr.strip().splitlines()
    assert result.returncode == 2 and len(lines) == 1 and "No space left on device" in lines[0], result.stderr
    run_folder = tmp_path / "after" / "a"
    assert load_checkpoint(run_folder / "nn" / "last.pth")["frame"] >= 256
    assert not list(run_folder.rglob(".*.tmp"))


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_read_only_folder_ends_in_one_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    command = [sys.executable, str(ROOT / "train.py"), *RUN, "max_iterations=1"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    tmp_path.chmod(0o755)
    assert result.returncode == 2 and result.stderr.count("\n") == 1 and "cannot be written" in result.stderr
