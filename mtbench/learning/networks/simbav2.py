"""SimBa-V2: features and weights on hyperspheres (Lee et al., 2025), with the sizes of MTBench's SimBa-V2 PPO."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtbench.learning.errors import UserError
from mtbench.learning.networks.base import Shape, register
from mtbench.schema import Layers, Width

_SHIFT = 3.0  # appended to an observation, so that normalizing it keeps its length (section 4.1 of the paper)
_EXPANSION = 4  # width of a block's inside over its outside


@register("simbav2")
class SimBaV2(nn.Module):
    """Residual blocks that move a unit vector towards another; every row of every weight matrix has length one.

    :meth:`project` puts the rows back to length one and is called after every optimizer step.

    Differs from MTBench: there the weights are never put back, and scalers start at the square of their value (a block
    moves 1/9 instead of 1/3 of the way in the critic).

    Args:
        shape: sizes.
        width: H, of the features.
        blocks: residual blocks.
        layer_norm: must be false; the network normalizes by itself.
    """

    behind_one_hot = {"embedding.0.weight": 1}  # the constant that is put behind the inputs

    def __init__(self, shape: Shape, width: Width, blocks: Layers, layer_norm: bool = False) -> None:
        super().__init__()
        if layer_norm:
            raise UserError("network simbav2 normalizes by itself and takes no LayerNorm; add critic.layer_norm=false")
        start = (2.0 / width) ** 0.5
        self.embedding = nn.Sequential(
            _linear(shape.features + shape.tasks + 1, width), Scaler(width, start, start), Normalize()
        )
        self.blocks = nn.ModuleList(Block(width, start, 1.0 / (blocks + 1)) for _ in range(blocks))
        self.hidden = nn.Sequential(_linear(width, width), Scaler(width, 1.0, 1.0))
        self.head = nn.Linear(width, shape.outputs)
        nn.init.zeros_(self.head.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        x = self.embedding(F.normalize(F.pad(inputs, (0, 1), value=_SHIFT), dim=1))
        for block in self.blocks:
            x = block(x)
        return self.head(self.hidden(x))

    def project(self) -> None:
        """Scale every row of every weight matrix to length one."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                module.weight.copy_(F.normalize(module.weight, dim=1))


class Block(nn.Module):
    """Move a unit vector (n, H) by learned shares, one an entry, towards the output of a small MLP."""

    def __init__(self, width: int, start: float, share: float) -> None:
        super().__init__()
        inside, start = _EXPANSION * width, start / _EXPANSION**0.5
        self.mlp = nn.Sequential(
            _linear(width, inside), Scaler(inside, start, start), nn.ReLU(), _linear(inside, width), Normalize()
        )
        self.share = Scaler(width, share, width**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x + self.share(self.mlp(x) - x), dim=1)


class Scaler(nn.Module):
    """A factor for every entry of (n, size).

    Args:
        size: number of factors.
        start: their first value.
        scale: first value of the parameter behind them; the larger, the less a step of Adam changes the factor.
    """

    def __init__(self, size: int, start: float, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((size,), scale))
        self.factor = start / scale

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * self.weight * x

    def task_gradients(self, inputs: Tensor, flow: Tensor, out: Sequence[Tensor]) -> None:
        """Write the per-task gradients (K, size) for inputs and output gradients (K, m, size)."""
        torch.sum(self.factor * flow * inputs, 1, out=out[0])


class Normalize(nn.Module):
    """Scale every row of (n, size) to length one."""

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=1)


def _linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.orthogonal_(layer.weight)
    return layer
