"""What becomes of values that make no sense: every setting with values of every wrong kind, names, folders and slips.

    python benchmarks/bad_settings.py [kinds=1] [run=0]

takes each setting of each task, preset and network, gives it ``kinds`` of the bad values of :data:`KINDS` in turn (0: all of
them), and starts a run as the command line does, up to where environments would be made. Each trial ends in one of

- ``refused``: status 2 and one sentence on stderr, which names the setting;
- ``means``: it would run, and the value is one that the setting has a use for (:func:`useful`); with ``run=1`` it does run,
  two short epochs in a process of its own, and has to end with status 0 and a finite checkpoint, or in a sentence;
- ``wrong``: a traceback, several lines, a sentence that does not name the setting, or acceptance of what means nothing.

Writes ``results/bad_settings.csv`` and exits with 1 where anything is wrong.
"""

from __future__ import annotations

import contextlib
import copy
import csv
import io
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from isaacgymenvs_tasks.options import read_options, whole
from mtbench.commands.command_line import run_application, run_command, sentence
from mtbench.commands.prepare import check_machine, prepare
from mtbench.errors import UserError
from mtbench.learning.run_record import RunRecord
from mtbench.resources import CFG

OUT = Path(__file__).parent / "results" / "bad_settings.csv"
TINY = ["task_id=[reach]", "num_envs=2", "schedule.horizon_length=4", "schedule.mini_epochs=1"]
TINY += ["schedule.num_minibatches=1", "max_iterations=2", "eval_interval=null", "task.env.episodeLength=4"]
UNITS = ["actor.units=[8]", "critic.units=[8]"]
PARKOUR = [item.replace("reach", "flat") for item in TINY]
#: configurations that together have every setting
BASES = [
    ["task=MT10", "train=TOPPO", *TINY, *UNITS],
    ["task=MetaWorldMT10", "train=MTPPO", *TINY, *UNITS],
    ["task=ParkourEasy", "train=MTPPO_parkour", *PARKOUR, *UNITS],
    ["task=MT10", "train=MTGRPO", *TINY, *UNITS, "train.params.config.num_minibatches=1"],
    ["task=MT10", "train=MTPQN", *TINY, "train.params.config.num_minibatches=1"],
    ["task=MT10", "train=MTSAC", *TINY, *UNITS],
    ["task=MT10", "train=FastTD3", *TINY, *UNITS],
    *(
        ["task=MT10", "train=MTPPO", f"network={name}", *TINY]
        for name in ("care", "moore", "paco", "soft_modularization")
    ),
]
KINDS = {
    "nan": "nan",
    "text": "sideways",
    "negative": "-3",
    "null": "null",
    "list": "[1,2]",
    "zero": "0",
    "huge": "1e300",
    "true": "true",
    "empty": "''",
    "mapping": "{a: 1}",
    "infinite": "-inf",
    "long": "9" * 30,
    "fraction": "0.37",
}
#: settings that any text suits
TEXT = {"experiment", "train_name", "wandb_project", "wandb_entity", "wandb_group", "task.name", "task.benchmark"}
TEXT |= {"train.params.config.name", "train.params.config.train_dir", "checkpoint", "pretrained"}


class Trial(NamedTuple):
    """What is typed, and what for.

    Attributes:
        key: the setting.
        kind: of mistake.
        overrides: the whole command line; the last item is the trial itself.
        default: of the setting.
    """

    key: str
    kind: str
    overrides: list[str]
    default: Any


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The settings below a node that have values, dotted, with their values."""
    for name, value in node.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def values(kinds: int) -> Iterator[Trial]:
    """Every setting once, in the first configuration that has it, with so many bad values of different kinds, or all."""
    seen: set[str] = set()
    turn = 0
    names = list(KINDS)
    for base in BASES:
        config: Any = OmegaConf.to_container(composed(tuple(base)), resolve=True)
        for key, default in leaves(config):
            if key in seen:
                continue
            seen.add(key)
            for kind in [names[(turn + i) % len(names)] for i in range(kinds or len(names))]:
                yield Trial(key, kind, [*base, f"{key}={KINDS[kind]}"], default)
            turn += kinds


def useful(trial: Trial) -> bool:
    """Whether a setting has a use for the value of the trial, judged by its default and its name alone."""
    key, kind, default = trial.key, trial.kind, trial.default
    last = key.rpartition(".")[2]
    if kind == "null":  # the default, or "as the machine, the algorithm or the task has it"
        return (
            default is None
            or key.startswith("schedule.")
            or last in ("reset_interval", "max_iterations", "max_frames")
            or "interval" in key
        )
    if key in TEXT or (default == "" and isinstance(default, str)):
        return kind in ("text", "empty") or (kind in ("negative", "zero", "long") and key == "experiment")
    if kind == "true":
        return isinstance(default, bool) or key in ("normalize_input",)
    if kind == "list":
        return isinstance(default, list) or key == "task_id"
    if kind in ("negative", "zero", "fraction") and last != "torch_threads":
        number = isinstance(default, int | float) and not isinstance(default, bool)
        signed = last in (
            "v_min",
            "init_log_std",
            "target_entropy_coef",
            "energy",
            "collision",
            "yaw",
            "goalVelocity",
            "overspeed",
        )
        if kind == "fraction":
            return isinstance(default, float)
        return number and (kind == "zero" or signed)
    if last == "torch_threads":  # rl-games': 0 leaves PyTorch's own number
        return kind == "zero"
    if kind == "long":
        return False
    return kind == "empty" and default == ""


def slips() -> Iterator[Trial]:
    """Names that nearly exist, lists where a name is meant, and slips of Hydra's syntax."""
    base = BASES[0]
    said = {
        "typo": [
            "num_env=4",
            "sed=1",
            "task.env.episodeLenght=5",
            "train.params.config.learning_rat=1e-3",
            "shedule.mini_epochs=2",
        ],
        "name": [
            "task=MT11",
            "train=TOPO",
            "network=mpl",
            "schedule=cpus",
            "balancing.critic=fairgard",
            "balancing.actor=pcgard",
        ],
        "choice": [
            "physics_engine=mujocco",
            "eval_protocol=mtbnech",
            "reward=v3",
            "normalize_input=sharde",
            "value_norm=popat",
        ],
        "device": ["rl_device=gpu", "sim_device=cuda:99", "rl_device=cuda:-1", "sim_device=cpu:one"],
        "scheme": [
            "balancing.critic={name: fairgrad, alpha: nan}",
            "balancing.critic={name: fairgrad, alhpa: 1}",
            "balancing.actor={name: cagrad, c: -1}",
            "balancing.critic={alpha: 1}",
            "balancing.actor=[pcgrad]",
            "balancing.critic={name: krum}",
            "balancing.critic={name: upgrad, pref_vector: [1, 2, 3]}",
            "balancing.actor={name: famo, lr: 0}",
            "balancing.actor={name: pcd, beta: 2}",
            "value_norm={name: popart, beta: 7}",
        ],
        "tasks": [
            "task_id=[reach,99]",
            "task_id=[reach,reach]",
            "task_counts=[1.5]",
            "task_counts=[two]",
            "task_counts=[2,2]",
            "task_id=[]",
        ],
        "factory": ["task.factory=nope:x", "task.factory=isaacgymenvs_tasks:nope", "task.factory=isaacgymenvs_tasks"],
        "together": [
            "schedule.num_minibatches=100",
            "train.params.config.num_actors=7",
            "train.params.config.grad_norm={actor: 1}",
        ],
        "syntax": [
            "=1",
            "num_envs==4",
            "num_envs",
            "task_id=[reach",
            "--foo",
            "-num_envs=4",
            "+foo=1",
            "~num_envs",
            "~task",
            "seed=${nope}",
            "max_frames=${seed",
            "seed=1,2",
            "train={a: 1}",
            "task=3",
            "max_frames=!!python/name:os.system",
            "hydra.run.dir=/proc/x",
        ],
    }
    for kind, items in said.items():
        for item in items:
            yield Trial(item.partition("=")[0].lstrip("+~-"), kind, [*base, item], None)


def folders(here: Path) -> Iterator[Trial]:
    """Runs that cannot be written; ``here`` is made ready for them."""
    (here / "taken").write_text("a file")
    (here / "runs" / "first").mkdir(parents=True)
    (here / "runs" / "first" / "run.json").write_text("{}")
    (here / "runs" / "out").symlink_to(here.parent)
    (here / "runs" / "circle").symlink_to(here / "runs" / "circle")
    base = BASES[0]
    for name in (
        "x" * 300,
        "a/" + "y" * 300,
        "/abs/path",
        "../../x",
        "a/../../b",
        ".",
        "./..",
        "' a'",
        "~/x",
        "first/second",
        "a/nn",
        "out/x",
        "circle/x",
        "true",
        "null",
        "1.5",
        "'tab\there'",
        "live",
        "stale",
    ):
        yield Trial("experiment", "folder", [*base, f"experiment={name}"], "")
    for name in ("taken", "/proc/runs", "taken/runs", "7", "''", "~/runs", "null"):
        yield Trial(
            "train.params.config.train_dir",
            "folder",
            [*base, "experiment=b", f"train.params.config.train_dir={name}"],
            "runs",
        )
    for key in ("checkpoint", "pretrained"):
        for name in ("runs", "nope.pth", "taken", "7", "true", "/proc/self/mem"):
            yield Trial(key, "folder", [*base, f"{key}={name}"], "")


def start(cfg: DictConfig, overrides: list[str]) -> None:
    """All that happens before environments are made."""
    check_machine(cfg)
    config = prepare(cfg)
    RunRecord(Path(config["train"]["params"]["config"]["train_dir"]) / config["experiment"], overrides).claim()


@cache
def composed(base: tuple[str, ...]) -> DictConfig:
    """A configuration, as Hydra makes it."""
    with initialize_config_dir(str(CFG), version_base="1.3"):
        return compose("config", list(base))


def start_with(trial: Trial) -> int:
    """Start with one more setting, which Hydra reads and applies; the files are read once. The exit code."""
    cfg = copy.deepcopy(composed(tuple(trial.overrides[:-1])))
    try:
        parsed = OverridesParser.create().parse_overrides(trial.overrides[-1:])
        ConfigLoaderImpl._apply_overrides_to_config(parsed, cfg)
        start(cfg, trial.overrides)
    except (UserError, HydraException, OmegaConfBaseException) as error:
        print(f"error: {sentence(error, CFG)}", file=sys.stderr)
        return 2
    return 0


def attempt(trial: Trial) -> tuple[str, str]:
    """What became of it, and what was said."""
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["train.py", *trial.overrides]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = start_with(trial) if trial.kind in (*KINDS, "folder") else run_application(start, CFG)
    except BaseException as error:  # whatever it is, it is what a user would see
        return "wrong", f"{type(error).__name__}: {error}"
    said = err.getvalue().strip()
    if status == 2:
        named = trial.key.rpartition(".")[2] in said or trial.kind in ("syntax", "folder", "scheme", "tasks")
        return ("refused" if said.startswith("error: ") and "\n" not in said and named else "wrong"), said
    means = useful(trial) or trial.overrides[-1] == "experiment=stale"
    return ("means" if status == 0 and means else "wrong"), said or "accepted"


def run(trial: Trial, here: Path) -> tuple[str, str]:
    """What became of a run that was let in."""
    command = [sys.executable, str(CFG.parent / "train.py"), *trial.overrides]
    result = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=600)
    last = (result.stderr.strip() or result.stdout.strip()).splitlines()[-1:]
    fine = result.returncode == 0 or (result.returncode == 2 and result.stderr.startswith("error: "))
    return ("means" if fine else "wrong"), f"ran: {''.join(last)}"[:200]


def main(arguments: list[str]) -> int:
    """Try all; 1 where anything is wrong."""
    options = read_options(arguments, {"kinds": "1", "run": "0"})
    kinds, runs = whole(options, "kinds", 0, len(KINDS)), whole(options, "run", 0, 1)
    found: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        here = Path(name) / "here"
        here.mkdir()
        os.chdir(here)
        trials = [*values(kinds), *slips(), *folders(here)]
        live = RunRecord(here / "runs" / "live", [])
        live.begin(fresh=True)  # as a process that is at work has it
        stale = RunRecord(here / "runs" / "stale", [])
        stale.begin(fresh=True)
        stale.end("stopped")
        for number, trial in enumerate(trials):
            became, said = attempt(trial)
            if became == "means" and runs:
                became, said = run(trial, here)
            found.append(
                {"setting": trial.key, "kind": trial.kind, "typed": trial.overrides[-1], "became": became, "said": said}
            )
            if became == "wrong" or number % 50 == 0:
                print(f"{number + 1}/{len(trials)} {trial.overrides[-1][:60]}: {became}: {said[:160]}", flush=True)
        os.chdir(name)
    with OUT.open("w", newline="") as file:
        writer = csv.DictWriter(file, found[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    counts = Counter(row["became"] for row in found)
    told = ", ".join(f"{counts[kind]} {kind}" for kind in ("refused", "means", "wrong"))
    print(f"{len(found)} trials: {told}; written to {OUT}")
    return int(bool(counts["wrong"]))


if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv[1:]))
