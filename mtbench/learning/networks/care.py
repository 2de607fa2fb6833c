"""CARE: experts attended to by a description of the task in words (Sodhani et al., 2021; MTBench, Table 3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mtbench.learning.errors import UserError, nearest
from mtbench.learning.networks.base import Shape, register
from mtbench.learning.networks.layers import (
    Activation,
    TaskEncoder,
    apply_head,
    expert_mlp,
    hidden_layers,
    make_head,
    mix,
)
from mtbench.resources import locate
from mtbench.schema import FilePath, Layers, Positive, Width, Widths


@register("care")
class CARE(nn.Module):
    """A context made from the task's description attends to the experts' representations of the observation; an MLP goes
    on from the attended representation and the context.

    Differs from MTBench: descriptions are embedded in 384 dimensions, not 768 (:mod:`.embed_tasks`), and experts
    start as independent He-initialized layers with zero biases (there biases start in [0, 1] and Xavier's fan is computed
    from the expert axis). As there, no gradient reaches the context through the attention.

    Args:
        shape: sizes.
        tasks: the K task names in order.
        embeddings: file of the descriptions' embeddings, see :func:`mtbench.resources.locate`.
        experts: number of experts.
        layers: linear layers of an expert, the last without an activation.
        width: of the experts' layers.
        temperature: of the softmax over experts.
        attention_units: hidden layers after the attention.
        context_units: hidden layers that end in the context; the last width is that of the experts.
        units: hidden layers of the MLP.
        activation: of all hidden layers.
        multi_head: an output layer for every task.
        layer_norm: LayerNorm on the hidden layers that see the observation.

    Raises:
        UserError: a task without an embedding.
    """

    def __init__(
        self,
        shape: Shape,
        tasks: Sequence[str],
        embeddings: FilePath,
        experts: Layers,
        layers: Layers,
        width: Width,
        temperature: Positive,
        attention_units: Widths,
        context_units: Widths,
        units: Widths,
        activation: Activation,
        multi_head: bool,
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.temperature = temperature
        described = load_embeddings(embeddings, tasks)
        if len(described) != shape.tasks:
            raise ValueError(f"network care was given {len(described)} task names for {shape.tasks} tasks")
        if list(context_units)[-1:] != [width]:
            raise ValueError(f"context_units={context_units} of network care must end in its experts' width, {width}")
        size = described.shape[1]
        self.context = TaskEncoder(described.relu(), hidden_layers(size, [2 * size, size, *context_units], activation))
        self.experts = expert_mlp(experts, shape.features, [width] * layers, activation, layer_norm)
        self.attended = nn.Sequential(*hidden_layers(width, attention_units, activation, layer_norm))
        joint = [width, *attention_units][-1] + width
        self.trunk = nn.Sequential(*hidden_layers(joint, units, activation, layer_norm))
        self.head = make_head([joint, *units][-1], shape.tasks, shape.outputs, multi_head)

    def forward(self, inputs: Tensor) -> Tensor:
        features, one_hot = self.shape.split(inputs)
        context = self.context(one_hot)
        representations = self.experts(features)
        scores = (representations @ context.detach().unsqueeze(2)).squeeze(2)
        attended = self.attended(mix(torch.softmax(scores / self.temperature, 1), representations))
        return apply_head(self.head, self.trunk(torch.cat((attended, context), dim=1)), one_hot)


def load_embeddings(path: str, tasks: Sequence[str]) -> Tensor:
    """Return the embeddings (K, size) float32 of the tasks' descriptions, scaled to a root mean square of 1.

    Args:
        path: of what ``python -m mtbench.learning.networks.embed_tasks`` writes, see :func:`mtbench.resources.locate`.
        tasks: names.

    Raises:
        UserError: no such file, or a task that is not in it.
    """
    file = locate(path)
    if not file.is_file():
        raise UserError(f"network care: there is no file of task embeddings '{path}'")
    with np.load(file) as data:
        names, vectors = data["names"].tolist(), data["vectors"].astype(np.float32)
    for task in tasks:
        if task not in names:
            raise UserError(
                f"network care needs a description of every task, and '{path}' has none of '{task}'"
                f"{nearest(task, names)}; mtbench/learning/networks/embed_tasks.py makes such a file"
            )
    chosen = torch.from_numpy(vectors[[names.index(task) for task in tasks]])
    return chosen / chosen.square().mean(1, keepdim=True).sqrt()
