"""Prove tasks solvable: scripted experts on random resets, against random actions and doing nothing.

    mtbench experts task=MT50 [episodes=100] [tasks=reach,push] [seed=0] [out=table.csv] [task.env.episodeLength=500]

prints for every task, and saves with ``out``: how often its expert, random actions and doing nothing succeed, the median
return of the expert against the 95th percentile of random actions, the median step of the first success, and in how many
of the expert's successful episodes the running maximum of the reward rises in every quarter of the way to the first
success. It exits with 1 if an expert succeeds in less than 80 % or does not beat random actions, or if luck alone
succeeds in more than 5 %.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from isaacgymenvs_tasks.configuration import configure
from isaacgymenvs_tasks.metaworld.experts import compare
from isaacgymenvs_tasks.options import output, read_options, seed_of, whole
from mtbench.commands.command_line import run_command

EPISODE_LENGTH = "task.env.episodeLength"
REQUIRED_SUCCESS, ALLOWED_LUCK = 0.8, 0.05  #: of experts; of zero and of random actions


def choose(options: Mapping[str, str]) -> list[str]:
    """The tasks that are meant: of the set ``task``, those named in ``tasks``, or all where there are none.

    Raises:
        ValueError: there are no such tasks, or no scripted experts of them.
    """
    chosen = {"task_id": options["tasks"].split(",")} if options["tasks"] else {}
    node = configure(options["task"], **chosen)
    if node.benchmark != "metaworld":
        raise ValueError(
            f"task={options['task']} has no scripted experts of ours; train a policy, and name its checkpoint"
        )
    return list(node.env.tasks)


def episode_length(options: Mapping[str, str]) -> dict[str, int]:
    """The setting of that name, where it is given."""
    return {EPISODE_LENGTH: whole(options, EPISODE_LENGTH, least=2)} if options[EPISODE_LENGTH] else {}


def main(arguments: Sequence[str]) -> int:
    """Print the table; 1 where a task is not proved solvable."""
    defaults = {"task": "MT10", "episodes": "100", "tasks": "", "seed": "0", "out": "", EPISODE_LENGTH: ""}
    options = read_options(arguments, defaults)
    try:
        names, settings = choose(options), episode_length(options)
        episodes, seed = whole(options, "episodes", 1), seed_of(options)
        if options["out"]:
            output(options["out"])
        rows = compare(names, episodes, seed, options["task"], **settings)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    titles = ("task", "success", "random", "idle", "return", "random 95 %", "first success", "rising")
    print("{:<28}{:>8}{:>8}{:>6}{:>8}{:>13}{:>15}{:>8}".format(*titles))
    for row in rows:
        print(
            f"{row['task']:<28}{row['success']:>8.0%}{row['random_success']:>8.0%}{row['idle_success']:>6.0%}"
            f"{row['return']:>8.0f}{row['random_95']:>13.0f}{row['first_success']:>15.0f}{row['rising']:>8.0%}"
        )
    if options["out"]:
        with Path(options["out"]).open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()} for row in rows)
        print(f"wrote {options['out']}")
    failed = [
        row["task"]
        for row in rows
        if row["success"] < REQUIRED_SUCCESS
        or row["return"] <= row["random_95"]
        or max(row["random_success"], row["idle_success"]) > ALLOWED_LUCK
    ]
    if failed:
        print("not proved solvable: " + ", ".join(failed))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv[1:]))
