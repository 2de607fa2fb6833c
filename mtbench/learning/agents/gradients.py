"""All per-task gradients of one network from a single forward and backward pass."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mtbench.learning import distributed

Rule = Callable[[nn.Module, Tensor, Tensor, Sequence[Tensor]], None]


class PerTaskTape:
    """Record the inputs and outputs of a network's layers, then form each task's gradient layer by layer.

    For a linear layer the gradient of task i is the product of the output gradients and the inputs over the rows of
    task i, so with the minibatch laid out as K equal slices all K gradients are one batched product, and no task needs
    a backward pass of its own. The sum of the task losses is differentiated once, down to the layers' outputs only.

    Used as a context around the forward pass::

        with PerTaskTape(network, owned) as tape:
            losses = ...                              # (K,), task i depends on the i-th slice of rows only
        gradients, own = tape.gradients(losses, owned)     # (K, P)

    The P columns follow ``parameters``, flattened. The tape keeps one buffer of K x P numbers (72 MB for 50 tasks and
    358,401 parameters), which the next call of ``gradients`` writes again.

    It has rules for ``nn.Linear`` and ``nn.LayerNorm``, and uses a layer's own method
    ``task_gradients(inputs, flow, out)`` where there is one: from the layer's inputs (K, m, ...) and the gradient of its
    output (K, m, ...), the first axis of both being the row before it was cut into K slices, it writes the gradient of
    each of its parameters to ``out``, (K, size) in their order. Any other parameter, and any of a layer that ran more
    than once, gets its K gradients from K backward passes: the same numbers, more slowly.

    Args:
        network: its parameters, without those that are ``owned`` or frozen, are the P columns.
        owned: parameters that belong to one task a row; they have no per-task gradients.
    """

    def __init__(self, network: nn.Module, owned: Sequence[nn.Parameter] = ()) -> None:
        left_out = {id(parameter) for parameter in owned}
        self.parameters = [p for p in network.parameters() if p.requires_grad and id(p) not in left_out]
        shared = {id(parameter) for parameter in self.parameters}
        modules = list(network.modules())
        users = Counter(id(p) for module in modules for p in module.parameters(recurse=False))
        #: layers with a rule all of whose parameters are theirs alone
        self.rules: dict[nn.Module, Rule] = {}
        for module in modules:
            mine = [id(p) for p in module.parameters(recurse=False)]
            rule = _RULES.get(type(module)) or getattr(type(module), "task_gradients", None)
            if rule is not None and mine and all(p in shared and users[p] == 1 for p in mine):
                self.rules[module] = rule
        self._inputs: dict[nn.Module, list[Tensor]] = {}
        self._outputs: dict[nn.Module, list[Tensor]] = {}
        self._handles: list[RemovableHandle] = []
        self._buffer = torch.empty(0)
        self._warned = False

    def __enter__(self) -> PerTaskTape:
        self._inputs = {layer: [] for layer in self.rules}
        self._outputs = {layer: [] for layer in self.rules}
        self._handles = [layer.register_forward_hook(self._record) for layer in self.rules]
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _record(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._inputs[layer].append(inputs[0].detach())
        self._outputs[layer].append(output)

    def gradients(
        self, losses: Tensor, owned: Sequence[Tensor] = (), retain_graph: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the per-task gradients (K, P) of ``losses`` (K,), and the gradients of their sum for ``owned``
        tensors.
        """
        layers = [layer for layer, outputs in self._outputs.items() if len(outputs) == 1]
        covered = {id(p) for layer in layers for p in layer.parameters(recurse=False)}
        others = [p for p in self.parameters if id(p) not in covered]
        outputs = [self._outputs[layer][0] for layer in layers]
        keep = retain_graph or bool(others)
        found = torch.autograd.grad(
            losses.sum(), [*outputs, *owned], retain_graph=keep, allow_unused=True, materialize_grads=True
        )
        num_tasks = losses.numel()
        sizes = [parameter.numel() for parameter in self.parameters]
        if self._buffer.shape != (num_tasks, sum(sizes)):
            self._buffer = losses.new_empty(num_tasks, sum(sizes))
        columns = {id(p): c for p, c in zip(self.parameters, self._buffer.split(sizes, dim=1), strict=True)}
        for layer, flow in zip(layers, found, strict=False):
            out = [columns[id(parameter)] for parameter in layer.parameters(recurse=False)]
            rows = (num_tasks, -1)
            self.rules[layer](layer, self._inputs[layer][0].unflatten(0, rows), flow.unflatten(0, rows), out)
        if others:
            self._by_backward_passes(losses, others, [columns[id(p)] for p in others], retain_graph)
        return self._buffer, list(found[len(outputs) :])

    def _by_backward_passes(
        self, losses: Tensor, parameters: Sequence[nn.Parameter], columns: Sequence[Tensor], retain_graph: bool
    ) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"per-task gradients of {sum(p.numel() for p in parameters):,} parameters take a backward pass a task; "
                "docs/adding_a_network.md says how to avoid that",
                stacklevel=3,
            )
        for i, loss in enumerate(losses):
            keep = retain_graph or i + 1 < losses.numel()
            found = torch.autograd.grad(loss, parameters, retain_graph=keep, allow_unused=True, materialize_grads=True)
            for column, gradient in zip(columns, found, strict=True):
                column[i] = gradient.flatten()


def jacobian_norms(tape: PerTaskTape, network: nn.Module, inputs: Tensor) -> Tensor:
    """How strongly the shared parameters move a network's output: root mean square over each task's samples of
    ``|dz / d theta|``, (K,) float64, averaged over all ranks.

    Args:
        tape: of the network; its parameters are theta.
        network: (n, inputs) -> (n, 1), z.
        inputs: (K, m, inputs), m samples of each task.
    """
    total = torch.zeros(inputs.shape[0], dtype=torch.float64, device=inputs.device)
    for rows in inputs.unbind(1):  # a sample of each task at a time, so that "task gradients" are those of samples
        with tape:
            outputs = network(rows).squeeze(1)
        gradients, _ = tape.gradients(outputs)
        total += torch.linalg.vector_norm(gradients, dim=1, dtype=torch.float64).square()
    return distributed.average(total / inputs.shape[1]).sqrt()


def _linear(layer: nn.Module, inputs: Tensor, flow: Tensor, out: Sequence[Tensor]) -> None:
    inputs, flow = inputs.flatten(1, -2), flow.flatten(1, -2)
    shape = flow.shape[0], flow.shape[2], inputs.shape[2]
    torch.bmm(flow.transpose(1, 2), inputs, out=out[0].view(shape))
    if len(out) == 2:
        torch.sum(flow, 1, out=out[1])


def _layer_norm(layer: nn.Module, inputs: Tensor, flow: Tensor, out: Sequence[Tensor]) -> None:
    assert isinstance(layer, nn.LayerNorm)
    standardized = nn.functional.layer_norm(inputs, layer.normalized_shape, eps=layer.eps)
    axes = len(layer.normalized_shape)
    torch.sum((flow * standardized).flatten(-axes).flatten(1, -2), 1, out=out[0])
    if len(out) == 2:
        torch.sum(flow.flatten(-axes).flatten(1, -2), 1, out=out[1])


_RULES: dict[type[nn.Module], Rule] = {nn.Linear: _linear, nn.LayerNorm: _layer_norm}


def assign_flat(parameters: Sequence[nn.Parameter], flat: Tensor) -> None:
    """Set ``.grad`` of the parameters from a flat vector (P,)."""
    offset = 0
    for parameter in parameters:
        parameter.grad = flat[offset : offset + parameter.numel()].view_as(parameter)
        offset += parameter.numel()
