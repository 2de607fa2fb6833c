"""Per-task gradients from one pass against one backward pass a task."""

import pytest
import torch
from torch import nn

from mtbench.learning.agents.gradients import PerTaskTape, assign_flat
from mtbench.learning.agents.sides import Side
from mtbench.learning.balancing import Mean, make_weighting
from mtbench.learning.networks import MLPSpec
from mtbench.learning.networks.mlp import mlp

K, ROWS = 5, 7


def problem(layer_norm: bool) -> tuple[nn.Sequential, nn.Parameter, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    network = mlp(6, 3, MLPSpec((16, 12), "relu", layer_norm)).double()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    owned = nn.Parameter(torch.randn(K, 3, dtype=torch.float64))
    return network, owned, torch.randn(K * ROWS, 6, dtype=torch.float64), torch.randn(K * ROWS, 3, dtype=torch.float64)


def task_losses(network: nn.Module, owned: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    output = network(x).view(K, ROWS, 3) * owned.unsqueeze(1)
    return (output - y.view(K, ROWS, 3)).square().mean((1, 2)) * torch.logspace(-2, 2, K, dtype=x.dtype)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_match_a_backward_pass_per_task(layer_norm: bool) -> None:
    network, owned, x, y = problem(layer_norm)
    tape = PerTaskTape(network)
    assert list(tape.parameters) == list(network.parameters())
    with tape:
        losses = task_losses(network, owned, x, y)
    gradients, (owned_gradient,) = tape.gradients(losses, [owned])
    reference = task_losses(network, owned, x, y)
    for i in range(K):
        each = torch.autograd.grad(reference[i], [*network.parameters(), owned], retain_graph=True)
        torch.testing.assert_close(gradients[i], torch.cat([g.flatten() for g in each[:-1]]))
        torch.testing.assert_close(owned_gradient[i], each[-1][i])


def test_mean_through_the_gram_matrix_is_the_plain_mean() -> None:
    network, owned, x, y = problem(True)
    plain = Side(network, [owned], Mean())
    plain.backward(lambda: task_losses(network, owned, x, y))
    expected = [p.grad.clone() for p in [*network.parameters(), owned]]
    balanced = Side(network, [owned], Mean())
    balanced.plain = False
    assert balanced.backward(lambda: task_losses(network, owned, x, y)) is not None
    for parameter, gradient in zip([*network.parameters(), owned], expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_diagnosing_leaves_the_gradients_untouched() -> None:
    network, owned, x, y = problem(False)
    results = []
    for diagnose in (False, True):
        for parameter in [*network.parameters(), owned]:
            parameter.grad = None
        matrix = Side(network, [owned], Mean()).backward(lambda: task_losses(network, owned, x, y), diagnose)
        assert (matrix is not None) is diagnose
        results.append([p.grad.clone() for p in [*network.parameters(), owned]])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_fairgrad_sets_a_direction_of_norm_root_k_and_leaves_owned_rows_alone() -> None:
    network, owned, x, y = problem(False)
    Side(network, [owned], make_weighting("fairgrad")).backward(lambda: task_losses(network, owned, x, y))
    norm = torch.cat([p.grad.flatten() for p in network.parameters()]).norm()
    assert norm.item() == pytest.approx(K**0.5, rel=1e-6)
    balanced = owned.grad.clone()
    owned.grad = None
    task_losses(network, owned, x, y).mean().backward()
    torch.testing.assert_close(balanced, owned.grad)


def test_unsupported_layers_and_layers_run_twice_are_refused() -> None:
    with pytest.raises(TypeError, match="Conv1d"):
        PerTaskTape(nn.Sequential(nn.Conv1d(1, 1, 1)))
    layer = nn.Linear(2, 2)
    with PerTaskTape(layer), pytest.raises(RuntimeError, match="twice"):
        layer(layer(torch.zeros(1, 2)))


def test_assign_flat() -> None:
    layer = nn.Linear(2, 3)
    assign_flat(list(layer.parameters()), torch.arange(9.0))
    assert layer.weight.grad is not None and layer.bias.grad is not None
    assert torch.cat((layer.weight.grad.flatten(), layer.bias.grad)).tolist() == list(range(9))
