"""PaCo: parameters composed for every task (Sun et al., 2022; MTBench, Table 3)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from mtbench.learning.networks.base import Shape, register
from mtbench.learning.networks.layers import Activation, ExpertLinear, TaskTable, by_tasks, make_activation, mix
from mtbench.schema import Layers, Width


@register("paco")
class PaCo(nn.Module):
    """An MLP whose parameters are, for task i, ``sum_s w_is phi_s``: S parameter sets that all tasks share, and weights w
    that are the softmax of a row owned by the task.

    A layer that is linear in its parameters may be composed after it as well as before, which works for rows of any task
    in any order: each set gives its output, and the task weighs the outputs.

    Differs from MTBench: the S sets are drawn independently (there all S start as copies of one, and only the task
    weights tell them apart), scaled so that their average has He's variance; and actor and critic share nothing, as
    MTBench's Table 3 has it (there PaCo alone shares the trunk). Its separate learning rate for w has no effect there
    and is left out.

    Args:
        shape: sizes.
        sets: S; None: 5 for up to 10 tasks, 20 for more.
        layers: hidden layers.
        width: of the hidden layers.
        activation: of the hidden layers.
        layer_norm: LayerNorm on every composed hidden layer, before the activation.
    """

    def __init__(
        self,
        shape: Shape,
        sets: Layers | None,
        layers: Layers,
        width: Width,
        activation: Activation,
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        self.shape = shape
        sets = by_tasks(sets, shape.tasks, 5, 20)
        self.compositions = TaskTable(shape.tasks, sets)
        nn.init.orthogonal_(self.compositions.weight)
        # Averaging S independent sets divides the variance by S.
        widths = [shape.features, *[width] * layers]
        self.layers = nn.ModuleList(
            ExpertLinear(sets, inputs, outputs, not layer_norm, gain=(2.0 * sets) ** 0.5)
            for inputs, outputs in pairwise(widths)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) if layer_norm else nn.Identity() for _ in range(layers))
        self.activation = make_activation(activation)
        self.head = ExpertLinear(sets, widths[-1], shape.outputs, gain=(sets / 3.0) ** 0.5)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden, one_hot = self.shape.split(inputs)
        weights = torch.softmax(self.compositions(one_hot), 1)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            hidden = self.activation(norm(mix(weights, layer(hidden))))
        return mix(weights, self.head(hidden))
