"""MOORE: a mixture of orthogonal experts (Hendawy et al., 2024; MTBench, Table 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Len
from torch import Tensor, nn

from mtbench.learning.networks.base import Shape, register
from mtbench.learning.networks.layers import (
    Activation,
    apply_head,
    by_tasks,
    expert_mlp,
    make_activation,
    make_head,
    mix,
    task_mlp,
)
from mtbench.schema import Layers, Width, Widths


@register("moore")
class MOORE(nn.Module):
    """Experts represent the observation, Gram-Schmidt makes their representations orthonormal in every row, and the task
    weighs them.

    Differs from MTBench: experts start as independent He-initialized layers with zero biases (there biases start in
    [0, 1] and Xavier's fan is computed from the expert axis), and a representation that the earlier ones span gives zero
    (there its norm divides unguarded).

    Args:
        shape: sizes.
        experts: None: 4 for up to 10 tasks, 6 for more.
        layers: linear layers of an expert, the last without an activation.
        width: of the experts' layers.
        activation: between an expert's layers.
        mixing: activations before and after the representations are weighed.
        task_units: hidden layers of the task encoder.
        task_bias: biases in the task encoder.
        multi_head: an output layer for every task; else one for all, which sees the one-hot too.
        layer_norm: LayerNorm on the experts' hidden layers.
    """

    def __init__(
        self,
        shape: Shape,
        experts: Layers | None,
        layers: Layers,
        width: Width,
        activation: Activation,
        mixing: Annotated[Sequence[Activation], Len(2, 2)],
        task_units: Widths,
        task_bias: bool,
        multi_head: bool,
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        self.shape = shape
        experts = by_tasks(experts, shape.tasks, 4, 6)
        self.experts = expert_mlp(experts, shape.features, [width] * layers, activation, layer_norm)
        self.task_encoder = task_mlp(shape.tasks, task_units, experts, activation, task_bias)
        if len(mixing) != 2:
            raise ValueError(f"mixing={mixing} of network moore must be two activations, before and after the weighing")
        self.before, self.after = (make_activation(name) for name in mixing)
        self.head = make_head(width + (0 if multi_head else shape.tasks), shape.tasks, shape.outputs, multi_head)

    def forward(self, inputs: Tensor) -> Tensor:
        features, one_hot = self.shape.split(inputs)
        representations = self.before(orthonormalize(self.experts(features)))
        hidden = self.after(mix(self.task_encoder(one_hot), representations))
        if isinstance(self.head, nn.Linear):
            hidden = torch.cat((hidden, one_hot), dim=1)
        return apply_head(self.head, hidden, one_hot)


def orthonormalize(x: Tensor) -> Tensor:
    """Gram-Schmidt over the experts of every row, all at once: (n, E, d) -> (n, E, d), E <= d.

    With ``X X' = L L'`` the rows of ``L^-1 X`` are what Gram-Schmidt makes of the rows of X, in order, up to rounding. A
    ridge of the size of the rounding keeps L invertible where a row lies in the span of those before it; that row becomes
    nearly zero instead of noise. Only E x E matrices are factorized.
    """
    gram = x @ x.transpose(1, 2)
    scale = gram.diagonal(dim1=1, dim2=2).clamp_min(1e-12).rsqrt()  # of rows to length 1, for the conditioning
    ridge = 16.0 * torch.finfo(x.dtype).eps * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    factor = torch.linalg.cholesky_ex(gram * scale.unsqueeze(1) * scale.unsqueeze(2) + ridge).L
    return torch.linalg.solve_triangular(factor, scale.diag_embed(), upper=False) @ x
