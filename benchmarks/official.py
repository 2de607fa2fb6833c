"""Steps per second of the official Meta-World, ours in one batch beside the package's own vector environments.

    make oracle
    python benchmarks/official.py [task=MetaWorldMT10] [num_envs=10,100,500] [rounds=3] [steps=20]
        [python=.venv-oracle/bin/python] [package=30]

Every round times all variants one after the other, so that a busy machine slows all of them; medians over rounds, by the
clock and by the processor seconds that all threads of ours took. ``package`` is how many steps the package's own
environments make, one environment a task (``sync``: one process, the rate of which does not depend on how many there are;
``async``: a process an environment); 0 leaves it out. Writes benchmarks/results/official_TASK.csv.
"""

from __future__ import annotations

import mtbench  # noqa: F401  # first: it says how OpenMP's threads wait, which PyTorch reads when it is loaded

# isort: split
import csv
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

import isaacgymenvs_tasks
from isaacgymenvs_tasks.configuration import read_options, whole

ROOT = Path(__file__).resolve().parents[1]


def resident() -> int:
    """Bytes of memory this process occupies (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def rates(count: int, run: Callable[[], None]) -> tuple[float, float]:
    """``count`` environment steps made by ``run``, a second by the clock and a processor second."""
    clock, processor = time.perf_counter(), time.process_time()
    run()
    return count / (time.perf_counter() - clock), count / (time.process_time() - processor)


def main(arguments: list[str]) -> None:
    defaults = {"task": "MetaWorldMT10", "num_envs": "10,100,500", "rounds": "3", "steps": "20", "package": "30"}
    options = read_options(arguments, {**defaults, "python": str(ROOT / ".venv-oracle/bin/python")})
    steps, package = whole(options, "steps", 1), whole(options, "package")
    suite = options["task"].removeprefix("MetaWorld")
    tasks = int(suite.removeprefix("MT"))
    envs, memory = {}, {}
    for num_envs in map(int, options["num_envs"].split(",")):
        if num_envs < tasks:
            continue
        before = resident()
        envs[num_envs] = isaacgymenvs_tasks.make(options["task"], num_envs, seed=1)
        envs[num_envs].reset()
        memory[num_envs] = resident() - before
    rows: list[dict[str, float]] = []
    for round_ in range(whole(options, "rounds", 1)):
        row: dict[str, float] = {}

        def note(name: str, count: int, run: Callable[[], None], row: dict[str, float] = row) -> None:
            row[name], row[f"{name}, processor"] = rates(count, run)

        for num_envs, env in envs.items():
            generator = torch.Generator().manual_seed(round_)
            actions = [2.0 * torch.rand((num_envs, 4), generator=generator) - 1.0 for _ in range(steps)]

            def play(env=env, actions=actions) -> None:
                for action in actions:
                    env.step(action)

            note(f"ours, {num_envs} environments", num_envs * steps, play)
        for strategy in ("sync", "async") if package else ():
            command = [options["python"], str(ROOT / "benchmarks" / "official_package.py"), "speed"]
            command += [suite, str(tasks), str(package), strategy]
            result = subprocess.run(command, check=True, capture_output=True, text=True)
            name = f"package, {strategy}, {tasks} environments"
            row[name], processor = map(float, result.stdout.split()[-2:])
            if strategy == "sync":  # the other's processes are not this one's
                row[f"{name}, processor"] = processor
        rows.append(row)
        print(f"round {round_}: " + ", ".join(f"{name} {value:,.0f}" for name, value in row.items()), flush=True)
    print(f"\n{options['task']}, {len(os.sched_getaffinity(0))} cores, medians of {len(rows)} rounds, steps/s")
    for name in rows[0]:
        print(f"{name:<40}{statistics.median(row[name] for row in rows):>10,.0f}")
    for num_envs, size in memory.items():
        print(f"memory, {num_envs} environments{size / 1e6:>20,.0f} MB more than before")
    target = ROOT / "benchmarks" / "results" / f"official_{options['task']}.csv"
    with target.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["round", *rows[0]])
        writer.writeheader()
        writer.writerows({"round": i} | {k: round(v, 1) for k, v in row.items()} for i, row in enumerate(rows))
    print(f"raw figures: {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main(sys.argv[1:])
