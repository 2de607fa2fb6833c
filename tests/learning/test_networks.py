"""Architectures and normalizations."""

import pytest
import torch

from mtbench.learning.errors import UserError
from mtbench.learning.networks.model import ActorCriticModel


def build(num_tasks: int, layer_norm: bool, value_norm: str) -> ActorCriticModel:
    side = {"units": [400, 400, 400], "activation": "relu"}
    network = {"name": "mlp", "actor": side, "critic": {**side, "layer_norm": layer_norm}}
    return ActorCriticModel(39 + num_tasks, num_tasks, 4, network, True, value_norm)


@pytest.mark.parametrize(
    ("num_tasks", "layer_norm", "value_norm", "count"),
    [
        (10, False, "none", 683_645),
        (10, False, "running", 683_645),
        (50, False, "running", 715_805),
        (10, True, "running", 684_845),
        (50, True, "running", 717_005),
        (10, True, "popart", 684_865),
        (50, True, "popart", 717_105),
    ],
)
def test_parameter_counts_of_the_paper(num_tasks: int, layer_norm: bool, value_norm: str, count: int) -> None:
    assert build(num_tasks, layer_norm, value_norm).num_parameters() == count


def test_popart_keeps_raw_values_when_its_statistics_move() -> None:
    torch.manual_seed(0)
    model = build(10, True, "popart")
    inputs, task = torch.randn(40, 49), torch.arange(40) % 10
    before = model.values(inputs, task)
    model.update_value_statistics(1000.0 * torch.rand(500), torch.arange(500) % 10)
    torch.testing.assert_close(model.values(inputs, task), before, rtol=1e-4, atol=1e-4)


def test_running_statistics_change_the_predicted_values() -> None:
    model = build(10, True, "running")
    inputs, task = torch.randn(40, 49), torch.arange(40) % 10
    before = model.values(inputs, task)
    model.update_value_statistics(1000.0 * torch.rand(500), torch.arange(500) % 10)
    assert (model.values(inputs, task) - before).abs().min() > 1.0


def test_unknown_names_say_what_exists() -> None:
    with pytest.raises(UserError, match="nearest: popart"):
        build(2, False, "popat")
    with pytest.raises(UserError, match=r"network_name=mpl .*nearest: mlp"):
        ActorCriticModel(5, 2, 2, {"name": "mpl", "actor": {}, "critic": {}}, True, "none")
    with pytest.raises(UserError, match="layer_nrom"):
        ActorCriticModel(5, 2, 2, {"name": "mlp", "actor": {"layer_nrom": True}, "critic": {}}, True, "none")
