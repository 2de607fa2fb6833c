"""The command ``mtbench``, also ``python -m mtbench``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

import mtbench
from mtbench.learning.errors import nearest


class Command(NamedTuple):
    """Where a command is, and what it does in a few words."""

    module: str
    help: str
    function: str = "main"  #: arguments -> exit code, or None for 0


#: name -> command; modules are imported when they are asked for.
COMMANDS = {
    "train": Command("mtbench.commands.train", "train a policy: mtbench train task=MT10 train=TOPPO"),
    "eval": Command("mtbench.commands.train", "evaluate a checkpoint on every task", "evaluate"),
    "render": Command(
        "mtbench.commands.render", "draw tasks, with scripted experts or a policy, as .png, .mp4 or .gif"
    ),
    "watch": Command("mtbench.commands.watch", "watch a policy: a film of all its tasks, or one task in the browser"),
    "experts": Command("mtbench.commands.experts", "prove tasks solvable with scripted policies"),
    "collect": Command(
        "mtbench.commands.collect", "collect graded trajectories of experts or of a policy, and show them"
    ),
    "report": Command("mtbench.commands.report", "compare runs on one page of figures and tables"),
    "transfer": Command("mtbench.commands.transfer", "what prior experience buys a new task"),
    "diagnose": Command("mtbench.commands.diagnose", "show where task gradients agree and conflict"),
    "benchmark": Command("mtbench.commands.benchmark", "measure speed and costs (in a clone of the repository)"),
    "count": Command("mtbench.commands.count", "count the parameters of every architecture"),
    "walking": Command("mtbench.commands.walking", "does a Go1 policy walk on level ground?"),
}
HELP = ("-h", "--help")


def usage() -> str:
    """What there is to type."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items()]
    commands = "\n".join(lines)
    return f"usage: mtbench COMMAND [key=value ...]\n\n{commands}\n\nmtbench COMMAND --help says what a command takes."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments``, or the command line, begin with; return the exit code."""
    name, *rest = (sys.argv[1:] if arguments is None else list(arguments)) or ["--help"]
    if name in HELP:
        print(usage())
        return 0
    if name == "--version":
        print(mtbench.__version__)
        return 0
    if name not in COMMANDS:
        print(f"error: there is no command '{name}'{nearest(name, COMMANDS)}\n{usage()}", file=sys.stderr)
        return 2
    command = COMMANDS[name]
    module = importlib.import_module(command.module)
    if any(item in HELP for item in rest):
        print((module.__doc__ or "").strip())
        return 0
    from mtbench.commands.command_line import run_command

    return run_command(getattr(module, command.function), rest)


if __name__ == "__main__":
    sys.exit(main())
