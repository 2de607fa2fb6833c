"""The MLP, plain, with a head for every task, or with a learned task embedding."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from mtbench.learning.networks.base import Shape, register
from mtbench.learning.networks.layers import Activation, TaskTable, apply_head, hidden_layers, make_head
from mtbench.schema import Widths


@register("mlp")
class MLP(nn.Sequential):
    """A multilayer perceptron on observation and one-hot.

    Task-shared it is the TOPPO paper's network (section B.2 and Table B.1: ReLU, 400-400-400). With ``multi_head`` it is
    MTBench's multi-head ([256, 128, 64] ELU), and with different settings on the two sides MTBench's asymmetric
    actor and critic. MTBench gives a side with several heads one action deviation for all tasks; here every task has its
    own (:class:`~mtbench.learning.networks.base.ActorCritic`).

    Args:
        shape: sizes.
        units: widths of the hidden layers.
        activation: relu, elu, tanh or silu.
        layer_norm: LayerNorm on every hidden layer, before the activation.
        multi_head: an output layer for every task, owned by it.
        task_embedding: width of a learned vector a task, owned by it, in place of the one-hot; 0: the one-hot.
    """

    def __init__(
        self,
        shape: Shape,
        units: Widths,
        activation: Activation,
        layer_norm: bool = False,
        multi_head: bool = False,
        task_embedding: Annotated[int, Ge(0), Le(16384)] = 0,
    ) -> None:
        first = [EmbedTask(shape, task_embedding)] if task_embedding else []
        inputs = shape.features + (task_embedding or shape.tasks)
        hidden = hidden_layers(inputs, units, activation, layer_norm)
        head = make_head([inputs, *units][-1], shape.tasks, shape.outputs, multi_head)
        super().__init__(*first, *hidden, head)
        self.shape = shape

    @property
    def head(self) -> nn.Module:
        """The output layer."""
        return self[-1]

    def forward(self, inputs: Tensor) -> Tensor:
        *layers, head = self
        hidden = inputs
        for layer in layers:
            hidden = layer(hidden)
        return apply_head(head, hidden, self.shape.split(inputs)[1])


class EmbedTask(nn.Module):
    """Put a learned vector in the place of the one-hot: (n, features + K) -> (n, features + width)."""

    def __init__(self, shape: Shape, width: int) -> None:
        super().__init__()
        self.shape = shape
        self.table = TaskTable(shape.tasks, width)

    def forward(self, inputs: Tensor) -> Tensor:
        features, one_hot = self.shape.split(inputs)
        return torch.cat((features, self.table(one_hot)), dim=1)
