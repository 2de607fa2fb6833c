"""Trajectories of K tasks in one folder: flat arrays that are mapped into memory, and a table of episodes.

``dataset.json``
    what is in it: format, tasks in order, sizes, how it was collected, and the size and checksum of every array file
``observations.npy`` (steps, features) float32
    without the one-hot of the task, which depends on the set of tasks that is learned from
``actions.npy`` (steps, actions) float32, in [-1, 1], as the environment was given them; ``rewards.npy`` (steps,) float32
``episodes.npy`` (episodes,) of :data:`EPISODE`
    task by task, and within a task in the order of their competence, so that the first half of a graded dataset is its
    sub-optimal part

Nothing in it is pickled. What does not fit together is a :class:`DatasetError`, one sentence.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.lib.format import open_memmap

FORMAT = "mtbench-trajectories-1"
LOCK = ".lock"  #: beside the arrays while they are written
ARRAYS = ("observations", "actions", "rewards", "episodes")
#: One episode: task (position in ``tasks``), its first step and number of steps; the seed of its environments and its row
#: among them; goal (m, NaN where the environment tells none); success at any step; undiscounted return; competence: 1 for
#: the policy undisturbed, towards 0 the more it was disturbed.
EPISODE = np.dtype(
    [
        ("task", "<i4"),
        ("start", "<i8"),
        ("length", "<i4"),
        ("seed", "<i8"),
        ("row", "<i4"),
        ("goal", "<f4", (3,)),
        ("success", "?"),
        ("return", "<f8"),
        ("competence", "<f4"),
    ]
)
Array = np.ndarray[Any, Any]


class DatasetError(ValueError):
    """A dataset cannot be read, or is not what was asked for: one sentence that says what to do."""


@dataclass(frozen=True)
class Trajectories:
    """Some episodes of a dataset, or all of them.

    Attributes:
        path: of the folder.
        tasks: K names, in the order that the column ``task`` of ``episodes`` counts.
        episodes: (episodes,) of :data:`EPISODE`, sorted by task.
        observations: (steps, features); ``actions``: (steps, actions); ``rewards``: (steps,). Arrays of the whole dataset,
            of which ``episodes`` says what is meant.
        about: how it was collected.
    """

    path: Path
    tasks: list[str]
    episodes: Array
    observations: Array
    actions: Array
    rewards: Array
    about: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.episodes)

    @property
    def num_steps(self) -> int:
        """Steps of the episodes that are meant."""
        return int(self.episodes["length"].sum())

    def steps(self, index: int) -> slice:
        """Where the steps of episode ``index`` are in the arrays."""
        start, length = int(self.episodes["start"][index]), int(self.episodes["length"][index])
        return slice(start, start + length)

    def of_task(self, task: str) -> Array:
        """The episodes of one task."""
        return self.episodes[self.episodes["task"] == self.tasks.index(task)]

    def select(self, tasks: Sequence[str], part: float = 1.0) -> Trajectories:
        """The episodes of these tasks, in this order, and of each task the first ``part`` of them.

        A dataset of quality ``replay`` is near-optimal as a whole and sub-optimal in its first half (HarmoDT's splits).

        Raises:
            DatasetError: the dataset has no such task, or nothing of it is left.
        """
        chosen = []
        for k, task in enumerate(tasks):
            if task not in self.tasks:
                near = get_close_matches(task, self.tasks, 1)
                hint = f" (nearest: {near[0]})" if near else ""
                raise DatasetError(
                    f"dataset '{self.path}' has no trajectories of the task {task}{hint}; it has: {', '.join(self.tasks)}"
                )
            rows = self.of_task(task)
            rows = rows[: round(part * len(rows))].copy()
            if not len(rows):
                raise DatasetError(f"dataset '{self.path}': a part of {part:g} leaves no trajectory of {task}")
            rows["task"] = k
            chosen.append(rows)
        arrays = self.observations, self.actions, self.rewards
        return Trajectories(self.path, list(tasks), np.concatenate(chosen), *arrays, self.about)

    @classmethod
    def read(cls, path: str | Path, check: bool = True) -> Trajectories:
        """Map a dataset into memory; changes to its arrays stay in memory.

        Args:
            path: the folder.
            check: compare the files with their checksums, which reads all of them once (about 1 GB/s).

        Raises:
            DatasetError: no dataset, or one that is damaged.
        """
        path = Path(path)
        about = _read_description(path)
        arrays = {}
        for name in ARRAYS:
            file, expected = path / f"{name}.npy", about["files"][name]
            size = file.stat().st_size if file.is_file() else 0
            if size != expected["bytes"]:
                raise _damaged(path, f"{file.name} has {size:,} bytes instead of {expected['bytes']:,}")
            if check and _checksum(file) != expected["crc32"]:
                raise _damaged(path, f"{file.name} is not what was written")
            try:
                arrays[name] = np.load(file, mmap_mode="c", allow_pickle=False)
            except ValueError as error:
                raise _damaged(path, f"{file.name} cannot be read ({error})") from error
            if check and name != "episodes" and not np.isfinite(np.sum(arrays[name], dtype=np.float64)):
                raise DatasetError(f"dataset '{path}' has numbers in {file.name} that are not finite; collect it again")
        episodes = np.array(arrays["episodes"])
        if episodes.dtype != EPISODE or not len(episodes):
            raise _damaged(path, "episodes.npy has other columns than this format")
        steps = len(arrays["rewards"])
        ends = episodes["start"] + episodes["length"]
        sizes = {len(arrays[name]) for name in ARRAYS[:3]}
        if (
            sizes != {steps}
            or ends.max() > steps
            or not 0 <= episodes["task"].min() <= episodes["task"].max() < len(about["tasks"])
        ):
            raise _damaged(path, "its episodes and its steps do not belong together")
        observations, actions, rewards = (arrays[name] for name in ARRAYS[:3])
        return cls(path, list(about["tasks"]), episodes, observations, actions, rewards, about)


def _read_description(path: Path) -> dict[str, Any]:
    file = path / "dataset.json"
    if not file.is_file():
        folder = path if path.is_dir() else path.parent
        found = sorted(str(f.parent) for f in folder.glob("*/dataset.json"))
        hint = f"; there are: {', '.join(found)}" if found else "; mtbench collect makes one"
        raise DatasetError(f"there is no dataset '{path}'{hint}")
    try:
        about = json.loads(file.read_text())
        known = about["format"]
        complete = isinstance(about["tasks"], list) and all(
            isinstance(about["files"][name][key], int) for name in ARRAYS for key in ("bytes", "crc32")
        )
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, "dataset.json cannot be read") from error
    if known != FORMAT:
        raise DatasetError(f"dataset '{path}' has the format {known}, not {FORMAT}; collect it again")
    if not complete:
        raise _damaged(path, "dataset.json is not complete")
    return about


def _damaged(path: Path, why: str) -> DatasetError:
    return DatasetError(f"dataset '{path}' is damaged or incomplete: {why}; collect it again or copy it anew")


def _checksum(file: Path, chunk: int = 1 << 24) -> int:
    value = 0
    with file.open("rb") as stream:
        while block := stream.read(chunk):
            value = zlib.crc32(block, value)
    return value


def check_new(path: str | Path) -> Path:
    """The folder of a dataset to be.

    Raises:
        DatasetError: it is there already.
    """
    path = Path(path)
    if path.exists():
        raise DatasetError(f"'{path}' exists; choose another out= or remove it")
    return path


class Writer:
    """Writes a dataset of episodes of known lengths, any number at a time and in any order; nothing is under its name
    before :meth:`close`.

    Args:
        path: of the folder to be; it does not exist.
        tasks: K names.
        lengths: (K, n) steps of every episode, task by task, in the order in which a task's episodes will stand.
        features, actions: numbers of an observation, without the one-hot, and of an action.
        about: what else ``dataset.json`` is to say.

    Raises:
        DatasetError: the folder exists, another process makes it, or the disk has no room for it.
    """

    def __init__(
        self,
        path: str | Path,
        tasks: Sequence[str],
        lengths: Array,
        features: int,
        actions: int,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = check_new(path)
        self.tasks, self.about = list(tasks), dict(about or {})
        self._partial = self.path.with_name(f".{self.path.name}.tmp")
        self._lock = FileLock(self._partial / LOCK)
        lengths = np.asarray(lengths)
        steps = int(lengths.sum())
        self.episodes = np.zeros(lengths.size, EPISODE)
        self.episodes["task"] = np.repeat(np.arange(len(tasks)), lengths.shape[1])
        self.episodes["length"] = lengths.ravel()
        self.episodes["start"] = np.cumsum(lengths.ravel()) - lengths.ravel()
        shapes = {"observations": (steps, features), "actions": (steps, actions), "rewards": (steps,)}
        try:
            self._claim()
            arrays = {name: self._reserve(name, shape) for name, shape in shapes.items()}
        except OSError as error:
            self.discard()
            size = 4e-6 * steps * (features + actions + 1)
            raise DatasetError(
                f"dataset '{self.path}', of {size:,.0f} MB, cannot be written: {error.strerror or error}"
            ) from error
        self.observations, self.actions, self.rewards = (arrays[name] for name in ARRAYS[:3])

    def _claim(self) -> None:
        """Make the folder that is written in, empty, and keep others out of it; what a killed process left there goes."""
        self._partial.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise DatasetError(f"'{self.path}' is being written by another process; choose another out=") from error
        for leftover in self._partial.iterdir():
            if leftover.name != LOCK:
                leftover.unlink()

    def _reserve(self, name: str, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
        """An array file that has its place on the disk: a full one would kill a process that writes to memory."""
        file = self._partial / f"{name}.npy"
        array = open_memmap(file, "w+", np.dtype("<f4"), shape)
        if hasattr(os, "posix_fallocate"):
            with file.open("r+b") as stream:
                try:
                    os.posix_fallocate(stream.fileno(), 0, file.stat().st_size)
                except OSError as error:
                    if error.errno != errno.EOPNOTSUPP:
                        raise
        return array

    def close(self) -> Trajectories:
        """Finish, and read it."""
        for array in (self.observations, self.actions, self.rewards):
            array.flush()
        np.save(self._partial / "episodes.npy", self.episodes, allow_pickle=False)
        files = {}
        for name in ARRAYS:
            file = self._partial / f"{name}.npy"
            files[name] = {"bytes": file.stat().st_size, "crc32": _checksum(file)}
        about = {"format": FORMAT, "tasks": self.tasks, **self.about, "files": files}
        (self._partial / "dataset.json").write_text(json.dumps(about, indent=1) + "\n")
        (self._partial / LOCK).unlink()
        os.replace(self._partial, self.path)
        self._lock.release()
        return Trajectories.read(self.path, check=False)

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._lock.is_locked:
            shutil.rmtree(self._partial, ignore_errors=True)
            self._lock.release()
