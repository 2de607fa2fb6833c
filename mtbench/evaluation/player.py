"""rl-games' player: what ``test=True`` runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from mtbench.evaluation.evaluate import Evaluator
from mtbench.learning.agents.checkpoint import load_checkpoint
from mtbench.learning.networks.model import MultiTaskModel


class MTPPOPlayer:
    """Loads a policy, evaluates it, prints the table and writes ``evaluation.csv`` beside the run's config.

    Args:
        params: rl-games' parameters of the training run.
        evaluator: its episodes.
    """

    def __init__(self, params: dict[str, Any], evaluator: Evaluator) -> None:
        self.config, self.evaluator = params["config"], evaluator

    def restore(self, fn: str) -> None:
        """Build the network the checkpoint describes and load it."""
        state = load_checkpoint(fn)
        self.model = MultiTaskModel(**state["model_config"], value_norm_options=self.config["value_norm_options"])
        self.model.load_state_dict(state["model"])
        self.model.to(torch.device(self.config["device"]))

    def run(self) -> None:
        """Evaluate."""
        result = self.evaluator(self.model)
        target = Path(self.config["train_dir"]) / str(self.config["full_experiment_name"]) / "evaluation.csv"
        target.parent.mkdir(parents=True, exist_ok=True)
        result.write(target)
        print(f"{result.table()}\nwritten to {target}")
