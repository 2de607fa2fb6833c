"""BRO's residual network (Nauman et al., 2024), with the sizes of MTBench's BRO PPO."""

from __future__ import annotations

from torch import Tensor, nn

from mtbench.learning.networks.base import Shape, register
from mtbench.learning.networks.layers import Activation, hidden_layers
from mtbench.schema import Layers, Width


@register("bro")
class BRO(nn.Module):
    """A layer, then residual blocks of two layers each, with LayerNorm after every linear.

    Differs from MTBench: linears before a LayerNorm have no bias, which its mean subtraction makes redundant.

    Args:
        shape: sizes.
        width: of all layers.
        blocks: residual blocks.
        activation: after the first layer and inside the blocks.
        layer_norm: false leaves the LayerNorms out.
    """

    def __init__(
        self, shape: Shape, width: Width, blocks: Layers, activation: Activation, layer_norm: bool = True
    ) -> None:
        super().__init__()

        def layer(inputs: int, activation: str) -> list[nn.Module]:
            return hidden_layers(inputs, [width], activation, layer_norm)

        self.first = nn.Sequential(*layer(shape.features + shape.tasks, activation))
        self.blocks = nn.ModuleList(
            nn.Sequential(*layer(width, activation), *layer(width, "linear")) for _ in range(blocks)
        )
        self.head = nn.Linear(width, shape.outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.first(inputs)
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return self.head(hidden)
