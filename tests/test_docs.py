"""Every command that README and the documentation show can be typed: it exists, and its settings compose."""

from __future__ import annotations

import importlib
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser

from isaacgymenvs_tasks import choose_tasks
from mtbench.commands.main import COMMANDS
from mtbench.resources import CFG

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md")] + sorted((ROOT / "docs").glob("*.md"))
TRAIN = (["python", "train.py"], ["train.py"], ["mtbench", "train"], ["mtbench", "eval"])
OLD_NAMES = {
    "mtbench.evaluation.report": "report",
    "mtbench.evaluation.watch": "watch",
    "mtbench.learning.diagnose": "diagnose",
    "mtbench.learning.networks.count": "count",
    "isaacgymenvs_tasks.metaworld.experts": "experts",
    "isaacgymenvs_tasks.metaworld.render": "render",
    "isaacgymenvs_tasks.parkour.walking": "walking",
}
OURS = ("film", "equal_norm", "lift")  #: networks, schemes and tasks that pages add
PROGRAMS = ("tensorboard", "git", "docker")  #: whose arguments are not ours


def commands(page: Path) -> list[str]:
    """The lines of a page's sh blocks, with continuations joined and variables that the block sets put in."""
    found = []
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL):
        variables: dict[str, str] = {}
        for line in block.replace("\\\n", " ").splitlines():
            for name, value in variables.items():
                line = line.replace(f"${name}", value)
            words = shlex.split(line, comments=True)
            if words and all(re.match(r"[A-Z]+=", word) for word in words):
                variables |= {name: value.rstrip(";") for name, _, value in (word.partition("=") for word in words)}
            elif words:
                found.append(line)
    return found


LINES = [(page.name, line) for page in PAGES if page.exists() for line in commands(page)]


@pytest.mark.parametrize(
    ("page", "line"), LINES, ids=[f"{page}: {' '.join(line.split())[:70]}" for page, line in LINES]
)
def test_a_command_of_a_page_can_be_typed(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    if words[0] == "torchrun":
        words = words[next(i for i, word in enumerate(words) if word.endswith(".py")) :]
    for start in TRAIN:
        if words[: len(start)] == start:
            return check_training(words[len(start) :])
    if words[:2] == ["python", "-m"]:
        words = ["mtbench", OLD_NAMES[words[2]], *words[3:]]
    if words[0] == "mtbench":
        check_command(*words[1:])
    elif words[0] == "make":
        check_make(words[1:])
    elif words[0] in ("python", "bash", ".ci/run", ".ci/wheel"):
        script = ROOT / (words[1] if words[0] in ("python", "bash") else words[0])
        assert script.is_file(), f"there is no {script}"
        options = [word.lstrip("-").partition("=")[0] for word in words[2:] if word.startswith("--") or "=" in word]
        assert all(option in script.read_text() for option in options)
    elif words[:2] == ["pip", "install"]:
        check_install(words[2:])
    else:
        assert words[0] in PROGRAMS, f"what is {words[0]}?"


def check_training(words: list[str]) -> None:
    """Compose what ``train.py`` would: of a sweep each value alone, with the tasks it means."""
    sweep = "-m" in words or "--multirun" in words
    parser = OverridesParser.create()
    chosen = []
    for override in parser.parse_overrides([word for word in words if not word.startswith("-")]):
        if override.is_sweep_override():
            assert sweep, f"{override.input_line} sweeps without -m"
            chosen.append([f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()])
        elif not any(name in str(override.input_line) for name in OURS):
            chosen.append([str(override.input_line)])
    for which in range(max(map(len, chosen), default=1)):
        with initialize_config_dir(str(CFG), version_base="1.3"):
            cfg = compose("config", [values[min(which, len(values) - 1)] for values in chosen])
        if cfg.task.name != "MT1" or cfg.task_name:
            choose_tasks(cfg)


def check_command(name: str, *arguments: str) -> None:
    """The command exists, and says of each setting that it takes it."""
    if name.startswith("-") or name == "COMMAND":
        return
    text = importlib.import_module(COMMANDS[name].module).__doc__ or ""
    for word in arguments:
        key = word.partition("=")[0]
        if "=" in word and name != "benchmark":
            assert f"{key}=" in text or f" {key} " in text, f"mtbench {name} --help does not name {key}="


def check_make(words: list[str]) -> None:
    """The target exists, and so does what it trains."""
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for word in words:
        if word.startswith("ARGS="):
            check_training(shlex.split(word.removeprefix("ARGS=")))
        elif "=" not in word:
            assert word in targets, f"make has no target {word}"


def check_install(words: list[str]) -> None:
    """Our own package by its name, with extras that exist."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for word in words:
        assert not re.match(r"mtbench(\[|$)", word), "the distribution is called mtbench-robotics"
        of_ours = re.fullmatch(r"(?:mtbench-robotics|\.)\[(.+)\]", word)
        assert not of_ours or set(of_ours[1].split(",")) <= set(extras)


def test_there_are_commands() -> None:
    """That the pages are found, and their blocks read."""
    assert len(LINES) > 60 and {page for page, _ in LINES} >= {"README.md", "index.md", "parkour.md"}


@pytest.mark.parametrize("bad", ["task=MT11", "num_env=3", "train=TOPPO,MTPPO", "task=MT10 task_id=[reahc]"])
def test_a_command_that_does_not_compose_is_found(bad: str) -> None:
    with pytest.raises(Exception, match=r"MT11|num_env|sweeps without|reahc"):
        check_training(bad.split())
