"""Datasets in other libraries' formats, written and read back without a difference.

``minari`` (``pip install "mtbench-robotics[data]"``): a dataset of Minari under its name, where Minari keeps them
(``MINARI_DATASETS_PATH``); what it has no place for is in the metadata of its episodes, and each episode's last observation
stands twice, as Minari wants one after the last step and ours have none.

``lerobot``: a folder in the layout of LeRobot's datasets, version 3.0, without pictures. It is written with pyarrow; LeRobot
itself, which needs an older PyTorch than this package, is neither needed nor installed by it.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from mtbench.data.trajectories import EPISODE, DatasetError, Trajectories, Writer

OWN = ("task", "start", "length")  #: columns of an episode that its place says
LEROBOT = "v3.0"
FPS = 60  #: control steps a second, of the Franka's tasks
Pair = tuple[Callable[[Trajectories, str], None], Callable[[str, str], Trajectories]]


def _needs(*packages: str) -> None:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise DatasetError(f"this format needs the package {missing[0]}: pip install 'mtbench-robotics[data]'")


def minari_format() -> Pair:
    """What writes and reads Minari's datasets."""
    _needs("minari", "h5py")
    return write_minari, read_minari


def lerobot_format() -> Pair:
    """What writes and reads folders in LeRobot's layout."""
    _needs("pyarrow")
    return write_lerobot, read_lerobot


FORMATS: dict[str, Callable[[], Pair]] = {"minari": minari_format, "lerobot": lerobot_format}


def _description(data: Trajectories) -> dict[str, Any]:
    own = ("format", "files", "tasks")
    return {"tasks": data.tasks, "about": {key: value for key, value in data.about.items() if key not in own}}


def _columns(row: np.void) -> dict[str, Any]:
    """What an episode's place does not say, as plain values."""
    return {name: row[name].tolist() for name in EPISODE.names or () if name not in OWN}


def _put(row: Any, values: dict[str, Any]) -> None:
    for name in EPISODE.names or ():
        if name not in OWN:
            row[name] = values[name]


def _write(
    path: str,
    description: dict[str, Any],
    tasks: list[str],
    parts: list[tuple[Any, Any, Any]],
    table: list[dict[str, Any]],
) -> Trajectories:
    """A dataset of episodes (observations, actions, rewards), sorted by task, and what else is known of each."""
    names = description["tasks"]
    per_task = len(parts) // max(len(names), 1)
    if not per_task or tasks != [name for name in names for _ in range(per_task)]:
        raise DatasetError("what is imported does not have as many episodes of every task, task by task")
    lengths = np.array([len(rewards) for _, _, rewards in parts]).reshape(len(names), per_task)
    features, actions = parts[0][0].shape[1], parts[0][1].shape[1]
    writer = Writer(path, names, lengths, features, actions, description["about"])
    try:
        for row, values, (observed, acted, rewards) in zip(writer.episodes, table, parts, strict=True):
            steps = slice(row["start"], row["start"] + row["length"])
            writer.observations[steps], writer.actions[steps], writer.rewards[steps] = observed, acted, rewards
            _put(row, values)
        return writer.close()
    except BaseException:
        writer.discard()
        raise


def write_minari(data: Trajectories, name: str) -> None:
    """Make the Minari dataset ``name``, such as ``mtbench/mt50-replay-v0``."""
    import gymnasium
    import minari
    from minari.data_collector import EpisodeBuffer

    try:
        minari.load_dataset(name)
    except Exception:  # whatever it raises where there is none
        pass
    else:
        raise DatasetError(f"Minari has a dataset '{name}' already; choose another name")
    box = gymnasium.spaces.Box
    buffers = []
    for index, row in enumerate(data.episodes):
        steps = data.steps(index)
        observed = np.array(data.observations[steps])
        ended = np.arange(len(observed)) == len(observed) - 1
        buffers.append(
            EpisodeBuffer(
                id=index,
                seed=int(row["seed"]),
                observations=np.concatenate((observed, observed[-1:])),  # type: ignore[arg-type]
                actions=np.array(data.actions[steps]),  # type: ignore[arg-type]
                rewards=np.array(data.rewards[steps]),  # type: ignore[arg-type]
                terminations=np.zeros_like(ended),  # type: ignore[arg-type]
                truncations=ended,  # type: ignore[arg-type]
            )
        )
    made = minari.create_dataset_from_buffers(
        name,
        buffers,
        observation_space=box(-np.inf, np.inf, data.observations.shape[1:], np.float32),
        action_space=box(-1.0, 1.0, data.actions.shape[1:], np.float32),
        algorithm_name=str(data.about.get("policy", "")),
        description=json.dumps(_description(data)),
        data_format="hdf5",
    )
    metadata = [{**_columns(row), "task": data.tasks[row["task"]]} for row in data.episodes]
    made.storage.update_episode_metadata(metadata)


def read_minari(name: str, path: str) -> Trajectories:
    """Write the dataset ``path`` from a Minari dataset that :func:`write_minari` made."""
    import minari

    try:
        found = minari.load_dataset(name)
    except Exception as error:
        raise DatasetError(f"Minari has no dataset '{name}': {' '.join(str(error).split())}") from error
    metadata = list(found.storage.get_episode_metadata(range(found.total_episodes)))
    try:
        description = json.loads(found.storage.metadata["description"])
        tasks = [str(row["task"]) for row in metadata]
    except (KeyError, ValueError) as error:
        raise DatasetError(
            f"the Minari dataset '{name}' does not say of which task its episodes are; it is not ours"
        ) from error
    parts = [(episode.observations[:-1], episode.actions, episode.rewards) for episode in found.iterate_episodes()]
    return _write(path, description, tasks, parts, metadata)


def write_lerobot(data: Trajectories, folder: str) -> None:
    """Make a folder with ``meta/info.json``, ``meta/tasks.parquet``, one file of episodes and one of steps."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    root = Path(folder)
    if root.exists():
        raise DatasetError(f"'{root}' exists; choose another name")
    lengths = data.episodes["length"].astype(np.int64)
    ends = np.cumsum(lengths)
    rows = np.concatenate([np.arange(*data.steps(i).indices(len(data.rewards))) for i in range(len(data))])
    frame = np.concatenate([np.arange(n) for n in lengths])
    last = frame + 1 == lengths.repeat(lengths)

    def vectors(values: Any) -> Any:
        return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).reshape(-1)), values.shape[1])

    steps = {
        "observation.state": vectors(data.observations[rows]),
        "action": vectors(data.actions[rows]),
        "next.reward": pa.array(np.ascontiguousarray(data.rewards[rows])),
        "next.done": pa.array(last),
        "timestamp": pa.array((frame / FPS).astype(np.float32)),
        "frame_index": pa.array(frame),
        "episode_index": pa.array(np.arange(len(data)).repeat(lengths)),
        "index": pa.array(np.arange(len(rows))),
        "task_index": pa.array(data.episodes["task"].astype(np.int64).repeat(lengths)),
    }
    zeros = np.zeros(len(data), np.int64)
    table: dict[str, Any] = {
        "episode_index": np.arange(len(data)),
        "tasks": [[data.tasks[k]] for k in data.episodes["task"]],
        "length": lengths,
        "data/chunk_index": zeros,
        "data/file_index": zeros,
        "dataset_from_index": ends - lengths,
        "dataset_to_index": ends,
        "meta/episodes/chunk_index": zeros,
        "meta/episodes/file_index": zeros,
    }
    known = [_columns(row) for row in data.episodes]
    table |= {f"mtbench/{key}": [row[key] for row in known] for key in known[0]}
    for place, content in (("data/chunk-000", steps), ("meta/episodes/chunk-000", table)):
        (root / place).mkdir(parents=True)
        pq.write_table(pa.table(content), root / place / "file-000.parquet")
    names = pa.table({"task_index": np.arange(len(data.tasks)), "task": data.tasks})
    kinds = {
        "task_index": ("int64", "int64"),
        "task": ("unicode", "object"),
    }  # what tells pandas that the name is the index
    columns = [
        {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": dtype, "metadata": None}
        for name, (kind, dtype) in kinds.items()
    ]
    index = {"index_columns": ["task"], "column_indexes": [], "columns": columns, "pandas_version": "2.0"}
    pq.write_table(names.replace_schema_metadata({"pandas": json.dumps(index)}), root / "meta/tasks.parquet")
    numbers = {"observation.state": data.observations, "action": data.actions, "next.reward": data.rewards[:, None]}
    stats = {key: _statistics(np.asarray(values[rows], np.float64)) for key, values in numbers.items()}
    (root / "meta/stats.json").write_text(json.dumps(stats))
    (root / "meta/info.json").write_text(json.dumps(_info(data, len(rows)), indent=1))


def _statistics(values: Any) -> dict[str, list[float]]:
    return {
        "min": values.min(0).tolist(),
        "max": values.max(0).tolist(),
        "mean": values.mean(0).tolist(),
        "std": values.std(0).tolist(),
        "count": [len(values)],
    }


def _info(data: Trajectories, steps: int) -> dict[str, Any]:
    single = {"shape": [1], "names": None}
    whole = {name: {"dtype": "int64", **single} for name in ("frame_index", "episode_index", "index", "task_index")}
    return {
        "codebase_version": LEROBOT,
        "robot_type": "panda",
        "total_episodes": len(data),
        "total_frames": steps,
        "total_tasks": len(data.tasks),
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": FPS,
        "splits": {"train": f"0:{len(data)}"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": None,
        "features": {
            "observation.state": {"dtype": "float32", "shape": [data.observations.shape[1]], "names": None},
            "action": {"dtype": "float32", "shape": [data.actions.shape[1]], "names": None},
            "next.reward": {"dtype": "float32", **single},
            "next.done": {"dtype": "bool", **single},
            "timestamp": {"dtype": "float32", **single},
            **whole,
        },
        "mtbench": _description(data),
    }


def read_lerobot(folder: str, path: str) -> Trajectories:
    """Write the dataset ``path`` from a folder that :func:`write_lerobot` made."""
    import pyarrow.parquet as pq

    root = Path(folder)
    try:
        description = json.loads((root / "meta/info.json").read_text())["mtbench"]
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(
            f"'{root}' is not a dataset that was exported from here: it has no such meta/info.json"
        ) from error
    steps = pq.read_table(root / "data/chunk-000/file-000.parquet")
    table = pq.read_table(root / "meta/episodes/chunk-000/file-000.parquet").to_pydict()
    vectors = [_matrix(steps[name]) for name in ("observation.state", "action")]
    rewards = steps["next.reward"].to_numpy()
    spans = list(zip(table["dataset_from_index"], table["dataset_to_index"], strict=True))
    parts = [(vectors[0][a:b], vectors[1][a:b], rewards[a:b]) for a, b in spans]
    own = {key.removeprefix("mtbench/"): values for key, values in table.items() if key.startswith("mtbench/")}
    rows = [{key: values[i] for key, values in own.items()} for i in range(len(parts))]
    return _write(path, description, [names[0] for names in table["tasks"]], parts, rows)


def _matrix(column: Any) -> Any:
    """A column of vectors of one length, (n, size)."""
    chunks: Iterable[Any] = column.chunks
    return np.concatenate([chunk.flatten().to_numpy().reshape(len(chunk), -1) for chunk in chunks])
