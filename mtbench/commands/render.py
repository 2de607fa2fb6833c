"""Draw Meta-World tasks, without a display: the scripted experts, or the policy of a checkpoint.

    mtbench render checkpoint=runs/NAME/nn/best.pth out=policy.gif
    mtbench render [task=MT50] [tasks=reach,push] [out=docs/mt50.png] [seed=4]
        [width=200] [fps=20] [colours=96] [task.env.episodeLength=150]

A PNG shows every task as it begins and, below, at its first success or where it failed; an MP4 or GIF shows one episode of
each, side by side, and what is solved when it happens. A policy acts on its own tasks as its run had them. A GIF of MT10 has
about 2 MB: ``width`` is that of a task's picture in pixels, ``colours`` of all frames together.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from isaacgymenvs_tasks import pictures
from isaacgymenvs_tasks.metaworld.experts import expert_policy, make_env
from isaacgymenvs_tasks.metaworld.render import film, sheet
from isaacgymenvs_tasks.options import output, read_options, seed_of
from mtbench.commands.command_line import run_command
from mtbench.commands.experts import EPISODE_LENGTH, choose, episode_length
from mtbench.learning.errors import UserError
from mtbench.learning.player import load_policy, mean_policy, own_env


def main(arguments: Sequence[str]) -> None:
    """Read the command line."""
    defaults = {"out": "docs/mt50.png", "task": "MT50", "tasks": "", "checkpoint": "", "seed": "4"}
    options = read_options(arguments, {**defaults, **pictures.FILM, EPISODE_LENGTH: ""})
    path = Path(options["out"])
    try:
        pictures.check_suffix(path)
        look, settings, seed = pictures.film_options(options), episode_length(options), seed_of(options)
        if options["checkpoint"]:
            if options["tasks"]:
                raise ValueError("a checkpoint knows its tasks; leave tasks= out")
            names, model = load_policy(options["checkpoint"])
            output(path)
            env = own_env(options["checkpoint"], names, seed, **settings)
            policy = mean_policy(model)
        else:
            names = choose(options)
            output(path)
            env = make_env(names, len(names), seed, options["task"], **settings)
            policy = expert_policy(env)
        if path.suffix == ".png":
            pictures.save_picture(sheet(env, policy), path)
        else:
            film(env, policy, path, **look)
    except (ValueError, RuntimeError, UserError) as error:
        raise SystemExit(str(error)) from error
    print(f"wrote {path}, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv[1:]))
