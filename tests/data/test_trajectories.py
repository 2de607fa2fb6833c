"""Datasets: what is read is what was written, what is damaged is told in one sentence, and windows keep to their episode."""

from __future__ import annotations

import errno
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from mtbench.data import DatasetError, Trajectories, Writer
from mtbench.data.collect import Disturbance
from mtbench.data.trajectories import LOCK
from mtbench.data.windows import WindowSampler, returns_to_go
from tests.learning.demonstrations import TASKS, Together, record, straight

LENGTHS = np.array([[4, 7, 1], [9, 2, 5]])


@pytest.fixture
def data(tmp_path: Path) -> Trajectories:
    """Two tasks, three episodes of different lengths each; every number says where it is."""
    writer = Writer(tmp_path / "set", ["one", "two"], LENGTHS, 3, 2, {"quality": "expert"})
    steps = np.arange(len(writer.rewards), dtype=np.float32)
    writer.observations[:] = steps[:, None] + np.array([0.1, 0.2, 0.3], np.float32)
    writer.actions[:] = steps[:, None] / 100
    writer.rewards[:] = np.random.default_rng(0).normal(size=len(steps))
    for row in writer.episodes:
        row["return"] = writer.rewards[row["start"] : row["start"] + row["length"]].sum()
    return writer.close()


def test_what_is_read_is_what_was_written(data: Trajectories) -> None:
    again = Trajectories.read(data.path)
    assert again.tasks == ["one", "two"] and again.about["quality"] == "expert" and len(again) == 6
    assert isinstance(again.observations, np.memmap)
    assert again.num_steps == LENGTHS.sum() == len(again.rewards)
    assert np.allclose(again.observations[again.steps(4)][:, 0], 21 + np.arange(2) + 0.1)
    assert again.of_task("two")["length"].tolist() == [9, 2, 5]


def test_nothing_of_it_is_unpickled(data: Trajectories, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("unpickled")

    monkeypatch.setattr(pickle, "load", refuse)
    monkeypatch.setattr(pickle, "loads", refuse)
    Trajectories.read(data.path)


def test_a_part_of_some_tasks(data: Trajectories) -> None:
    part = data.select(["two"], 2 / 3)
    assert part.tasks == ["two"] and part.episodes["length"].tolist() == [9, 2] and set(part.episodes["task"]) == {0}
    assert data.episodes["task"].tolist() == [0, 0, 0, 1, 1, 1]
    with pytest.raises(DatasetError, match=r"no trajectories of the task twp \(nearest: two\); it has: one, two"):
        data.select(["twp"])
    with pytest.raises(DatasetError, match="leaves no trajectory of one"):
        data.select(["one"], 0.1)


def test_damage_is_told_in_one_sentence(data: Trajectories) -> None:
    file, about = data.path / "actions.npy", data.path / "dataset.json"
    whole, text = file.read_bytes(), about.read_text()
    cases = {
        "cut off": (file, whole[:-3], "actions.npy has 349 bytes instead of 352"),
        "a bit turned": (file, whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:], "not what was written"),
        "no json": (about, text.encode()[:50], "dataset.json cannot be read"),
        "another format": (about, text.replace("trajectories-1", "trajectories-9").encode(), "has the format"),
        "no checksums": (about, json.dumps({**json.loads(text), "files": {}}).encode(), "dataset.json cannot be read"),
    }
    for name, (path, content, words) in cases.items():
        path.write_bytes(content)
        with pytest.raises(DatasetError) as error:
            Trajectories.read(data.path)
        assert words in str(error.value) and "\n" not in str(error.value), name
        file.write_bytes(whole)
        about.write_text(text)
    Trajectories.read(data.path)
    with pytest.raises(DatasetError, match=r"there is no dataset.*there are: .*set"):
        Trajectories.read(data.path.parent / "sets")


def test_a_dataset_is_not_written_over(data: Trajectories) -> None:
    with pytest.raises(DatasetError, match="exists; choose another out="):
        Writer(data.path, ["one"], np.ones((1, 1), int), 3, 2)


def test_numbers_that_are_not_finite_are_told(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "set", ["one"], np.ones((1, 2), int), 3, 2)
    writer.actions[1, 0] = np.nan
    writer.close()
    with pytest.raises(DatasetError, match=r"numbers in actions\.npy that are not finite"):
        Trajectories.read(tmp_path / "set")


def test_two_do_not_write_the_same_dataset_and_what_a_killed_one_left_goes(tmp_path: Path) -> None:
    left = tmp_path / ".set.tmp"
    left.mkdir()
    (left / "episodes.npy").write_bytes(b"half of it")
    sizes = ["one"], np.ones((1, 2), int), 3, 2
    first = Writer(tmp_path / "set", *sizes)
    assert not (left / "episodes.npy").exists()
    with pytest.raises(DatasetError, match="is being written by another process"):
        Writer(tmp_path / "set", *sizes)
    assert len(first.close()) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["set"] and not (tmp_path / "set" / LOCK).exists()


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="files have no place reserved on this system")
def test_a_dataset_that_the_disk_cannot_take_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing to a mapped file on a full disk kills a process without a word."""

    def full(*arguments: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DatasetError, match="of 2 MB, cannot be written: No space left on device"):
        Writer(tmp_path / "set", ["one"], np.full((1, 2), 50_000), 3, 2)
    assert not any(tmp_path.iterdir())


def test_graded_trajectories_get_better_and_can_be_found_again(tmp_path: Path) -> None:
    data = record(tmp_path / "toy", n=24, seed=3)
    graded = data.of_task("far")
    assert np.allclose(graded["competence"], np.linspace(0.1, 1.0, 24), atol=1e-6)
    assert graded["return"][-6:].mean() > graded["return"][:6].mean() + 50
    assert data.select(TASKS, 0.5).episodes["success"].mean() < data.episodes["success"].mean()
    row = data.of_task("left")[-1]  # of the fifth round, which has its own seed
    assert row["seed"] == 3 + 4
    env = Together(20, 0)
    env.generator.manual_seed(int(row["seed"]))
    assert torch.equal(
        env.reset()["obs"][int(row["row"]), :6], torch.from_numpy(data.observations[row["start"]].copy())
    )
    for step in range(row["length"]):
        actions = straight(env)
        actions[int(row["row"])] = torch.from_numpy(data.actions[row["start"] + step].copy())
        _, reward, _, extras = env.step(actions)
        assert float(reward[int(row["row"])]) == data.rewards[row["start"] + step]
    assert bool(extras["finished"]["success"][int(row["row"])]) == row["success"]
    assert not any(tmp_path.glob(".*.tmp"))


def test_disturbances_do_what_competence_says() -> None:
    actions, grade = torch.full((20_000, 1), 0.5), torch.tensor([0.25, 1.0]).repeat(10_000)
    blocks = Disturbance("replay", 0)
    changed = torch.stack([blocks(actions, grade, step)[:, 0] != 0.5 for step in range(20)])
    assert changed[:, 1::2].sum() == 0
    assert abs(changed[0, ::2].float().mean() - 0.75) < 0.02
    assert torch.equal(changed[0], changed[9]) and not torch.equal(changed[0], changed[10])
    noisy = Disturbance("noisy", 0)(actions * 0, grade, 0)[:, 0]
    # of a Gaussian of deviation 1.5, clipped at 1: P(|x| < 1) = 0.495
    assert abs((noisy[::2].abs() < 1).float().mean() - 0.495) < 0.02 and not noisy[1::2].any()
    assert torch.equal(Disturbance("expert", 0)(actions, grade, 0), actions)
    with pytest.raises(ValueError, match="quality=good does not exist"):
        Disturbance("good", 0)


def test_returns_to_go_by_brute_force(data: Trajectories) -> None:
    found = returns_to_go(data)
    for row in data.episodes:
        rewards = data.rewards[row["start"] : row["start"] + row["length"]]
        expected = [rewards[t:].astype(float).sum() for t in range(len(rewards))]
        assert np.allclose(found[row["start"] : row["start"] + row["length"]], expected, atol=1e-5)


def test_windows_keep_to_their_episode(data: Trajectories) -> None:
    sampler = WindowSampler(data)
    windows, episode = sampler.draw(400, 5, torch.Generator().manual_seed(0))
    task = torch.arange(2).repeat_interleave(400)
    start, length = sampler.starts[task, episode][:, None], sampler.lengths[task, episode][:, None]
    step = windows.features[..., 0] - 0.1 - start
    valid = windows.valid
    assert torch.allclose(step[valid], windows.steps.float()[valid], atol=1e-4)
    assert (windows.steps < length)[valid].all()
    assert torch.allclose(windows.actions[..., 0][valid] * 100, windows.features[..., 0][valid] - 0.1, atol=1e-4)
    assert valid[:, -1].all() and (valid.sum(1) == (windows.steps[:, -1] + 1).clamp_max(5)).all()
    for part in windows[:4]:
        assert not part[~valid].any()
    # every step of a task ends a window equally often: 400 of 12 and of 16 steps
    last = (windows.steps[:, -1] + start[:, 0]).unflatten(0, (2, 400))
    for k, total in enumerate(LENGTHS.sum(1)):
        counts = torch.bincount(last[k] - last[k].min())
        assert len(counts) == total and counts.min() > 0.3 * 400 / total and counts.max() < 2.2 * 400 / total


def test_the_best_trajectories_and_statistics(data: Trajectories) -> None:
    sampler = WindowSampler(data)
    best = sampler.best(1.0)
    for k, name in enumerate(data.tasks):
        assert best[k].tolist() == np.argsort(-data.of_task(name)["return"]).tolist()
    count, mean, m2 = sampler.statistics()
    rows = np.concatenate([data.observations[data.steps(i)] for i in range(3, 6)]).astype(float)
    assert count.tolist() == [12, 16]
    assert np.allclose(mean[1], rows.mean(0)) and np.allclose(m2[1] / 16, rows.var(0))
