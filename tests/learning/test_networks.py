"""Architectures and normalizations."""

import pytest
import torch

from mtbench.learning.errors import UserError
from mtbench.learning.networks.model import MultiTaskModel
from mtbench.learning.networks.normalization import InputNormalizer


def build(num_tasks: int, layer_norm: bool, value_norm: str) -> MultiTaskModel:
    side = {"units": [400, 400, 400], "activation": "relu"}
    network = {"name": "mlp", "actor": side, "critic": {**side, "layer_norm": layer_norm}}
    return MultiTaskModel(39 + num_tasks, num_tasks, 4, network, True, value_norm, {})


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


def test_input_normalization_matches_statistics_over_all_batches() -> None:
    torch.manual_seed(0)
    normalizer = InputNormalizer(3, 4)
    task = torch.arange(300) % 3
    scale = torch.tensor([0.01, 1.0, 100.0])[task].unsqueeze(1)
    features = 5.0 + scale * torch.randn(300, 4)
    obs = torch.cat((features, torch.nn.functional.one_hot(task, 3)), dim=1)
    torch.testing.assert_close(normalizer(obs, task)[:, :4], features.clamp(-10, 10), rtol=1e-4, atol=1e-4)
    for rows in torch.arange(300).split([1, 99, 120, 80]):
        normalizer.update(obs[rows], task[rows])
    for i in range(3):
        own = features[task == i].double()
        torch.testing.assert_close(normalizer.mean[i], own.mean(0))
        torch.testing.assert_close(normalizer.m2[i] / normalizer.count[i], own.var(0, correction=0))
    out = normalizer(obs, task)
    assert torch.equal(out[:, 4:], obs[:, 4:]), "the one-hot is not touched"
    assert out[:, :4].abs().max() < 10 and out[task == 2, :4].std() == pytest.approx(1.0, rel=0.01)


def test_unknown_names_say_what_exists() -> None:
    with pytest.raises(UserError, match="nearest: popart"):
        build(2, False, "popat")
    with pytest.raises(UserError, match=r"unknown network 'mpl'.*nearest: mlp"):
        MultiTaskModel(5, 2, 2, {"name": "mpl", "actor": {}, "critic": {}}, True, "none", {})
    with pytest.raises(UserError, match="layer_nrom"):
        MultiTaskModel(5, 2, 2, {"name": "mlp", "actor": {"layer_nrom": True}, "critic": {}}, True, "none", {})
