"""Collect trajectories of scripted experts, or of any checkpoint, graded from bad to good; and look at them.

    mtbench collect task=MT50 quality=replay n=200 [tasks=reach,push] [seed=0] [per_round=20] [out=datasets/MT50_replay]
    mtbench collect from=runs/NAME/nn/best.pth quality=expert n=50 [actions=sampled]
    mtbench collect show=true data=datasets/MT50_replay [out=picture.png]
    mtbench collect data=datasets/MT50_replay export=minari:mtbench/mt50-replay-v0
    mtbench collect import=minari:mtbench/mt50-replay-v0 out=datasets/again

``n`` trajectories of every task. ``quality=expert`` is the policy as it is; with ``replay`` its actions are replaced in
random blocks of ten steps, with ``noisy`` they get Gaussian noise, for the first trajectory most of all and for the last one
not at all: the whole is near-optimal, its first half (``part=0.5`` where it is learned from) sub-optimal. ``from`` takes the
tasks and settings of the checkpoint's run, ``actions=mean`` (or ``sampled``, with exploration) its actions. ``show=true`` (or
``--show``) prints what a dataset holds, task by task, and draws success by competence, returns, and pictures of an episode of
its last round, simulated again from the recorded actions.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isaacgymenvs_tasks.metaworld.experts import expert_policy, make_env
from isaacgymenvs_tasks.options import flag, output, read_options, seed_of, whole
from mtbench.commands.command_line import run_command
from mtbench.commands.experts import choose
from mtbench.data import Trajectories
from mtbench.data.collect import Policy, collect
from mtbench.data.trajectories import check_new
from mtbench.learning.errors import UserError, unknown

ACTIONS = ("mean", "sampled")
PICTURES = (".png", ".pdf", ".svg")
DEFAULTS = {
    "task": "MT50",
    "tasks": "",
    "quality": "replay",
    "n": "200",
    "seed": "0",
    "per_round": "20",
    "out": "",
    "from": "",
    "actions": "mean",
    "show": "false",
    "data": "",
    "export": "",
    "import": "",
}


def main(arguments: Sequence[str]) -> None:
    """Read the command line."""
    words = ["show=true" if word == "--show" else word for word in arguments]
    options = read_options(words, DEFAULTS)
    wanted = [key for key in ("export", "import") if options[key]] + ["show"] * flag(options, "show")
    try:
        if len(wanted) > 1:
            raise ValueError(f"{wanted[0]}= and {wanted[1]}= are two things; give one at a time")
        if options["data"] and wanted not in (["export"], ["show"]):
            raise ValueError("data= is what show=true and export= read; what is collected goes to out=")
        if wanted and wanted != ["show"]:
            exchange(options)
        elif wanted:
            show(Trajectories.read(options["data"] or _default(options)), options["out"])
        else:
            record(options)
    except (ValueError, RuntimeError) as error:
        raise UserError(str(error)) from error


def record(options: Mapping[str, str]) -> None:
    """Collect, and say how fast."""
    per_round = whole(options, "per_round", 1)
    about: dict[str, Any] = {"policy": options["from"] or "experts"}
    if options["from"]:
        make, policy, about["task"] = _of_checkpoint(options)
    else:
        make, policy, about["task"] = _of_experts(options)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a half of it is not left behind
    started = time.perf_counter()
    data = collect(
        make,
        policy,
        options["out"] or _default(options),
        n=whole(options, "n", 1, 1_000_000),
        quality=options["quality"],
        seed=seed_of(options),
        per_round=per_round,
        about=about,
        progress=lambda line: print(line, flush=True),
    )
    seconds = time.perf_counter() - started
    print(summary(data))
    print(f"wrote {data.path}: {data.num_steps:,} steps in {seconds:.0f} s, {data.num_steps / seconds:,.0f} steps/s")


def _default(options: Mapping[str, str]) -> str:
    if options["from"]:
        path = Path(options["from"]).resolve()
        return f"datasets/{path.parents[1].name}_{options['quality']}"
    return f"datasets/{options['task']}_{options['quality']}"


def _of_experts(options: Mapping[str, str]) -> tuple[Any, Any, str]:
    names = choose(options)
    if options["actions"] != "mean":
        raise ValueError("actions=sampled is for a policy, from=CHECKPOINT; scripted experts do not explore")
    return (
        lambda per_task, seed: make_env(names, per_task * len(names), seed, options["task"]),
        expert_policy,
        options["task"],
    )


def _of_checkpoint(options: Mapping[str, str]) -> tuple[Any, Any, str]:
    from mtbench.learning.player import load_policy, mean_policy, own_env

    if options["tasks"] or options["task"] != DEFAULTS["task"]:
        raise ValueError("a checkpoint knows its tasks; leave task= and tasks= out")
    if options["actions"] not in ACTIONS:
        raise unknown("actions", options["actions"], ACTIONS)
    path = options["from"]
    names, loaded = load_policy(path)
    model: Any = loaded
    if options["actions"] == "sampled" and not hasattr(model, "sample"):
        raise ValueError(f"the policy of '{path}' does not draw its actions; actions=mean")
    generator = torch.Generator().manual_seed(seed_of(options))

    @torch.no_grad()
    def drawn(env: Any) -> torch.Tensor:
        actions = model.sample(env.obs_buf, env.task_index, generator)
        return actions[0] if isinstance(actions, tuple) else actions

    def make(per_task: int, seed: int) -> Any:
        return own_env(path, names, seed, per_task)

    def policy(env: Any) -> Policy:
        return mean_policy(model) if options["actions"] == "mean" else drawn

    config = Path(path).resolve().parents[1].name
    return make, policy, config


def summary(data: Trajectories) -> str:
    """What is in a dataset, one line a task."""
    width = max(len("task"), *(len(name) for name in data.tasks))
    lines = [f"{'task':<{width}}  episodes   success  first half   return: median  95 %"]
    for name in data.tasks:
        rows = data.of_task(name)
        half = rows[: round(0.5 * len(rows))]
        first = f"{100 * half['success'].mean():8.1f} %" if len(half) else "         -"
        middle, high = np.quantile(rows["return"], (0.5, 0.95))
        lines.append(
            f"{name:<{width}}  {len(rows):8d}  {100 * rows['success'].mean():6.1f} %  {first}  {middle:14.0f} {high:5.0f}"
        )
    return "\n".join(lines)


def show(data: Trajectories, out: str) -> None:
    """Print what a dataset holds, and draw it."""
    from mtbench.data.figures import overview

    path = Path(out or data.path / "overview.png")
    if path.suffix not in PICTURES:
        raise ValueError(f"out={path}: choose a name that ends with one of: {', '.join(PICTURES)}")
    output(path)
    print(summary(data))

    def again(seed: int) -> Any:
        return make_env(data.tasks, int(data.about["per_round"]) * len(data.tasks), seed, str(data.about["task"]))

    overview(data, path, again if data.about.get("policy") == "experts" else None)
    print(f"wrote {path}, {path.stat().st_size / 1000:.0f} kB")


def exchange(options: Mapping[str, str]) -> None:
    """Write a dataset in another library's format, or read one of it."""
    from mtbench.data.exchange import FORMATS

    kind, _, name = (options["export"] or options["import"]).partition(":")
    if kind not in FORMATS or not name:
        raise ValueError(
            f"'{options['export'] or options['import']}' must be FORMAT:NAME, with one of the formats {', '.join(FORMATS)}"
        )
    write, read = FORMATS[kind]()
    if options["export"]:
        if not options["data"]:
            raise ValueError("export= needs to know what: add data=datasets/NAME")
        data = Trajectories.read(options["data"])
        write(data, name)
        print(f"exported {len(data):,} episodes of {len(data.tasks)} tasks to {kind} as {name}")
    else:
        if not options["out"]:
            raise ValueError("import= needs to know where to: add out=datasets/NAME")
        data = read(name, str(check_new(options["out"])))
        print(f"{summary(data)}\nwrote {data.path}")


if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv[1:]))
