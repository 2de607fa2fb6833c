"""A linear layer of which every task has its own part."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MaskedLinear(nn.Linear):
    """``nn.Linear`` whose weight task i uses where its mask is 1: K masked layers as one batched product.

    The rows of an input are K equal slices, the first axis cut in task order; biases are shared. With ``masking`` off, and
    for any number of rows then, it is ``nn.Linear``.

    Attributes:
        masks: (K, out, in) bool.
        masking: whether masks are applied.
    """

    masks: Tensor

    def __init__(self, tasks: int, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.register_buffer("masks", torch.ones(tasks, outputs, inputs, dtype=torch.bool))
        self.masking = True

    def forward(self, input: Tensor) -> Tensor:
        """Map (K m, ..., in) to (K m, ..., out)."""
        if not self.masking:
            return F.linear(input, self.weight, self.bias)
        tasks = len(self.masks)
        weight = self.weight * self.masks  # (K, out, in)
        rows = input.reshape(tasks, -1, input.shape[-1])
        out = torch.baddbmm(self.bias, rows, weight.transpose(1, 2))
        return out.view(*input.shape[:-1], out.shape[-1])

    def task_gradients(self, inputs: Tensor, flow: Tensor, out: Sequence[Tensor]) -> None:
        """Write the per-task gradients, see :mod:`mtbench.learning.agents.gradients`: inputs (K, m, ..., in), flow
        (K, m, ..., out)."""
        inputs, flow = inputs.flatten(1, -2), flow.flatten(1, -2)
        product = out[0].view(flow.shape[0], *self.weight.shape)
        torch.bmm(flow.transpose(1, 2), inputs, out=product)
        if self.masking:
            product.mul_(self.masks)
        torch.sum(flow, 1, out=out[1])


def masked_layers(network: nn.Module) -> list[MaskedLinear]:
    """The masked layers of a network."""
    return [module for module in network.modules() if isinstance(module, MaskedLinear)]


def set_masking(network: nn.Module, on: bool) -> None:
    """Apply the masks of a network, or leave them out."""
    for layer in masked_layers(network):
        layer.masking = on


def get_masks(network: nn.Module) -> Tensor:
    """(K, P) bool, the masks of all masked layers' weights, flattened."""
    return torch.cat([layer.masks.flatten(1) for layer in masked_layers(network)], 1)


def put_masks(network: nn.Module, masks: Tensor) -> None:
    """The inverse of :func:`get_masks`."""
    layers = masked_layers(network)
    parts = masks.split([layer.weight.numel() for layer in layers], 1)
    for layer, part in zip(layers, parts, strict=True):
        layer.masks.copy_(part.view_as(layer.masks))
