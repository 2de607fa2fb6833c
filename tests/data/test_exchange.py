"""What goes through another library's format comes back without a difference, and that library reads it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mtbench.data import DatasetError, Trajectories
from mtbench.data.exchange import FORMATS
from tests.learning.demonstrations import TASKS, record


@pytest.fixture
def data(tmp_path: Path) -> Trajectories:
    return record(tmp_path / "toy", n=3)


def assert_equal(one: Trajectories, other: Trajectories) -> None:
    assert one.tasks == other.tasks
    for name in ("observations", "actions", "rewards"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    for name in one.episodes.dtype.names:
        assert np.array_equal(one.episodes[name], other.episodes[name], equal_nan=name == "goal"), name
    assert {**one.about, "files": None} == {**other.about, "files": None}


def test_minari_reads_it_and_it_comes_back(data: Trajectories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    minari = pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    write, read = FORMATS["minari"]()
    write(data, "mtbench/toy-v0")
    with pytest.raises(DatasetError, match="already; choose another name"):
        write(data, "mtbench/toy-v0")
    theirs = minari.load_dataset("mtbench/toy-v0")
    assert theirs.total_episodes == 12 and theirs.total_steps == data.num_steps
    episode = theirs[4]
    assert np.array_equal(episode.actions, data.actions[data.steps(4)]) and episode.truncations[-1]
    assert_equal(data, read("mtbench/toy-v0", str(tmp_path / "again")))
    with pytest.raises(DatasetError, match="Minari has no dataset"):
        read("mtbench/another-v0", str(tmp_path / "other"))


def test_lerobots_layout_and_back(data: Trajectories, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pandas as pd

    write, read = FORMATS["lerobot"]()
    root = tmp_path / "lerobot"
    write(data, str(root))
    info = json.loads((root / "meta/info.json").read_text())
    steps = pd.read_parquet(root / info["data_path"].format(chunk_index=0, file_index=0))
    assert set(steps.columns) == set(info["features"]) and len(steps) == info["total_frames"] == data.num_steps
    assert np.array_equal(np.stack(steps["action"]), data.actions)
    tasks = pd.read_parquet(root / "meta/tasks.parquet")
    assert tasks.index.tolist() == TASKS and tasks.iloc[2].task_index == 2
    assert_equal(data, read(str(root), str(tmp_path / "again")))
    with pytest.raises(DatasetError, match="is not a dataset that was exported from here"):
        read(str(tmp_path / "toy"), str(tmp_path / "other"))


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for kind, package in (("minari", "minari"), ("lerobot", "pyarrow")):
        with pytest.raises(DatasetError, match=rf"needs the package {package}: pip install"):
            FORMATS[kind]()
