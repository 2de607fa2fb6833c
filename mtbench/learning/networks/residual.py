"""The residual network of MTBench's PQN (its Table 5: residual connections, LayerNorm, width 256)."""

from __future__ import annotations

from torch import Tensor, nn

from mtbench.learning.networks.base import Shape, register
from mtbench.learning.networks.layers import Activation, make_activation
from mtbench.schema import Layers, Width


@register("residual_mlp")
class ResidualMLP(nn.Module):
    """A projection, then residual blocks of two linears with a LayerNorm after each, and a linear head.

    Differs from MTBench: there one block is built whatever the number asked for.

    Args:
        shape: sizes.
        width: of all layers.
        blocks: residual blocks.
        activation: relu, elu, tanh or silu.
        layer_norm: false leaves the LayerNorms out.
    """

    def __init__(
        self, shape: Shape, width: Width, blocks: Layers, activation: Activation, layer_norm: bool = True
    ) -> None:
        super().__init__()

        def norm() -> list[nn.Module]:
            return [nn.LayerNorm(width)] if layer_norm else []

        first = _linear(shape.features + shape.tasks, width)
        self.first = nn.Sequential(first, make_activation(activation), *norm())
        self.blocks = nn.ModuleList(
            nn.Sequential(
                _linear(width, width), *norm(), make_activation(activation), _linear(width, width, 1.0), *norm()
            )
            for _ in range(blocks)
        )
        self.activation = make_activation(activation)
        self.head = _linear(width, shape.outputs, 1.0)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.first(inputs)
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return self.head(self.activation(hidden))


def _linear(inputs: int, outputs: int, gain: float = 2.0**0.5) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer
