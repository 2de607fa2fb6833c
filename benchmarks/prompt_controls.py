"""What a prompt decides in a task that Prompt-DT has not seen: prompt and input statistics exchanged for other tasks'.

    python benchmarks/prompt_controls.py [checkpoint=runs/offline_mt10_PromptDT-1.0_s1/nn/last.pth] [episodes=50]

The checkpoint is of ``bash benchmarks/offline.sh prompt OUT 1``, which also collects the two datasets that are read here. The
wanted return is the new task's in every row. Writes benchmarks/results/offline/prompt_controls.csv.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import torch

import isaacgymenvs_tasks
from isaacgymenvs_tasks.options import read_options, whole
from mtbench.data import Trajectories
from mtbench.data.windows import WindowSampler
from mtbench.learning.agents import ALGORITHMS
from mtbench.learning.agents.checkpoint import load_checkpoint, start_from
from mtbench.learning.evaluate import Evaluator

NEW = "button_press_topdown_wall"
#: (input statistics, prompt): of a task, ``mean`` of the known ones' statistics, ``none`` where nothing is attended to
ROWS = [
    *((NEW, prompt) for prompt in (NEW, "button_press_topdown", "push", "reach", "door_open", "none")),
    *((statistics, NEW) for statistics in ("button_press_topdown", "door_open", "mean")),
]
OUT = Path(__file__).parent / "results" / "offline" / "prompt_controls.csv"


class Controls:
    """Models of the new task from one checkpoint."""

    def __init__(self, checkpoint: str) -> None:
        self.state = load_checkpoint(checkpoint)
        self.known: list[str] = list(self.state["tasks"])
        self.new = WindowSampler(Trajectories.read("datasets/wall_replay").select([NEW]))
        self.old = WindowSampler(Trajectories.read("datasets/MT10_replay").select(self.known))

    def _of(self, task: str) -> tuple[WindowSampler, int]:
        return (self.new, 0) if task in (NEW, "none") else (self.old, self.known.index(task))

    def model(self, statistics: str, prompt: str) -> Any:
        features = self.state["model_config"]["num_obs"] - self.state["model_config"]["num_tasks"]
        config = self.state["model_config"] | {"num_obs": features + 1, "num_tasks": 1}
        model: Any = ALGORITHMS[self.state["algo"]].model_class(**config)
        start_from(model, config, self.state, [NEW])  # between all known tasks
        if statistics != "mean":
            sampler, k = self._of(statistics)
            for name, values in zip(("count", "mean", "m2"), sampler.statistics(), strict=True):
                getattr(model.input_norm, name).copy_(values[k : k + 1])
        sampler, k = self._of(prompt)
        task, episode = torch.tensor([k]), sampler.best(0.1)[k, :1]
        windows = sampler.at(task, episode, sampler.lengths[task, episode] - 1, model.prompt.steps.shape[1])
        if prompt == "none":
            windows = windows._replace(valid=torch.zeros_like(windows.valid))
        model.set_prompts(windows)
        returns = torch.from_numpy(self.new.data.of_task(NEW)["return"].copy())
        model.target[0] = 1.1 * returns.quantile(0.95)
        return model


def main(arguments: list[str]) -> None:
    options = read_options(arguments, {"checkpoint": "runs/offline_mt10_PromptDT-1.0_s1/nn/last.pth", "episodes": "50"})
    episodes = whole(options, "episodes", 1)
    controls = Controls(options["checkpoint"])
    settings = {"task.env.randomInitialProgress": False, "task_id": [NEW]}
    evaluate = Evaluator(lambda n: isaacgymenvs_tasks.make("MT50", n, 12345, **settings), 1, episodes, 150)
    with OUT.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["input_statistics", "prompt", "episodes", "success", "return"])
        for statistics, prompt in ROWS:
            result = evaluate(controls.model(statistics, prompt))
            writer.writerow([statistics, prompt, episodes, f"{result.mean_success:.3f}", f"{result.returns[0]:.1f}"])
            file.flush()
            print(f"{statistics:<28}{prompt:<28}{100 * result.mean_success:6.1f} %", flush=True)
    print(f"written to {OUT}")


if __name__ == "__main__":
    main(sys.argv[1:])
