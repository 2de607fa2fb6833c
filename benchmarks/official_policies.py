"""The official scripted policies, closed loop, in our environments: success by task beside the package's own.

    make oracle
    python benchmarks/official_policies.py [task=MetaWorldMT50] [goals=10] [seed=1] [package=0] [engine=mujoco]
        [python=.venv-oracle/bin/python]

The policies run in a process of the package's Python, which answers observations with actions. ``package=N`` also runs them
in the package's own environments, N goals a task, which takes minutes. ``engine=warp`` steps ours on MuJoCo Warp. Writes
benchmarks/results/official_policies.csv, with the task's name in its own unless it is MetaWorldMT50 and ``_warp`` for that
engine, as results come.
"""

from __future__ import annotations

import csv
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

import isaacgymenvs_tasks
from isaacgymenvs_tasks.options import read_options, whole

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = str(ROOT / "benchmarks" / "official_package.py")


def package_name(task: str) -> str:
    return f"{task.replace('_', '-')}-v3"


def ours(python: str, task: str, goals: int, seed: int, engine: str) -> dict[str, tuple[float, float]]:
    """By task: share of successes, and the mean step of the first success."""
    settings = {"task.env.randomInitialProgress": False, "physics_engine": engine}
    tasks = len(isaacgymenvs_tasks.configure(task)["env"]["tasks"])
    env = isaacgymenvs_tasks.make(task, tasks * goals, seed, **settings)
    obs = env.reset()["obs"]
    first = torch.full((env.num_envs,), torch.nan)
    with subprocess.Popen([python, PROGRAM, "act"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as policies:
        assert policies.stdin and policies.stdout
        for step in range(env.max_episode_length):
            seen = obs[:, :39].double().numpy()
            request = {package_name(n): seen[w] for n, w in zip(env.task_names, env.task_slices, strict=True)}
            pickle.dump(request, policies.stdin)
            policies.stdin.flush()
            actions = torch.from_numpy(np.concatenate(list(pickle.load(policies.stdout).values())))
            obs = env.step(actions)[0]["obs"]
            first = torch.where(env.success_buf & first.isnan(), torch.tensor(step + 1.0), first)
        policies.stdin.close()
    out = {}
    for name, where in zip(env.task_names, env.task_slices, strict=True):
        won = ~first[where].isnan()
        out[name] = float(won.float().mean()), float(first[where][won].mean())
    env.close()
    return out


def main(arguments: list[str]) -> None:
    defaults = {"task": "MetaWorldMT50", "goals": "10", "seed": "1", "package": "0", "engine": "mujoco"}
    options = read_options(arguments, {**defaults, "python": str(ROOT / ".venv-oracle/bin/python")})
    goals, seed, package = whole(options, "goals", 1, 50), whole(options, "seed"), whole(options, "package", 0, 50)
    task = options["task"]
    result = ours(options["python"], task, goals, seed, options["engine"])
    own: dict[str, float] = {}
    parts = [
        "official_policies",
        *([task] if task != "MetaWorldMT50" else []),
        *(["warp"] if options["engine"] == "warp" else []),
    ]
    path = ROOT / "benchmarks" / "results" / f"{'_'.join(parts)}.csv"

    def write() -> None:
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["task", "goals", "success", "first_success_step", "package_goals", "package_success"])
            for name, (share, step) in result.items():
                there = own.get(package_name(name), float("nan"))
                writer.writerow([name, goals, f"{share:.3f}", f"{step:.1f}", package, f"{there:.3f}"])

    write()
    if package:
        command = [options["python"], PROGRAM, "success", task.removeprefix("MetaWorld"), str(seed), str(package)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            for line in process.stdout:
                name, won = line.split()
                own[name] = float(won)
                write()
        if process.returncode:
            raise SystemExit("the package's process failed; see above")
    for name, (share, _) in result.items():
        there = own.get(package_name(name), float("nan"))
        if share < 1.0 or there < 1.0:
            print(f"{name:<28}{100 * share:6.1f}%  package {100 * there:6.1f}%")
    print(f"mean {100 * np.mean([share for share, _ in result.values()]):.1f}% over {goals} goals a task")
    if own:
        print(f"the package itself {100 * np.mean(list(own.values())):.1f}% over {package}")
    print(f"written to {path}")


if __name__ == "__main__":
    main(sys.argv[1:])
