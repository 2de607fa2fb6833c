"""Checkpoints that cannot be half written, load without running code, and say what they belong to."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mtbench.learning import distributed
from mtbench.learning.errors import UserError
from mtbench.learning.files import write_atomically
from mtbench.learning.networks.normalization import input_norm_name
from mtbench.resources import locate

FORMAT = "mtbench-checkpoint-2"
Types = dict[str, type | tuple[type, ...]]
#: what every checkpoint has, and its type
POLICY: Types = {"algo": str, "tasks": list, "model": dict, "model_config": dict}
#: what one has that a run can be continued from
RUN: Types = {"num_envs": int, "epoch": int, "frame": int, "wall_clock": (int, float), "optimizers": dict}
NUMBERS = ("num_envs", "epoch", "frame", "wall_clock", "last_lr")  #: of them, what is finite and not negative


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write ``state`` atomically.

    Raises:
        UserError: a parameter or a statistic of the model is not finite; what is there stays.
    """
    broken = _not_finite(state["model"])
    if broken:
        raise UserError(
            f"{broken} of the networks is not finite at {state.get('frame', 0):,} frames, so nothing was saved, and {path} "
            "is what it was. A lower learning_rate may help"
        )
    write_atomically(path, lambda file: torch.save(dict(state), file))


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, tensors and plain data only.

    Raises:
        UserError: no such file, damaged, not a checkpoint of this package, or of networks that are not finite.
    """
    path = locate(path)
    if not path.is_file():
        found = sorted(str(p) for p in path.parent.glob("*.pth")) if path.parent.is_dir() else []
        hint = f"; there are: {', '.join(found)}" if found else "; a run keeps its checkpoints in runs/<name>/nn"
        raise UserError(f"there is no checkpoint '{path}'{hint}")
    try:
        with zipfile.ZipFile(path) as file:  # whose checksums torch does not look at
            if file.testzip() is not None:
                raise zipfile.BadZipFile
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen types here, by the byte at which the file ends
        raise UserError(
            f"checkpoint '{path}' cannot be read, it is damaged or incomplete; use another one of the run"
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise UserError(f"'{path}' is not a checkpoint of this package; give a runs/<name>/nn/*.pth file")
    keys = POLICY if state.keys() == {"format", *POLICY} else POLICY | RUN
    wrong = [key for key, kind in keys.items() if not isinstance(state.get(key), kind)]
    wrong = wrong or [key for key in NUMBERS if not 0 <= state.get(key, 0) < float("inf")]
    if wrong:
        raise UserError(
            f"checkpoint '{path}' is damaged: its {wrong[0]} is missing or cannot be; use another one of the run"
        )
    broken = _not_finite(state["model"])
    if broken:
        raise UserError(f"{broken} of the networks in checkpoint '{path}' is not finite; use another one of the run")
    return state


def _not_finite(model: Mapping[str, Any]) -> str:
    """Name of the first parameter or statistic that is not finite; empty if all are."""
    return next((name for name, value in model.items() if not bool(torch.isfinite(value).all())), "")


def save_policy(path: Path, state: Mapping[str, Any]) -> None:
    """Write of a run's checkpoint what its policy needs and no more."""
    save_checkpoint(path, {key: state[key] for key in ("format", *POLICY)})


def check_compatible(
    state: Mapping[str, Any],
    path: str | Path,
    algo: str,
    tasks: Sequence[str],
    model: Mapping[str, Any],
    num_envs: int | None,
    task_counts: list[int] | None = None,
) -> None:
    """Compare a checkpoint with what is about to be built.

    Args:
        state: from :func:`load_checkpoint`.
        path: for the message.
        algo: name of the algorithm.
        tasks: task names in order.
        model: settings that fix the parameters, see :meth:`.agent.Agent.model_settings`.
        num_envs: environments of the run to be continued; None when only the policy is used.
        task_counts: environments of each task; None where they are not known yet.

    Raises:
        UserError: on the first difference.
    """
    if state["algo"] != algo:
        raise UserError(f"checkpoint '{path}' is of the algorithm {state['algo']}, not of {algo}; use its run's train=")
    theirs = list(state["tasks"])
    if theirs != list(tasks):
        raise UserError(
            f"checkpoint '{path}' was trained on {len(theirs)} tasks ({', '.join(theirs)}), not on the "
            f"{len(tasks)} chosen ({', '.join(tasks)}); choose the same tasks in the same order"
        )
    for key, value in model.items():
        saved = state["model_config"].get(key, "onehot" if key == "task_input" else None)  # before it could be chosen
        if key == "normalize_input":  # two spellings of the same
            saved, value = input_norm_name(saved), input_norm_name(value)
        if saved != value:
            raise UserError(
                f"checkpoint '{path}' has another architecture: {key} was {saved}, now it is {value}; use the train= "
                "and overrides of its config.yaml"
            )
    if num_envs is not None and state["num_envs"] != num_envs:
        raise UserError(
            f"checkpoint '{path}' is of a run with num_envs={state['num_envs']}, not {num_envs}; continue it with that"
        )
    ranks = 1 + len(state.get("ranks", ()))
    if num_envs is not None and ranks != distributed.size():
        how = f"torchrun --nproc_per_node={ranks} and multi_gpu=True" if ranks > 1 else "a single process"
        raise UserError(
            f"checkpoint '{path}' is of a run of {ranks} process{'es' if ranks > 1 else ''}, not {distributed.size()}; "
            f"continue it with {how}"
        )
    if task_counts is not None and state.get("task_counts", task_counts) != task_counts:
        raise UserError(
            f"checkpoint '{path}' is of a run with task_counts={state['task_counts']}, not {task_counts}; continue it with "
            "those"
        )


def start_from(model: torch.nn.Module, state: Mapping[str, Any], tasks: Sequence[str]) -> None:
    """Copy the networks and normalizers of a run on other tasks, as pre-training does, into ``model``.

    What belongs to a task (its row of a parameter, its column of the one-hot input) goes with its name; for a task that the
    run has not seen it starts at the mean of the old ones. As many tasks as before take their places one by one. How widely
    actions are drawn is the new run's own.

    Args:
        model: of ``tasks``.
        state: from :func:`load_checkpoint`.

    Raises:
        UserError: the architectures differ in more than the number of tasks.
    """
    old, known, num_tasks = state["model"], list(state["tasks"]), len(tasks)
    before = len(known)

    def by_task(rows: torch.Tensor) -> torch.Tensor:
        """Those of the new tasks, of the old ones' (K, ...)."""
        mean = rows.double().mean(0).to(rows.dtype) if rows.dtype != torch.bool else rows.double().mean(0) >= 0.5
        return torch.stack([rows[known.index(task)] if task in known else mean for task in tasks])

    new = model.state_dict()
    cloned = not any(name.startswith("network.critic.") for name in old)  # behaviour cloning: an actor alone
    for name, value in new.items():
        if name in ("network.log_std", "network.log_alpha"):
            continue
        if cloned and name.startswith(("network.critic.", "value_")):
            continue  # what values a state starts anew
        found = old.get(name)
        if found is not None and found.shape != value.shape:
            if value.shape[1:] == found.shape[1:] and (len(value), len(found)) == (num_tasks, before):
                found = by_task(found)
            elif value.ndim == 2 and value.shape[1] - num_tasks == found.shape[1] - before:  # the inputs of a network
                features = found.shape[1] - before
                found = torch.cat((found[:, :features], by_task(found[:, features:].T).T), 1)
        if found is None or found.shape != value.shape:
            raise UserError(f"the pretrained checkpoint has another architecture: its {name} does not fit")
        value.copy_(found)


def rng_state() -> dict[str, Any]:
    """Return the states of the global generators as tensors and plain data."""
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": (str(name), torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, cached),
        "python": random.getstate(),
    }


def set_rng_state(state: Mapping[str, Any]) -> None:
    """Restore :func:`rng_state`."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))


def clone(state: Any) -> Any:
    """Copy nested containers and their tensors, so that a snapshot does not change under its owner."""
    if isinstance(state, torch.Tensor):
        return state.detach().clone()
    if isinstance(state, dict):
        return {key: clone(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(clone(value) for value in state)
    return state
