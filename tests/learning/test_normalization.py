"""Input and value normalizers, each against NumPy, and together."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mtbench.learning.errors import UserError
from mtbench.learning.networks.model import ActorCriticModel
from mtbench.learning.networks.normalization import InputNormalizer, input_norm_name

SIDE = {"units": [8], "activation": "relu"}


def build(
    value_norm: str = "none", normalize_input: Any = "none", options: dict[str, float] | None = None
) -> ActorCriticModel:
    network = {"name": "mlp", "actor": SIDE, "critic": SIDE}
    return ActorCriticModel(4 + 3, 3, 2, network, normalize_input, {"name": value_norm, **(options or {})})


def observations(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Features (n, 4) of very different place and scale per task, one-hot behind them; and the tasks, in unequal numbers."""
    rng = np.random.default_rng(seed)
    task = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    features = rng.normal([-5.0, 0.0, 300.0], [0.1, 1.0, 40.0], (4, n, 3))[:, np.arange(n), task].T
    one_hot = np.eye(3)[task]
    return torch.from_numpy(np.concatenate((features, one_hot), axis=1)).float(), torch.from_numpy(task)


@pytest.mark.parametrize("shared", [False, True])
def test_input_normalization_is_that_of_the_whole_history(shared: bool) -> None:
    normalizer = InputNormalizer(3, 4, shared=shared)
    obs, task = observations(600, 0)
    untouched = obs.clone()
    untouched[:, :4].clamp_(-10, 10)
    torch.testing.assert_close(normalizer(obs, task), untouched, rtol=1e-4, atol=1e-4)
    for rows in torch.arange(600).split([1, 200, 90, 309]):
        normalizer.update(obs[rows], task[rows])
    x, t = obs.double().numpy(), task.numpy()
    expected = x.copy()
    for i in range(3):
        of = slice(None) if shared else t == i
        mean, deviation = x[of, :4].mean(0), np.sqrt(x[of, :4].var(0) + normalizer.eps)
        expected[t == i, :4] = np.clip((x[t == i, :4] - mean) / deviation, -10, 10)
    np.testing.assert_allclose(normalizer(obs, task), expected, rtol=1e-4, atol=1e-4)
    assert len(normalizer.count) == (1 if shared else 3) and normalizer.count.sum() == 600


def test_shared_statistics_keep_the_differences_between_tasks() -> None:
    obs, task = observations(600, 1)
    separate, shared = InputNormalizer(3, 4), InputNormalizer(3, 4, shared=True)
    for normalizer in (separate, shared):
        normalizer.update(obs, task)
    for i in range(3):
        assert separate(obs, task)[task == i, :4].mean().abs() < 0.01
    means = [shared(obs, task)[task == i, :4].mean() for i in range(3)]
    assert means[0] < -0.1 and means[2] > 1


@pytest.mark.parametrize(
    ("setting", "name"),
    [(True, "per_task"), (False, "none"), ("per_task", "per_task"), ("shared", "shared"), ("none", "none")],
)
def test_names_of_input_normalization(setting: bool | str, name: str) -> None:
    assert input_norm_name(setting) == name
    norm = build(normalize_input=setting).input_norm
    assert (norm is None) == (name == "none") and (norm is None or norm.shared == (name == "shared"))


@pytest.mark.parametrize("value_norm", ["running", "popart", "none"])
def test_value_normalization_is_per_task_over_the_whole_history(value_norm: str) -> None:
    model = build(value_norm)
    rng = np.random.default_rng(0)
    task = rng.integers(0, 3, 500)
    returns = rng.normal([0.0, 1000.0, -3.0], [0.01, 200.0, 5.0], (500, 3))[np.arange(500), task]
    for rows in np.split(np.arange(500), [7, 300]):
        model.update_value_statistics(torch.from_numpy(returns[rows]), torch.from_numpy(task[rows]))
    normalized = model.normalize_value(torch.from_numpy(returns), torch.from_numpy(task))
    expected = returns.copy()
    if value_norm != "none":
        for i in range(3):
            expected[task == i] = (returns[task == i] - returns[task == i].mean()) / returns[task == i].std()
    np.testing.assert_allclose(normalized, expected, rtol=1e-9, atol=1e-9)
    back = model.denormalize_value(normalized, torch.from_numpy(task))
    np.testing.assert_allclose(back, returns, rtol=1e-9, atol=1e-9)
    scale = [returns[task == i].std() if value_norm != "none" else 1.0 for i in range(3)]
    np.testing.assert_allclose(model.value_scale, scale, rtol=1e-9)


def test_only_popart_has_a_head_that_is_trained() -> None:
    counts = {name: build(name).num_parameters() for name in ("none", "running", "popart")}
    assert counts["running"] == counts["none"] and counts["popart"] == counts["none"] + 2 * 3
    assert len(build("popart").owned_parameters("critic")) == 2 and not build("running").owned_parameters("critic")


@pytest.mark.parametrize(
    ("inputs", "values"), list(product(["per_task", "shared", "none"], ["running", "popart", "none"]))
)
def test_every_combination_trains(make_agent, inputs: str, values: str) -> None:  # type: ignore[no-untyped-def]
    """And with LayerNorm on both sides, the symmetric ablation."""
    options = [f"normalize_input={inputs}", f"value_norm={values}", "actor.layer_norm=true", "critic.layer_norm=true"]
    agent = make_agent("train=MTPPO", *options, "max_iterations=1")
    before = {name: value.clone() for name, value in agent.model.state_dict().items()}
    agent.train()
    after = agent.model.state_dict()
    assert all(torch.isfinite(value).all() for value in after.values())
    layers = [name for name in after if name.startswith(("network.actor.1.", "network.critic.1."))]
    assert len(layers) == 4, "weight and bias of the first LayerNorm, a side"
    for name in ["network.actor.0.weight", "network.critic.0.weight", *layers]:
        assert not torch.equal(after[name], before[name]), name


def test_a_checkpoint_of_another_normalization_is_refused_and_another_spelling_is_not(
    make_agent, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    make_agent("normalize_input=true", "max_iterations=1", name="first").train()
    path = str(tmp_path / "first" / "nn" / "last.pth")
    make_agent("normalize_input=per_task", name="same").restore(path)
    with pytest.raises(UserError, match="normalize_input was per_task, now it is shared"):
        make_agent("normalize_input=shared", name="other").restore(path)
    with pytest.raises(UserError, match="normalize_input was per_task, now it is none"):
        make_agent("normalize_input=false", name="none").restore(path)


def test_unknown_names_say_what_exists() -> None:
    with pytest.raises(UserError, match=r"normalize_input.*per-task.*\(nearest: per_task\)"):
        build(normalize_input="per-task")
    with pytest.raises(UserError, match=r"value_norm=.*runing.*\(nearest: running\)"):
        build("runing")
    with pytest.raises(UserError, match=r"value_norm\.min_scal' \(nearest: min_scale\)"):
        build("popart", options={"min_scal": 1.0})
    with pytest.raises(UserError, match="value_norm=none has no options"):
        build("none", options={"beta": 1.0})
