"""What does prior experience buy a new task? Fine-tune on it from each prior, over seeds, and measure.

    mtbench transfer target=TASK from=[scratch,RUN,...] [seeds=5] [frames=500_000] [evaluations=20] [train=MTPPO]
        [folder=NAME] [out=FOLDER] [key=value ...]

``target``: a task of MT50 (``button_press_topdown_wall``), SET/TASK (``ParkourEasy/staircase_spiral``), or a family of
cfg/transfer (``buttons``), whose held-out variant is meant. ``from``: ``scratch``, folders of runs or checkpoints, each
also as LABEL=PATH. ``seeds``: how many, or a list. Further key=value are settings of the fine-tuning, as ``num_envs=64``
and ``train=MTPPO_parkour``; the architecture and its normalizers are those of the first checkpoint.

Writes ``transfer.md``, ``transfer.html``, a table and a figure to ``out``, or beside the runs in ``runs/NAME``, which is
``transfer_TARGET`` unless ``folder`` says otherwise. What is complete is not run again, and what was interrupted continues.
``mtbench report runs/transfer_TARGET`` includes it.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from isaacgymenvs_tasks.options import MOST_SEED, output, whole
from mtbench.commands import sweep
from mtbench.commands.command_line import run_command
from mtbench.commands.settings import folder_name
from mtbench.learning import run_record
from mtbench.learning.errors import UserError, unknown
from mtbench.learning.files import write_atomically
from mtbench.report.transfer import FILE, SCRATCH, plan_of, write_section
from mtbench.resources import CFG

#: settings of the fine-tuning that are not to be typed
OWN = {"task", "task_id", "seed", "experiment", "checkpoint", "pretrained", "pretrained_task", "max_frames"}
OWN |= {"eval_interval", "eval_first", "test"}
EXAMPLE = "mtbench transfer target=button_press_topdown_wall from=[scratch,runs/NAME] seeds=3"


@dataclass(frozen=True)
class Target:
    """A task to be learned.

    Attributes:
        name: of the task or family.
        task: its name in its set.
        overrides: settings that mean it.
    """

    name: str
    task: str
    overrides: list[str]


@dataclass(frozen=True)
class Prior:
    """What learning starts from.

    Attributes:
        label: in the table, and of the runs.
        checkpoint: its path; empty: from scratch.
        like: one of its tasks, for which it takes the target; empty: none.
        overrides: settings that a network needs to start from it.
        note: what is to be known of it.
    """

    label: str
    checkpoint: str = ""
    like: str = ""
    overrides: list[str] = field(default_factory=list)
    note: str = ""


def main(arguments: Sequence[str]) -> None:
    """Read the command line, train what is missing, and write the page."""
    options: dict[str, str] = {}
    for item in arguments:
        key, given, value = item.removeprefix("--").partition("=")
        if not given:
            raise UserError(f"'{item}' is not key=value; {EXAMPLE}")
        options[key] = value
    if "target" not in options or "from" not in options:
        raise UserError(f"say which task is new and what to start from: {EXAMPLE}")
    target = read_target(options.pop("target"))
    seeds = _seeds(options.pop("seeds", "5"))
    numbers = {key: options.pop(key, default) for key, default in (("frames", "500_000"), ("evaluations", "20"))}
    frames, evaluations = (whole(numbers, key, 1, 10**12) for key in numbers)
    if taken := sorted(OWN & options.keys()):
        raise UserError(
            f"{taken[0]}= is for mtbench transfer to say: it has target=, from=, seeds=, frames= and folder="
        )
    priors = read_priors(options.pop("from"), target)
    folder = _folder(options.pop("folder", f"transfer_{target.name.replace('/', '_')}"))
    out = Path(options.pop("out", str(folder)))
    settings = [f"train={options.pop('train', 'MTPPO')}", *(f"{key}={value}" for key, value in options.items())]
    limits = [f"max_frames={frames}", f"eval_interval={max(1, frames // evaluations)}", "eval_first=true"]
    runs = {}
    for seed in seeds:
        for prior in priors:
            started = [f"pretrained={prior.checkpoint}"] if prior.checkpoint else []
            started += [f"pretrained_task={prior.like}"] if prior.like else []
            overrides = [*target.overrides, *prior.overrides, *settings, *limits, *started, f"seed={seed}"]
            runs[folder / f"{prior.label}_s{seed}"] = overrides
    for run, overrides in runs.items():
        check_same(run, overrides)
    output(out, folder=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # which a run is told of, too
    described = {prior.label: {"checkpoint": prior.checkpoint, "note": prior.note} for prior in priors}
    plan = plan_of(target.name, described)
    write_atomically(folder / FILE, lambda file: file.write(plan.encode()))
    for run, overrides in runs.items():
        fine_tune(run, frames, overrides)
    write_page(folder, out)


def write_page(folder: Path, out: Path) -> None:
    """Write the page of a folder of runs, and say what is missing."""
    from mtbench.report.page import Page

    page = Page(out, "Transfer")
    for sentence in write_section(page, folder):
        print(sentence)
    page.write()
    for written in (out / "report.md", out / "report.html"):
        written.rename(written.with_stem("transfer"))
    print(f"{(out / 'transfer.md').read_text()}\nwritten to {out / 'transfer.html'} and {out / 'transfer.md'}")


def fine_tune(folder: Path, frames: int, overrides: Sequence[str]) -> None:
    """Train one run in a process of its own, unless it is complete; go on with one that was interrupted.

    Raises:
        UserError: the run failed.
    """
    record = run_record.read(folder)
    if record is not None and sweep.is_complete(record, frames):
        print(f"{folder} is complete after {record['frames']:,d} frames: skipped", flush=True)
        return
    newest = sweep.newest_checkpoint(folder)
    going_on = [f"checkpoint={newest}"] if newest else []
    name = folder.relative_to("runs")
    command = [sys.executable, "-m", "mtbench", "train", *_quoted([*overrides, f"experiment={name}", *going_on])]
    print(f"{folder} {'continues' if going_on else 'starts'}", flush=True)
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0
    )  # of its own, so that a terminal's Ctrl-C comes here alone
    try:
        said, _ = process.communicate()
    except KeyboardInterrupt:
        print(f"waiting until {folder} is saved", flush=True)
        process.send_signal(signal.SIGINT)
        process.communicate()
        raise
    if process.returncode:
        lines = said.strip().splitlines() or ["no output"]
        raise UserError(f"{folder} failed: {lines[-1].removeprefix('error: ')}")


def _quoted(overrides: Sequence[str]) -> list[str]:
    """Overrides as Hydra's command line takes them: paths may have commas."""
    split = (item.split("=", 1) for item in overrides)
    return [
        f"{key}='{value}'" if key in ("pretrained", "checkpoint", "experiment") else f"{key}={value}"
        for key, value in split
    ]


def check_same(folder: Path, overrides: Sequence[str]) -> None:
    """Make sure that a run that is there, which is continued or taken as it is, is the one that is meant.

    Raises:
        UserError: it has other settings.
    """
    record = run_record.read(folder)
    begun = record is not None and (record.get("epochs") or sweep.newest_checkpoint(folder))
    if record is None or not begun or not record["sessions"]:
        return
    if differ := sweep.difference(record, _quoted(overrides), sweep.LIMITS | {"eval_interval"}):
        raise UserError(
            f"{folder} was trained with other settings ({differ}); choose another folder=, or name the prior LABEL=RUN"
        )


def read_target(name: str) -> Target:
    """What is to be learned, from what was typed.

    Raises:
        UserError: there is no such task or family.
    """
    families = sorted(path.stem for path in (CFG / "transfer").glob("*.yaml"))
    if name in families:
        family: Any = OmegaConf.to_container(OmegaConf.load(CFG / "transfer" / f"{name}.yaml"))
        task = str(family["held_out"])
        more = family.get("target_settings", family.get("settings", []))
        return Target(name, task, [f"task={family['task']}", f"task_id=[{task}]", *more])
    task_set, given, task = name.rpartition("/")
    from isaacgymenvs_tasks import configure

    try:
        node = configure(task_set or "MT50", task_id=[task])
    except ValueError as error:
        known = "" if given else f"; families are: {', '.join(families)}"
        raise UserError(f"target={name}: {error}{known}") from error
    task = str(node.env.tasks[0])
    return Target(f"{task_set}/{task}" if given else task, task, [f"task={task_set or 'MT50'}", f"task_id=[{task}]"])


def read_priors(text: str, target: Target) -> list[Prior]:
    """What to start from, from ``[scratch,RUN,LABEL=RUN]``; scratch has the architecture of the first checkpoint.

    Raises:
        UserError: a label twice, or a checkpoint that does not exist or is of other networks.
    """
    items = [item.strip() for item in _split(text.strip().removeprefix("[").removesuffix("]"))]
    priors = []
    for item in items:
        if item == SCRATCH:
            priors.append(Prior(SCRATCH))
            continue
        label, path, like = _label(item)
        priors.append(_from_checkpoint(label, path, like, target))
    labels = [prior.label for prior in priors]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice or not priors:
        raise UserError(
            f"from={text} names {twice[0] if twice else 'nothing'}{' twice' if twice else ''}; use LABEL=RUN"
        )
    first = next((prior.overrides for prior in priors if prior.checkpoint), [])
    return [prior if prior.checkpoint else Prior(SCRATCH, overrides=first) for prior in priors]


def _split(text: str) -> list[str]:
    """At commas, but a name of a run may have some: what does not exist is tried with what follows."""
    parts, found = text.split(","), []
    while parts:
        for size in range(1, len(parts) + 1):
            item = ",".join(parts[:size])
            if item.strip() == SCRATCH or _label(item.strip())[1].exists():
                break
        else:
            size = 1
        found.append(",".join(parts[:size]))
        parts = parts[size:]
    return [item for item in found if item.strip()]


def _label(item: str) -> tuple[str, Path, str]:
    """Label, path and task, empty if none, of ``PATH``, ``PATH:TASK``, ``LABEL=PATH`` or ``LABEL=PATH:TASK``."""
    from mtbench.resources import locate

    path, _, like = (item, "", "") if Path(item).exists() else item.partition(":")
    label, given, behind = path.partition("=")
    if given and not Path(path).exists() and "/" not in label:
        if not label or label == SCRATCH or not all(c.isalnum() or c in "_-." for c in label):
            raise UserError(f"from: {label}={behind}: a label is of letters, digits and _-., and not {SCRATCH}")
        return label, locate(behind), like
    place = locate(path)
    run = place.parents[1] if place.suffix == ".pth" and place.parent.name == "nn" else place
    name = "".join(c if c.isalnum() else "_" for c in run.stem if c not in " '")
    return name, place, like


def _from_checkpoint(label: str, path: Path, like: str, target: Target) -> Prior:
    from mtbench.learning.agents import ALGORITHMS
    from mtbench.learning.agents.checkpoint import load_checkpoint
    from mtbench.learning.networks.model import ActorCriticModel

    checkpoint = path if path.suffix == ".pth" else path / "nn" / "last.pth"
    state = load_checkpoint(checkpoint)
    config = state["model_config"]
    if like and like not in state["tasks"]:
        raise unknown(f"task of {checkpoint}", like, state["tasks"])
    if ALGORITHMS[state["algo"]].model_class is not ActorCriticModel or config["network"]["critic"] is None:
        raise UserError(
            f"{checkpoint} has the networks of {state['algo']}; fine-tuning needs an actor and a critic of PPO or IMPALA"
        )
    notes = []
    if target.task in state["tasks"]:
        notes.append("was trained on the target itself")
    elif like:
        notes.append(f"takes the target for {like}")
    elif config.get("task_input", "onehot") == "onehot":
        notes.append("is told which task it is, and shown the mean of its own tasks in the place of the new one")
    note = f"{label} ({len(state['tasks'])} tasks) {' and '.join(notes)}." if notes else ""
    return Prior(label, str(checkpoint), like, architecture(config), note)


def architecture(config: Mapping[str, Any]) -> list[str]:
    """Settings with which a run has the networks and normalizers of a checkpoint's ``model_config``."""
    network = config["network"]
    presets = sorted(path.stem for path in (CFG / "network").glob("*.yaml"))
    same = [
        name
        for name in presets
        if OmegaConf.select(OmegaConf.load(CFG / "network" / f"{name}.yaml"), "network_name") == network["name"]
    ]
    if not same:
        raise unknown("network", network["name"], presets)
    sides = [f"++{side}.{key}={_typed(value)}" for side in ("actor", "critic") for key, value in network[side].items()]
    rest = {key: config[key] for key in ("normalize_input", "value_norm", "task_input") if key in config}
    preset = network["name"] if network["name"] in same else same[0]  # the plain one, where others build on it
    return [f"network={preset}", *sides, *(f"{key}={_typed(value)}" for key, value in rest.items())]


def _typed(value: Any) -> str:
    """A value as Hydra's command line takes it."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_typed(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_typed, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def _seeds(text: str) -> list[int]:
    """How many seeds, or a list of them in brackets."""
    listed = text.strip().removeprefix("[").removesuffix("]") if text.strip().startswith("[") else None
    if listed is None:
        return list(range(1, whole({"seeds": text}, "seeds", 1, 1000) + 1))
    seeds = [whole({"seeds": item.strip()}, "seeds", most=MOST_SEED) for item in listed.split(",")]
    if len(set(seeds)) != len(seeds):
        raise UserError(f"seeds={text} names one twice")
    return seeds


def _folder(name: str) -> Path:
    try:
        if not folder_name(name):
            raise ValueError("must be the name of a folder in runs/")
    except ValueError as error:
        raise UserError(f"folder={name} {error}") from error
    return Path("runs") / name


if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv[1:]))
