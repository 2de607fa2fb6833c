"""Steps per second of the official Meta-World, ours in one batch beside the package's own vector environments.

    make oracle
    python benchmarks/official.py [task=MetaWorldMT10] [num_envs=10,100,500] [rounds=9] [steps=10] [package_steps=10]
        [python=.venv-oracle/bin/python] [strategies=sync,async]

The variants take turns in short blocks, so that a busy machine slows all of them, and what is compared are medians over
rounds of the ratio in each round: by the clock, and by the processor seconds that all threads and processes of a variant
took. The package has one environment a task: in one process (``sync``, the rate of which does not depend on how many there
are) or a process each (``async``). Writes benchmarks/results/official_TASK.csv.
"""

from __future__ import annotations

import mtbench  # noqa: F401  # first: it says how OpenMP's threads wait, which PyTorch reads when it is loaded

# isort: split
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import rounds
import torch

import isaacgymenvs_tasks
from isaacgymenvs_tasks.options import read_options, whole

ROOT = Path(__file__).resolve().parents[1]
PROCESSOR = " (processor)"  #: ends the names of rates per processor second


class Package:
    """The package's environments of MT10 or MT50 in a process of its own Python."""

    def __init__(self, python: str, suite: str, strategy: str) -> None:
        command = [python, str(ROOT / "benchmarks" / "official_package.py"), "speed", suite, strategy]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.listen()

    def listen(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the package's process ended; see above")
        return line

    def rates(self, steps: int) -> tuple[float, float]:
        """Environment steps a second and a processor second over ``steps`` steps."""
        assert self.process.stdin
        print(steps, file=self.process.stdin, flush=True)
        clock, processor = map(float, self.listen().split())
        return clock, processor

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


class Ours:
    """``num_envs`` of our environments under random actions."""

    def __init__(self, task: str, num_envs: int) -> None:
        before = rounds.resident()
        self.env = isaacgymenvs_tasks.make(task, num_envs, seed=1)
        self.env.reset()
        self.memory = rounds.resident() - before
        self.generator = torch.Generator().manual_seed(0)
        self.step()

    def step(self) -> None:
        self.env.step(2.0 * torch.rand((self.env.num_envs, 4), generator=self.generator) - 1.0)

    def rates(self, steps: int) -> tuple[float, float]:
        clock, processor = time.perf_counter(), time.process_time()
        for _ in range(steps):
            self.step()
        count = steps * self.env.num_envs
        return count / (time.perf_counter() - clock), count / (time.process_time() - processor)


def main(arguments: list[str]) -> None:
    defaults = {"task": "MetaWorldMT10", "num_envs": "10,100,500", "rounds": "9", "steps": "10", "package_steps": "10"}
    defaults |= {"python": str(ROOT / ".venv-oracle/bin/python"), "strategies": "sync,async"}
    options = read_options(arguments, defaults)
    steps, package_steps = whole(options, "steps", 1), whole(options, "package_steps", 1)
    suite = options["task"].removeprefix("MetaWorld")
    tasks = int(suite.removeprefix("MT"))
    strategies = [name for name in options["strategies"].split(",") if name]
    packages = {f"package, {name}": Package(options["python"], suite, name) for name in strategies}
    counts = [count for count in map(int, options["num_envs"].split(",")) if count >= tasks]
    ours = {f"ours, {count} environments": Ours(options["task"], count) for count in counts}
    variants: dict[str, Callable[[], tuple[float, float]]] = {}
    variants |= {name: lambda package=package: package.rates(package_steps) for name, package in packages.items()}
    variants |= {name: lambda own=own: own.rates(steps) for name, own in ours.items()}
    rows: list[dict[str, float]] = []
    for round_ in range(whole(options, "rounds", 1)):
        row: dict[str, float] = {}
        for name in variants if round_ % 2 else reversed(variants):
            row[name], row[name + PROCESSOR] = variants[name]()
        rows.append({name: row[name] for variant in variants for name in (variant, variant + PROCESSOR)})
        print(f"round {round_}: " + ", ".join(f"{name} {value:,.0f}" for name, value in rows[-1].items()), flush=True)
    print(f"\n{options['task']}, {len(os.sched_getaffinity(0))} cores, medians of {len(rows)} rounds")
    for name in variants:
        clock, processor = (statistics.median(row[n] for row in rows) for n in (name, name + PROCESSOR))
        line = f"{name:<24}{clock:>8,.0f} steps/s{processor:>8,.0f} a processor second"
        for base in packages if name in ours else ():
            times = rounds.ratio(rows, name, base), rounds.ratio(rows, name + PROCESSOR, base + PROCESSOR)
            line += f"   {times[0]:.1f} and {times[1]:.1f} times {base}"
        print(line)
    for name, own in ours.items():
        size = own.memory / own.env.num_envs
        print(f"{name}: {own.memory / 1e6:,.0f} MB more than before it was built, {size / 1e3:,.0f} kB each")
    if ours:
        name, own = list(ours.items())[-1]
        env = own.env
        parts = {
            "control": (env, "pre_physics_step"),
            "physics": (env, "simulate"),
            "observations and rewards": (env, "post_physics_step"),
            "resets": (env, "reset_done"),
            "everything": (env, "step"),
        }
        for label, milliseconds in rounds.breakdown(parts, steps, own.step).items():
            print(f"  {label:<28}{milliseconds:>8.2f} ms of a step with {env.num_envs} environments")
    for package in packages.values():
        package.close()
    rounds.save(rows, f"official_{options['task']}")


if __name__ == "__main__":
    main(sys.argv[1:])
