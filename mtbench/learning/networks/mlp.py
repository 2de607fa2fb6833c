"""Actor and critic as separate, task-shared ReLU MLPs (TOPPO paper, section B.2 and Table B.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from mtbench.learning.networks.base import ActorCritic

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "elu": nn.ELU, "tanh": nn.Tanh, "silu": nn.SiLU}


@dataclass(frozen=True)
class MLPSpec:
    """Shape of one side.

    Attributes:
        units: widths of the hidden layers.
        activation: relu, elu, tanh or silu.
        layer_norm: LayerNorm on every hidden layer, before the activation. Its mean subtraction makes the bias of the
            linear redundant, so those linears have none; the output linear keeps its bias.
    """

    units: Sequence[int] = (400, 400, 400)
    activation: str = "relu"
    layer_norm: bool = False


def mlp(num_inputs: int, num_outputs: int, spec: MLPSpec) -> nn.Sequential:
    """Build the layers: hidden weights He-uniform and hidden biases zero, as in Meta-World+; PyTorch's default on the
    head.
    """
    activation = _ACTIVATIONS[spec.activation]
    layers: list[nn.Module] = []
    width = num_inputs
    for units in spec.units:
        linear = nn.Linear(width, units, bias=not spec.layer_norm)
        nn.init.kaiming_uniform_(linear.weight, nonlinearity="relu")
        if linear.bias is not None:
            nn.init.zeros_(linear.bias)
        layers += [linear, nn.LayerNorm(units), activation()] if spec.layer_norm else [linear, activation()]
        width = units
    return nn.Sequential(*layers, nn.Linear(width, num_outputs))


class MLPActorCritic(ActorCritic):
    """A task-shared MLP on each side; the only structure per task is the one-hot input and the row of log_std."""

    def __init__(
        self,
        num_inputs: int,
        num_tasks: int,
        num_actions: int,
        actor: MLPSpec,
        critic: MLPSpec,
        init_log_std: float = 0.0,
    ) -> None:
        super().__init__()
        self.actor = mlp(num_inputs, num_actions, actor)
        self.critic = mlp(num_inputs, 1, critic)
        # A mean near zero at the start, so that the first actions are noise around "stay".
        for parameter in self.actor[-1].parameters():
            nn.init.uniform_(parameter, -1e-3, 1e-3)
        self.log_std = nn.Parameter(torch.full((num_tasks, num_actions), init_log_std))
