"""Multi-task behaviour cloning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mtbench.learning.agents import settings as schema
from mtbench.learning.agents.offline import Batch, Offline
from mtbench.learning.networks.model import ActorCriticModel


class MTBC(Offline):
    """Regress the actions of all trajectories, good and bad, on states and the one-hot of the task.

    The network is an actor of PPO's, so that a run of it is where PPO can start: ``train=TOPPO
    pretrained=runs/NAME/nn/best.pth``, with whichever ``network=`` both share. ``cfg/train/MTBC.yaml`` lists the parameters.
    """

    name = "mtbc"
    settings = schema.MTBC
    model_class = ActorCriticModel
    model: ActorCriticModel

    @classmethod
    def model_settings(cls, params: Mapping[str, Any]) -> dict[str, Any]:
        """See :class:`~mtbench.learning.networks.model.ActorCriticModel`; there is no critic."""
        return super().model_settings(params) | {"value_norm": "none"}

    @property
    def policy_network(self) -> nn.Module:
        """The actor."""
        return self.model.network.actor

    def losses(self, batch: Batch) -> Tensor:
        """Mean squared error of the mean action."""
        windows, _ = batch
        return cloning_losses(
            self.model, self.model.network.actor(clone_inputs(self.model, windows, self.task)), windows
        )


def clone_inputs(model: ActorCriticModel, windows: Any, task: Tensor) -> Tensor:
    """The actor's inputs (B, features + K) for windows of one step."""
    one_hot = torch.nn.functional.one_hot(task, model.num_tasks).float()
    return model.normalize_obs(torch.cat((windows.features[:, -1], one_hot), 1), task)


def cloning_losses(model: ActorCriticModel, mean: Tensor, windows: Any) -> Tensor:
    """Mean squared error (K,) of mean actions (B, actions), K equal slices, against those of the windows' last step."""
    error = (mean - windows.actions[:, -1]).square().mean(1)
    return error.view(model.num_tasks, -1).mean(1)
