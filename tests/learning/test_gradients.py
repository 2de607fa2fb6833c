"""Per-task gradients from one pass against one backward pass a task."""

import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from mtbench.learning.agents.gradients import PerTaskTape, assign_flat
from mtbench.learning.agents.sides import Side
from mtbench.learning.balancing import Mean, make_weighting
from tests.learning.architectures import ACTIONS, FEATURES, VARIANTS, build

K, ROWS = 5, 7


def problem(network: nn.Module) -> tuple[nn.Module, nn.Parameter, torch.Tensor, torch.Tensor]:
    """The network in float64 away from its initialization, an owned tensor, and a minibatch of K slices."""
    torch.manual_seed(0)
    network.double()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    owned = nn.Parameter(torch.randn(K, ACTIONS, dtype=torch.float64))
    one_hot = torch.eye(K, dtype=torch.float64).repeat_interleave(ROWS, 0)
    inputs = torch.cat((torch.randn(K * ROWS, FEATURES, dtype=torch.float64), one_hot), dim=1)
    return network, owned, inputs, torch.randn(K * ROWS, ACTIONS, dtype=torch.float64)


def task_losses(network: nn.Module, owned: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Losses four orders of magnitude apart."""
    output = network(x).view(K, ROWS, ACTIONS) * owned.unsqueeze(1)
    return (output - y.view(K, ROWS, ACTIONS)).square().mean((1, 2)) * torch.logspace(-2, 2, K, dtype=x.dtype)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
def test_match_a_backward_pass_per_task(variant: str, layer_norm: bool, tmp_path: Path) -> None:
    sides = build(variant, tmp_path, layer_norm)
    network, log_std, x, y = problem(sides.actor)
    owned = [log_std, *sides.owned_parameters("actor")[1:]]
    tape = PerTaskTape(network, owned)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a warning would say that the tape needs backward passes
        with tape:
            losses = task_losses(network, log_std, x, y)
        gradients, own = tape.gradients(losses, owned)
    reference = task_losses(network, log_std, x, y)
    for i in range(K):
        each = torch.autograd.grad(reference[i], [*tape.parameters, *owned], retain_graph=True)
        shared = torch.cat([g.flatten() for g in each[: len(tape.parameters)]])
        torch.testing.assert_close(gradients[i], shared, rtol=1e-8, atol=1e-10)
        for whole, mine in zip(own, each[len(tape.parameters) :], strict=True):
            torch.testing.assert_close(whole[i], mine[i])
            mine[i] = 0.0
            assert not mine.any(), "a row of an owned parameter that another task uses"


@pytest.mark.parametrize("variant", ["mlp", "multihead", "paco"])
def test_mean_through_the_gram_matrix_is_the_plain_mean(variant: str, tmp_path: Path) -> None:
    sides = build(variant, tmp_path, layer_norm=True)
    network, log_std, x, y = problem(sides.actor)
    owned = [log_std, *sides.owned_parameters("actor")[1:]]
    plain = Side(network, owned, Mean())
    plain.backward(lambda: task_losses(network, log_std, x, y))
    expected = [p.grad.clone() for p in [*network.parameters(), log_std]]
    balanced = Side(network, owned, Mean())
    balanced.plain = False
    assert balanced.backward(lambda: task_losses(network, log_std, x, y)) is not None
    for parameter, gradient in zip([*network.parameters(), log_std], expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_diagnosing_leaves_the_gradients_untouched(tmp_path: Path) -> None:
    network, owned, x, y = problem(build("mlp", tmp_path).actor)
    results = []
    for diagnose in (False, True):
        for parameter in [*network.parameters(), owned]:
            parameter.grad = None
        matrix = Side(network, [owned], Mean()).backward(lambda: task_losses(network, owned, x, y), diagnose)
        assert (matrix is not None) is diagnose
        results.append([p.grad.clone() for p in [*network.parameters(), owned]])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_fairgrad_sets_a_direction_of_norm_root_k_and_leaves_owned_rows_alone(tmp_path: Path) -> None:
    network, owned, x, y = problem(build("mlp", tmp_path).actor)
    Side(network, [owned], make_weighting("fairgrad")).backward(lambda: task_losses(network, owned, x, y))
    norm = torch.cat([p.grad.flatten() for p in network.parameters()]).norm()
    assert norm.item() == pytest.approx(K**0.5, rel=1e-6)
    balanced = owned.grad.clone()
    owned.grad = None
    task_losses(network, owned, x, y).mean().backward()
    torch.testing.assert_close(balanced, owned.grad)


class Odd(nn.Module):
    """What the tape has no rule for: a parameter of its own, a convolution, a layer that runs twice, tied weights."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(FEATURES + K))
        self.convolution = nn.Conv1d(1, 2, 3, padding=1)
        self.twice = nn.Linear(2 * (FEATURES + K), 2 * (FEATURES + K))
        self.first, self.second = nn.Linear(FEATURES + K, 8), nn.Linear(FEATURES + K, 8)
        self.second.weight = self.first.weight
        self.unused = nn.Linear(3, 3)
        self.last = nn.Linear(2 * (FEATURES + K) + 16, ACTIONS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.scale * x
        hidden = self.twice(self.twice(self.convolution(x.unsqueeze(1)).flatten(1)).tanh())
        return self.last(torch.cat((hidden, self.first(x), self.second(x).tanh()), dim=1))


def test_anything_else_takes_a_backward_pass_a_task_and_says_so() -> None:
    network, owned, x, y = problem(Odd())
    tape = PerTaskTape(network, [owned])
    assert list(tape.rules) == [network.twice, network.unused, network.last]
    with tape:
        losses = task_losses(network, owned, x, y)
    with pytest.warns(UserWarning, match="backward pass a task"):
        gradients, _ = tape.gradients(losses, [owned])
    reference = task_losses(network, owned, x, y)
    for i in range(K):
        each = torch.autograd.grad(
            reference[i], tape.parameters, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        torch.testing.assert_close(gradients[i], torch.cat([g.flatten() for g in each]))


def test_frozen_parameters_have_no_columns(tmp_path: Path) -> None:
    network = build("mlp", tmp_path).actor
    network[0].requires_grad_(False)
    assert PerTaskTape(network).parameters == list(network.parameters())[2:]


def test_assign_flat() -> None:
    layer = nn.Linear(2, 3)
    assign_flat(list(layer.parameters()), torch.arange(9.0))
    assert layer.weight.grad is not None and layer.bias.grad is not None
    assert torch.cat((layer.weight.grad.flatten(), layer.bias.grad)).tolist() == list(range(9))
