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
from mtbench.learning.errors import UserError, unknown
from mtbench.learning.files import write_atomically
from mtbench.learning.networks.layers import TaskEncoder
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


@torch.no_grad()
def start_from(
    model: torch.nn.Module,
    config: Mapping[str, Any],
    state: Mapping[str, Any],
    tasks: Sequence[str],
    like: str | None = None,
) -> None:
    """Copy the networks and normalizers of a run on other tasks, as pre-training does, into ``model``.

    What belongs to a task (its row of a parameter, its column of the one-hot input) goes with its name, wherever it stands;
    for a task that the run has not seen it starts at the mean of the old ones, or as one of them (``like``). Only where no
    name is known, and there are as many as before, they take the old places one by one. How widely actions are drawn, and
    what describes the tasks to a network, is the new run's own.

    Args:
        model: of ``tasks``.
        config: what it was built with, see :meth:`.agent.Agent.model_settings`.
        state: from :func:`load_checkpoint`.
        tasks: names in order.
        like: one of the run's tasks, for which new ones are taken.

    Raises:
        UserError: the architectures differ in more than the number of tasks, or the run has no task ``like``.
    """
    old, known = state["model"], list(state["tasks"])
    if like is not None and like not in known:
        raise unknown("pretrained_task", like, known)
    in_place = like is None and len(tasks) == len(known) and not set(tasks) & set(known)

    def by_task(places: torch.Tensor) -> torch.Tensor:
        """Those of the new tasks, of the old ones' (K, ...)."""
        if in_place:
            return places
        mean = places.double().mean(0)
        mean = mean >= 0.5 if places.dtype == torch.bool else mean.to(places.dtype)
        other = mean if like is None else places[known.index(like)]
        return torch.stack([places[known.index(task)] if task in known else other for task in tasks])

    own = {f"{name}.tasks" for name, module in model.named_modules() if isinstance(module, TaskEncoder)}
    own |= {"network.log_std", "network.log_alpha"}
    axes = _task_axes(model, config)
    behind = {
        f"{prefix}.{name}": count
        for prefix, module in model.named_modules()
        for name, count in getattr(module, "behind_one_hot", {}).items()
    }
    cloned = not any(name.startswith("network.critic.") for name in old)  # behaviour cloning: an actor alone
    for name, value in model.state_dict().items():
        if name in own or (cloned and name.startswith(("network.critic.", "value_"))):
            continue  # what values a state starts anew
        found = old.get(name)
        axis = axes.get(name)
        if found is not None and axis is not None and found.ndim == value.ndim:
            before, after = value.shape[axis] - len(tasks) - behind.get(name, 0), behind.get(name, 0)
            if found.shape[axis] == before + len(known) + after:
                first, places, last = found.movedim(axis, 0).split([before, len(known), after])
                found = torch.cat((first, by_task(places), last)).movedim(0, axis)
        if found is None or found.shape != value.shape:
            raise UserError(
                f"the pretrained checkpoint, of {state['algo']}, has another architecture: its {name} does not fit"
            )
        value.copy_(found)


def _task_axes(model: torch.nn.Module, config: Mapping[str, Any]) -> dict[str, int]:
    """The axis of each parameter and statistic that has a place for each task, last but for what is behind the one-hot.

    It is the one that is longer by one in the same model for one task more, which is never allocated. So it is found in
    every architecture, also where a layer happens to be as wide as there are tasks.
    """
    network = {
        key: {**side, "tasks": [*side["tasks"], side["tasks"][0]]}
        if isinstance(side, Mapping) and "tasks" in side
        else side
        for key, side in config["network"].items()
    }  # for an architecture that is told their names
    sizes = {key: config[key] + 1 for key in ("num_obs", "num_tasks")}
    with torch.device("meta"):
        larger = type(model)(**{**config, **sizes, "network": network}).state_dict()
    return {
        name: axis
        for name, value in model.state_dict().items()
        for axis, (size, more) in enumerate(zip(value.shape, larger[name].shape, strict=True))
        if more == size + 1
    }


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
