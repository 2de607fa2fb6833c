"""A multi-task environment small enough for tests: K point masses, rewards spread over orders of magnitude.

It follows the contract of the real environments (``isaacgymenvs_tasks.make``), so the learner cannot tell them apart.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor

TASKS = {"near": 1.0, "far": 100.0, "left": 0.01, "right": 10.0}


class PointMass:
    """Move a point to a goal: task ``i`` starts the goal in its own quadrant and scales the reward by ``TASKS``.

    Features (6): position, goal, offset to the goal. Actions (2): displacement, 0.1 a step. Success: closer than 0.15.
    Tasks at odd positions terminate on success, the others run to the time limit.
    """

    def __init__(self, cfg: dict[str, Any], num_envs: int, seed: int, device: str) -> None:
        options = cfg["env"]
        unknown = [name for name in options["tasks"] if name not in TASKS]
        if unknown:
            raise ValueError(f"unknown task '{unknown[0]}'; choose from {', '.join(TASKS)}")
        self.task_names = list(options["tasks"])
        self.num_tasks, self.num_envs, self.num_actions = len(self.task_names), num_envs, 2
        self.num_obs = 6 + self.num_tasks
        self.max_episode_length = int(options["episodeLength"])
        self.random_progress = bool(options["randomInitialProgress"])
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (self.num_obs,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (self.num_actions,), np.float32)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.device = device
        self.task_index = torch.sort(torch.arange(num_envs, device=device) % self.num_tasks).values
        self.one_hot = torch.nn.functional.one_hot(self.task_index, self.num_tasks).float()
        self.scale = torch.tensor([TASKS[name] for name in self.task_names], device=device)[self.task_index]
        self.terminates = self.task_index % 2 == 1
        angle = self.task_index * (2.0 * torch.pi / self.num_tasks)
        self.centre = 0.6 * torch.stack((torch.cos(angle), torch.sin(angle)), dim=1)
        self.buffers = {
            "position": torch.zeros(num_envs, 2, device=device),
            "goal": torch.zeros(num_envs, 2, device=device),
            "progress": torch.zeros(num_envs, dtype=torch.long, device=device),
            "return": torch.zeros(num_envs, device=device),
            "success": torch.zeros(num_envs, dtype=torch.bool, device=device),
        }

    def _reset_where(self, mask: Tensor) -> None:
        noise = torch.rand(self.num_envs, 4, generator=self.generator, device=self.device) - 0.5
        rows = mask.unsqueeze(1)
        state = self.buffers
        state["position"] = torch.where(rows, 0.2 * noise[:, :2], state["position"])
        state["goal"] = torch.where(rows, self.centre + 0.3 * noise[:, 2:], state["goal"])
        for name in ("progress", "return", "success"):
            state[name] = state[name].masked_fill(mask, 0)

    def _observe(self) -> Tensor:
        position, goal = self.buffers["position"], self.buffers["goal"]
        return torch.cat((position, goal, goal - position, self.one_hot), dim=1)

    def reset(self) -> dict[str, Tensor]:
        self._reset_where(torch.ones(self.num_envs, dtype=torch.bool, device=self.device))
        if self.random_progress:
            self.buffers["progress"] = torch.randint(
                self.max_episode_length, (self.num_envs,), generator=self.generator, device=self.device
            )
        return {"obs": self._observe()}

    def share_starts(self, source: Tensor) -> dict[str, Tensor]:
        self.buffers["position"] = self.buffers["position"][source]
        self.buffers["goal"] = self.buffers["goal"][source]
        return {"obs": self._observe()}

    def step(self, actions: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor, dict[str, Any]]:
        state = self.buffers
        state["position"] = state["position"] + 0.1 * actions.clamp(-1.0, 1.0)
        distance = (state["goal"] - state["position"]).norm(dim=1)
        reached = distance < 0.15
        reward = self.scale * (reached.float() - distance.clamp_max(2.0))
        state["progress"] = state["progress"] + 1
        state["return"] = state["return"] + reward
        state["success"] = state["success"] | reached
        terminated = reached & self.terminates
        time_outs = (state["progress"] >= self.max_episode_length) & ~terminated
        done = terminated | time_outs
        final_obs = self._observe()
        extras = {
            "time_outs": time_outs,
            "final_obs": final_obs,
            "finished": {
                "mask": done,
                "return": state["return"].clone(),
                "length": state["progress"].clone(),
                "success": state["success"].clone(),
            },
            "diverged": torch.zeros((), dtype=torch.long, device=self.device),
            "overflow": torch.zeros((), dtype=torch.long, device=self.device),
            "task_indices": self.task_index,
            "ordered_task_names": self.task_names,
        }
        self._reset_where(done)
        return {"obs": self._observe()}, reward, done, extras

    def get_env_state(self) -> dict[str, Any]:
        return {**{k: v.clone() for k, v in self.buffers.items()}, "generator": self.generator.get_state()}

    def set_env_state(self, state: dict[str, Any]) -> None:
        self.buffers = {name: state[name].clone().to(self.device) for name in self.buffers}
        self.generator.set_state(state["generator"])


def make(cfg: Any, *, num_envs: int, seed: int, sim_device: str = "cpu", rl_device: str = "cpu") -> PointMass:
    """Environment factory with the signature of ``isaacgymenvs_tasks.make``."""
    return PointMass(cfg, num_envs, seed, rl_device)
