"""Random steps over all Meta-World tasks: are observations and rewards finite and within their bounds, and does physics hold?

    python benchmarks/stress.py [steps=10_000_000] [task=MT50] [num_envs=1000] [seed=0]

Actions are uniform, or for every second environment held for ten steps, which drives the hand into things. Per task it
counts observations outside ``observation_space``, environments whose physics diverged, and observed positions that were
clamped, and notes how far objects went. Writes benchmarks/results/stress.csv; exits with 1 if a bound was broken.
"""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path

import torch

import isaacgymenvs_tasks
from isaacgymenvs_tasks.metaworld.reading import FAR
from isaacgymenvs_tasks.options import read_options, whole

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: list[str]) -> int:
    options = read_options(arguments, {"steps": "10_000_000", "task": "MT50", "num_envs": "1000", "seed": "0"})
    n, total = whole(options, "num_envs", 1), whole(options, "steps", 1)
    env = isaacgymenvs_tasks.make(options["task"], n, seed=whole(options, "seed"))
    low, high = torch.from_numpy(env.observation_space.low), torch.from_numpy(env.observation_space.high)
    generator = torch.Generator().manual_seed(whole(options, "seed"))
    env.reset()
    task = env.task_index
    outside, diverged, clamped, rewarded, solved = (torch.zeros(env.num_tasks) for _ in range(5))
    farthest = torch.zeros(env.num_tasks)
    actions = torch.zeros(n, 4)
    holds = torch.arange(n) % 2 == 1
    started = time.perf_counter()
    for step in range(-(-total // n)):
        fresh = torch.rand(n, 4, generator=generator) * 2.0 - 1.0
        actions = torch.where(holds[:, None] & (step % 10 > 0), actions, fresh)
        obs, reward, done, extras = env.step(actions)
        seen = torch.cat((obs["obs"], extras["final_obs"]), 1).view(n, 2, -1)
        wrong = ~((seen >= low - 1e-5) & (seen <= high + 1e-5)).flatten(1).all(1)
        outside.index_add_(0, task, wrong.float())
        rewarded.index_add_(0, task, (~((reward >= 0) & (reward <= 10.0 + 1e-5))).float())
        diverged.index_add_(0, task, (done & ~extras["time_outs"]).float())
        distance = env.reading.points[:, :2].abs().amax((1, 2))
        clamped.index_add_(0, task, (distance > FAR).float())
        farthest.scatter_reduce_(0, task, distance.nan_to_num(0.0), "amax")
        episode = extras["episode"]
        solved.index_add_(0, task[episode["env_ids"]], episode["success"].float())
    seconds = time.perf_counter() - started
    path = ROOT / "benchmarks" / "results" / "stress.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            [
                "task",
                "steps",
                "obs_outside",
                "reward_outside",
                "diverged",
                "clamped_steps",
                "farthest_m",
                "solved_episodes",
            ]
        )
        for k, name in enumerate(env.task_names):
            count = (step + 1) * int((task == k).sum())
            row = [int(column[k]) for column in (outside, rewarded, diverged, clamped)]
            writer.writerow([name, count, *row, round(float(farthest[k]), 2), int(solved[k])])
    print(
        f"{(step + 1) * n:,d} steps of {env.num_tasks} tasks in {seconds:.0f} s: {int(outside.sum())} observations and "
        f"{int(rewarded.sum())} rewards out of bounds, {int(diverged.sum())} environments diverged, "
        f"{int(clamped.sum())} steps with a clamped position; wrote {path.relative_to(ROOT)}"
    )
    return int(bool(outside.sum() + rewarded.sum()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
