"""The layers architectures are made of. The first axis of every tensor is the row, also where experts come second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtbench.learning.errors import unknown
from mtbench.learning.networks.base import TaskOwned

Activation = Literal["relu", "elu", "tanh", "silu", "linear"]
_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "silu": nn.SiLU,
    "linear": nn.Identity,
}


def make_activation(name: str) -> nn.Module:
    """Return the activation ``name``: relu, elu, tanh, silu or linear (none)."""
    if name not in _ACTIVATIONS:
        raise unknown("activation", name, _ACTIVATIONS)
    return _ACTIVATIONS[name]()


def _bound(gain: float, fan_in: int) -> float:
    return 3.0**0.5 * (gain / fan_in**0.5)


class ExpertLinear(nn.Module):
    """E linear layers in one batched product.

    ``weight`` (E, in, out) and ``bias`` (E, 1, out) start as E independent layers of He's uniform initialization with
    bias zero. (MTBench's start with biases in [0, 1] and with a fan computed from the expert axis.)
    """

    bias: nn.Parameter | None

    def __init__(self, experts: int, inputs: int, outputs: int, bias: bool = True, gain: float = 2.0**0.5) -> None:
        super().__init__()
        self.experts = experts
        bound = _bound(gain, inputs)
        self.weight = nn.Parameter(torch.empty(experts, inputs, outputs).uniform_(-bound, bound))
        self.register_parameter("bias", nn.Parameter(torch.zeros(experts, 1, outputs)) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, E, in), or (n, in) seen by all experts, to (n, E, out)."""
        x = self._per_expert(x, 1).transpose(0, 1)
        out = torch.bmm(x, self.weight) if self.bias is None else torch.baddbmm(self.bias, x, self.weight)
        return out.transpose(0, 1)

    def task_gradients(self, inputs: Tensor, flow: Tensor, out: Sequence[Tensor]) -> None:
        """Write the per-task gradients of weight and bias, see :mod:`mtbench.learning.agents.gradients`.

        Args:
            inputs: (K, m, E, in) or (K, m, in).
            flow: (K, m, E, out), gradient of the outputs.
            out: (K, E in out) and, with a bias, (K, E out).
        """
        inputs = self._per_expert(inputs, 2)
        # In the order (E, K) both operands are views: experts are the outer axis in memory.
        product = torch.matmul(inputs.permute(2, 0, 3, 1), flow.permute(2, 0, 1, 3))
        out[0].view(-1, *self.weight.shape).copy_(product.transpose(0, 1))
        if self.bias is not None:
            torch.sum(flow, 1, out=out[1].view(flow.shape[0], *flow.shape[2:]))

    def _per_expert(self, x: Tensor, axis: int) -> Tensor:
        if x.ndim == axis + 2:
            return x
        x = x.unsqueeze(axis)
        return x.expand(*x.shape[:axis], self.experts, x.shape[-1])


class ExpertLayerNorm(nn.Module):
    """LayerNorm over the last axis of (n, E, width) with a gain and a bias (E, width) for every expert."""

    def __init__(self, experts: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(experts, width))
        self.bias = nn.Parameter(torch.zeros(experts, width))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:]) * self.weight + self.bias

    def task_gradients(self, inputs: Tensor, flow: Tensor, out: Sequence[Tensor]) -> None:
        """Write the per-task gradients; inputs and flow (K, m, E, width), out (K, E width) twice."""
        torch.sum(flow * F.layer_norm(inputs, inputs.shape[-1:]), 1, out=out[0].view(-1, *self.weight.shape))
        torch.sum(flow, 1, out=out[1].view(-1, *self.bias.shape))


def make_linear(inputs: int, outputs: int, bias: bool = True, experts: int = 0, gain: float = 2.0**0.5) -> nn.Module:
    """Return a linear layer, or ``experts`` of them in one, that keeps the scale of its inputs through an activation.

    He-uniform weights and zero bias, as in Meta-World+; ``gain`` is sqrt(2) before a ReLU and 1 before nothing.
    """
    if experts:
        return ExpertLinear(experts, inputs, outputs, bias, gain)
    layer = nn.Linear(inputs, outputs, bias=bias)
    bound = _bound(gain, inputs)
    nn.init.uniform_(layer.weight, -bound, bound)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def hidden_layers(
    inputs: int, units: Sequence[int], activation: str, layer_norm: bool = False, bias: bool = True, experts: int = 0
) -> list[nn.Module]:
    """Return linears of the given widths, each with its activation and before it, with ``layer_norm``, a LayerNorm.

    The mean subtraction of a LayerNorm makes the bias of its linear redundant, so those linears have none.
    """
    layers: list[nn.Module] = []
    for width in units:
        layers.append(make_linear(inputs, width, bias and not layer_norm, experts))
        if layer_norm:
            layers.append(ExpertLayerNorm(experts, width) if experts else nn.LayerNorm(width))
        layers.append(make_activation(activation))
        inputs = width
    return layers


def expert_mlp(experts: int, inputs: int, units: Sequence[int], activation: str, layer_norm: bool) -> nn.Sequential:
    """Return E MLPs side by side, the last of their layers without an activation: (n, inputs) -> (n, E, units[-1])."""
    *hidden, last = units
    output = make_linear([inputs, *hidden][-1], last, experts=experts, gain=1.0)
    return nn.Sequential(*hidden_layers(inputs, hidden, activation, layer_norm, experts=experts), output)


def mix(weights: Tensor, x: Tensor) -> Tensor:
    """Return the weighted sums of (n, E, d) over the experts: with weights (n, E), (n, d); with (n, F, E), (n, F, d)."""
    return torch.bmm(weights, x) if weights.ndim == 3 else torch.bmm(weights.unsqueeze(1), x).squeeze(1)


class TaskTable(TaskOwned):
    """A learned vector for every task: ``weight`` (K, width), standard normal as in ``nn.Embedding``."""

    def __init__(self, tasks: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(tasks, width))

    def forward(self, one_hot: Tensor) -> Tensor:
        """Map (n, K) to (n, width)."""
        return one_hot @ self.weight


class TaskHeads(TaskOwned):
    """An output layer for every task: ``weight`` (K, in, out) and ``bias`` (K, out), initialized as ``nn.Linear``."""

    def __init__(self, tasks: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(tasks, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(tasks, outputs).uniform_(-bound, bound))

    def forward(self, hidden: Tensor, one_hot: Tensor) -> Tensor:
        """Map (n, in) and (n, K) to (n, out): all heads in one product, narrow as they are, then each row's own."""
        tasks, inputs, outputs = self.weight.shape
        every = hidden @ self.weight.transpose(0, 1).reshape(inputs, tasks * outputs)
        every = every.view(-1, tasks, outputs) + self.bias
        own = one_hot.argmax(1)[:, None, None].expand(-1, 1, outputs)
        return every.gather(1, own).squeeze(1)


def make_head(inputs: int, tasks: int, outputs: int, multi_head: bool) -> nn.Module:
    """Return :class:`TaskHeads` or one linear for all tasks, with PyTorch's initialization."""
    return TaskHeads(tasks, inputs, outputs) if multi_head else nn.Linear(inputs, outputs)


def apply_head(head: nn.Module, hidden: Tensor, one_hot: Tensor) -> Tensor:
    """Return (n, out) from either head of :func:`make_head`."""
    return head(hidden, one_hot) if isinstance(head, TaskHeads) else head(hidden)


class TaskEncoder(nn.Module):
    """Layers that see the task only, run once for each of the K tasks instead of for every row.

    Args:
        tasks: (K, width) frozen description of each task: ``torch.eye(K)`` for the one-hot.
        layers: an MLP of width inputs.
    """

    tasks: Tensor

    def __init__(self, tasks: Tensor, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.register_buffer("tasks", tasks)
        self.layers = nn.Sequential(*layers)

    def forward(self, one_hot: Tensor) -> Tensor:
        """Map (n, K) to (n, outputs of the layers)."""
        return one_hot @ self.layers(self.tasks)


def task_mlp(tasks: int, units: Sequence[int], outputs: int, activation: str, bias: bool = True) -> TaskEncoder:
    """Return a :class:`TaskEncoder` of the one-hot: hidden layers, then a linear to the outputs."""
    hidden = hidden_layers(tasks, units, activation, bias=bias)
    return TaskEncoder(torch.eye(tasks), [*hidden, make_linear([tasks, *units][-1], outputs, bias, gain=1.0)])


def by_tasks(value: int | None, tasks: int, few: int, many: int) -> int:
    """Return ``value``, or for None MTBench's: ``few`` for up to 10 tasks (MT10), ``many`` for more (MT50)."""
    return value if value is not None else few if tasks <= 10 else many
