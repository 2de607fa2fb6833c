"""Soft Modularization: modules and a network that routes between them (Yang et al., 2020; MTBench, Table 3)."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le
from torch import Tensor, nn

from mtbench.learning.networks.base import Shape, register
from mtbench.learning.networks.layers import Activation, ExpertLinear, hidden_layers, make_linear, mix, task_mlp
from mtbench.schema import Layers, Width, Widths


@register("soft_modularization")
class SoftModularization(nn.Module):
    """Layers of M modules. Between two layers every module receives a weighted mean of all modules before it, the weights
    being computed from observation and task.

    With the observation's code f and the task's code z, the logits of the first routing are ``W_d relu(f z)``, those of
    the next ``W_d relu((W_u logits) f z)`` (section 4 of the paper), and each row of a routing is a softmax.

    Differs from MTBench: the modules work on f, as in the paper; there they work on ``f z``.

    Args:
        shape: sizes.
        modules: M.
        layers: of modules, with the output layer, in which the modules' outputs are added up.
        width: of the modules and of both codes.
        activation: of all hidden layers.
        state_units, task_units: hidden layers of the encoders of observation and task; a linear to ``width`` follows.
        layer_norm: LayerNorm on the hidden layers of the state encoder and on those of the modules.
    """

    def __init__(
        self,
        shape: Shape,
        modules: Layers,
        layers: Annotated[int, Ge(2), Le(64)],
        width: Width,
        activation: Activation,
        state_units: Widths,
        task_units: Widths,
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.num_modules = modules
        encoder = hidden_layers(shape.features, state_units, activation, layer_norm)
        self.state_encoder = nn.Sequential(*encoder, make_linear([shape.features, *state_units][-1], width, gain=1.0))
        self.task_encoder = task_mlp(shape.tasks, task_units, width, activation)
        hidden = [hidden_layers(width, [width], activation, layer_norm, experts=modules) for _ in range(layers - 1)]
        self.layers = nn.ModuleList(nn.Sequential(*layer) for layer in hidden)
        self.down = nn.ModuleList(make_linear(width, modules**2, gain=1.0) for _ in hidden)
        self.up = nn.ModuleList(make_linear(modules**2, width, gain=1.0) for _ in hidden[1:])
        self.head = ExpertLinear(modules, width, shape.outputs, gain=3.0**-0.5)

    def routings(self, inputs: Tensor) -> list[Tensor]:
        """Return (n, M, M) for every layer but the last: row i says what each module gives to module i of the next."""
        features, one_hot = self.shape.split(inputs)
        return self._routings(self.state_encoder(features), one_hot)

    def _routings(self, code: Tensor, one_hot: Tensor) -> list[Tensor]:
        joint = code * self.task_encoder(one_hot)
        logits = [self.down[0](joint.relu())]
        for up, down in zip(self.up, self.down[1:], strict=True):
            logits.append(down((up(logits[-1]) * joint).relu()))
        return [each.view(-1, self.num_modules, self.num_modules).softmax(2) for each in logits]

    def forward(self, inputs: Tensor) -> Tensor:
        features, one_hot = self.shape.split(inputs)
        hidden = code = self.state_encoder(features)
        for layer, routing in zip(self.layers, self._routings(code, one_hot), strict=True):
            hidden = mix(routing, layer(hidden))
        return self.head(hidden).sum(1)
