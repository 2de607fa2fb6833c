"""All per-task gradients of one network from a single forward and backward pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


class PerTaskTape:
    """Record the inputs and outputs of a network's layers, then form each task's gradient layer by layer.

    For a linear layer the gradient of task i is the product of the output gradients and the inputs over the rows of
    task i, so with the minibatch laid out as K equal slices all K gradients are one batched product, and no task needs
    a backward pass of its own. The sum of the task losses is differentiated once, down to the layers' outputs only.

    Used as a context around the forward pass::

        with PerTaskTape(network) as tape:
            losses = ...                              # (K,), task i depends on the i-th slice of rows only
        gradients, owned = tape.gradients(losses)     # (K, P)

    The P columns follow ``parameters``, flattened. The tape keeps one buffer of K x P numbers (72 MB for 50 tasks and
    358,401 parameters), which the next call of ``gradients`` writes again.

    Raises:
        TypeError: the network has parameters outside ``nn.Linear`` and ``nn.LayerNorm``.
    """

    def __init__(self, network: nn.Module) -> None:
        self.layers = [layer for layer in network.modules() if next(layer.parameters(recurse=False), None) is not None]
        for layer in self.layers:
            if not isinstance(layer, nn.Linear | nn.LayerNorm):
                raise TypeError(f"per-task gradients are written for Linear and LayerNorm, not {type(layer).__name__}")
        self.parameters: list[nn.Parameter] = [p for layer in self.layers for p in layer.parameters(recurse=False)]
        self._inputs: dict[nn.Module, Tensor] = {}
        self._outputs: dict[nn.Module, Tensor] = {}
        self._handles: list[RemovableHandle] = []
        self._buffer = torch.empty(0)

    def __enter__(self) -> PerTaskTape:
        self._inputs.clear()
        self._outputs.clear()
        self._handles = [layer.register_forward_hook(self._record) for layer in self.layers]
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _record(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if layer in self._outputs:
            raise RuntimeError("a layer ran twice within one tape; its rows would be counted once")
        self._inputs[layer], self._outputs[layer] = inputs[0].detach(), output

    def gradients(
        self, losses: Tensor, owned: Sequence[Tensor] = (), retain_graph: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the per-task gradients (K, P) of ``losses`` (K,), and the gradients of their sum for ``owned``
        tensors.
        """
        outputs = [self._outputs[layer] for layer in self.layers]
        found = torch.autograd.grad(losses.sum(), [*outputs, *owned], retain_graph=retain_graph)
        num_tasks = losses.numel()
        size = sum(parameter.numel() for parameter in self.parameters)
        if self._buffer.shape != (num_tasks, size):
            self._buffer = losses.new_empty(num_tasks, size)
        columns = iter(self._buffer.split([parameter.numel() for parameter in self.parameters], dim=1))
        for layer, flow in zip(self.layers, found, strict=False):
            rows = flow.reshape(num_tasks, -1, flow.shape[-1])
            inputs = self._inputs[layer].reshape(num_tasks, rows.shape[1], -1)
            if isinstance(layer, nn.Linear):
                shape = num_tasks, layer.out_features, layer.in_features
                torch.bmm(rows.transpose(1, 2), inputs, out=next(columns).view(shape))
            else:
                assert isinstance(layer, nn.LayerNorm)
                standardized = nn.functional.layer_norm(inputs, layer.normalized_shape, eps=layer.eps)
                torch.sum(rows * standardized, 1, out=next(columns))
            if layer.bias is not None:
                torch.sum(rows, 1, out=next(columns))
        return self._buffer, list(found[len(outputs) :])


def assign_flat(parameters: Sequence[nn.Parameter], flat: Tensor) -> None:
    """Set ``.grad`` of the parameters from a flat vector (P,)."""
    offset = 0
    for parameter in parameters:
        parameter.grad = flat[offset : offset + parameter.numel()].view_as(parameter)
        offset += parameter.numel()
