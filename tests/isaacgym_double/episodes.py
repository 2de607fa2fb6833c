"""Steps a task set and saves what was seen: ``python episodes.py ENGINE TASKS NUM_ENVS STEPS OUT``.

ENGINE is mujoco, or isaacgym with this folder on PYTHONPATH.
"""

from __future__ import annotations

import os
import sys
from typing import Any

os.environ["MTBENCH_PHYSICS_ENGINE"] = sys.argv[1]
if sys.argv[1] == "isaacgym":
    from isaacgym import gymapi  # before torch

import torch

import isaacgymenvs_tasks


def episodes(tasks: str, num_envs: int, steps: int) -> dict[str, Any]:
    """Random actions, the same for every engine, over episodes of eight steps that end in their own time."""
    env = isaacgymenvs_tasks.make(tasks, num_envs=num_envs, seed=3, **{"task.env.episodeLength": 8})
    rows: dict[str, list[torch.Tensor]] = {"obs": [env.reset()["obs"]], "reward": [], "done": [], "final_obs": []}
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        actions = 2.0 * torch.rand(num_envs, 4, generator=generator) - 1.0
        obs, reward, done, extras = env.step(actions)
        for column, value in zip(rows.values(), (obs["obs"], reward, done, extras["final_obs"]), strict=True):
            column.append(value.clone())
    env.random_initial_progress = False  # as an evaluation does: go back to where it began
    begun = env.reset()["obs"]
    start = env.get_env_state()
    env.step(actions)
    again = env.set_env_state(start)
    seen = {name: torch.stack(column) for name, column in rows.items()}
    return seen | {"begun": begun, "again": None if again is None else again["obs"]}


if __name__ == "__main__":
    result = episodes(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    if sys.argv[1] == "isaacgym":
        result["calls"] = dict(gymapi.CALLS)
    torch.save(result, sys.argv[5])
