"""What a run takes over from one on other tasks: what belongs to a task goes with its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from mtbench.learning.agents.checkpoint import start_from
from mtbench.learning.errors import UserError
from mtbench.learning.networks.distributional import TwinCriticModel
from mtbench.learning.networks.model import ActorCriticModel
from mtbench.learning.networks.sac_model import SACModel
from tests.learning.architectures import ACTIONS, FEATURES, TASKS, VARIANTS, write_embeddings

A, B, C, D, E = TASKS
NORMS = {"normalize_input": "per_task", "value_norm": "popart"}


def mlp(units: int = 8) -> dict[str, Any]:
    side = {"units": [units], "activation": "elu", "layer_norm": False}
    return {"name": "mlp", "actor": side, "critic": side, "init_log_std": 0.0}


def configured(tasks: Sequence[str], network: dict[str, Any], **settings: Any) -> dict[str, Any]:
    sizes = {"num_obs": FEATURES + len(tasks), "num_tasks": len(tasks), "num_actions": ACTIONS}
    return {**sizes, "network": network, **settings}


def state_of(model: torch.nn.Module, tasks: Sequence[str]) -> dict[str, Any]:
    return {"algo": "mt_ppo", "model": model.state_dict(), "tasks": list(tasks)}


def scatter(model: torch.nn.Module) -> None:
    """Give every parameter and statistic a value of its own, as after learning."""
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point() and not name.endswith(".tasks"):
                value.copy_(torch.rand_like(value) + 0.1)


def answers(model: ActorCriticModel, features: torch.Tensor, place: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Actions and raw values of observations (n, features) of the task at ``place``."""
    task = torch.full((len(features),), place)
    inputs = model.normalize_obs(torch.cat((features, F.one_hot(task, model.num_tasks).float()), 1), task)
    return model.network.actor(inputs), model.denormalize_value(model.value(inputs, task), task)


@pytest.mark.parametrize("new", [(C, D, A), (B, A, C), (D, C, E, B, A)], ids=["a new one", "moved", "more"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_known_task_keeps_its_part_wherever_it_stands(variant: str, new: tuple[str, ...], tmp_path: Path) -> None:
    """Three old tasks; layers of three units too, so that shapes alone do not tell what a task's place is."""
    name, settings = VARIANTS[variant]
    settings = {**settings, "units": [3, 3]} if name == "mlp" else settings
    if name == "moore":
        settings = {**settings, "task_units": [3]}
    path = write_embeddings(tmp_path)

    def make(tasks: Sequence[str]) -> tuple[ActorCriticModel, dict[str, Any]]:
        side = {**settings, "tasks": list(tasks), "embeddings": path} if name == "care" else settings
        config = configured(tasks, {"name": name, "actor": side, "critic": side, "init_log_std": 0.0}, **NORMS)
        return ActorCriticModel(**config), config

    torch.manual_seed(0)
    old_tasks = (A, B, C)
    old, _ = make(old_tasks)
    scatter(old)
    model, config = make(new)
    start_from(model, config, state_of(old, old_tasks), new)
    features = torch.rand(4, FEATURES)
    for task in set(new) & set(old_tasks):
        for mine, theirs in zip(
            answers(model, features, new.index(task)), answers(old, features, old_tasks.index(task)), strict=True
        ):
            torch.testing.assert_close(mine, theirs)


def test_a_new_task_starts_between_the_old_ones() -> None:
    old = ActorCriticModel(**configured((A, B), mlp(), normalize_input=True, value_norm="none"))
    config = configured((C, B, D), mlp(), normalize_input=True, value_norm="none")
    config["network"]["init_log_std"] = -3.0
    new = ActorCriticModel(**config)
    start_from(new, config, state_of(old, (A, B)), (C, B, D))
    features = torch.rand(4, FEATURES)
    between = torch.cat((features, torch.full((4, 2), 0.5)), 1)
    known = torch.cat((features, torch.tensor([[0.0, 1.0]] * 4)), 1)
    for place, shared in enumerate((between, known, between)):
        inputs = torch.cat((features, torch.eye(3)[[place] * 4]), 1)
        for side in ("actor", "critic"):
            torch.testing.assert_close(getattr(new.network, side)(inputs), getattr(old.network, side)(shared))
    assert (new.network.log_std == -3.0).all()


def test_a_new_task_may_be_taken_for_an_old_one() -> None:
    old = ActorCriticModel(**configured((A, B), mlp(), **NORMS))
    scatter(old)
    config = configured((C, A), mlp(), **NORMS)
    new = ActorCriticModel(**config)
    start_from(new, config, state_of(old, (A, B)), (C, A), B)
    features = torch.rand(4, FEATURES)
    for place, theirs in ((0, 1), (1, 0)):
        for mine, expected in zip(answers(new, features, place), answers(old, features, theirs), strict=True):
            torch.testing.assert_close(mine, expected)
    with pytest.raises(UserError, match=f"unknown pretrained_task '{D}'.*choose one of: {A}, {B}"):
        start_from(new, config, state_of(old, (A, B)), (C, A), D)


def test_as_many_tasks_of_which_none_is_known_take_the_old_places() -> None:
    old = ActorCriticModel(**configured((A, B), mlp(2), **NORMS))
    scatter(old)
    config = configured((C, D), mlp(2), **NORMS)
    new = ActorCriticModel(**config)
    start_from(new, config, state_of(old, (A, B)), (C, D))
    features = torch.rand(4, FEATURES)
    for place in range(2):
        for mine, theirs in zip(answers(new, features, place), answers(old, features, place), strict=True):
            torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize(
    ("kind", "settings"), [(SACModel, {}), (TwinCriticModel, {"num_atoms": 5, "v_min": -1.0, "v_max": 1.0})]
)
def test_of_critics_that_see_actions_too(kind: Any, settings: dict[str, Any]) -> None:
    side = {"units": [3], "activation": "elu", "layer_norm": False}
    network = {"name": "mlp", "actor": side, "critic": side}
    config = configured((A, B, C), network, normalize_input=True, **settings)
    old, new = kind(**config), kind(**config)
    start_from(new, config, state_of(old, (A, B, C)), (C, A, D))
    critic = "network.critic.0.0.weight" if kind is SACModel else "critics.0.0.weight"
    theirs, mine = old.state_dict()[critic], new.state_dict()[critic]
    first = FEATURES + ACTIONS
    assert torch.equal(mine[:, :first], theirs[:, :first])
    assert torch.equal(mine[:, first:-1], theirs[:, [first + 2, first]])
    torch.testing.assert_close(mine[:, -1], theirs[:, first:].mean(1))


def test_other_architectures_do_not_fit() -> None:
    old = ActorCriticModel(**configured((A, B), mlp(), **NORMS))
    for tasks, units in (((C, B, D), 9), ((A, B), 9)):
        config = configured(tasks, mlp(units), **NORMS)
        with pytest.raises(UserError, match="another architecture"):
            start_from(ActorCriticModel(**config), config, state_of(old, (A, B)), tasks)
