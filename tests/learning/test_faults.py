"""What must not survive into a policy or a file: numbers that are not finite, and damaged checkpoints."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtbench.learning.agents import agent as agent_module
from mtbench.learning.agents.checkpoint import POLICY, RUN, load_checkpoint, save_checkpoint, save_policy
from mtbench.learning.errors import UserError
from tests.learning.conftest import AgentFactory, build_agent

REPLAY = ("train.params.config.warmup_steps=2", "train.params.config.batch_size=32")
TRAINS = {
    "MTPPO": (),
    "TOPPO": (),
    "MTGRPO": ("task.env.episodeLength=16",),
    "MTPQN": (),
    "MTSAC": ("train.params.config.nstep=1", *REPLAY),
    "FastTD3": ("train.params.config.nstep=1", "train.params.config.num_atoms=11", *REPLAY),
}
trains = pytest.mark.parametrize("train", TRAINS)


def build(make_agent: AgentFactory, train: str, *overrides: str) -> Any:
    units = ["actor.units=[8]", "critic.units=[8]"] if train in ("MTSAC", "FastTD3") else []
    return make_agent(f"train={train}", *TRAINS[train], *units, *overrides)


def finite(agent: Any) -> bool:
    return all(bool(value.isfinite().all()) for value in agent.model.state_dict().values())


@trains
@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_a_reward_or_an_observation_that_is_not_finite_is_counted_and_goes_no_further(
    train: str, bad: float, make_agent: AgentFactory
) -> None:
    agent = build(make_agent, train)
    step, count = agent.vec_env.step, 0

    def sometimes(actions: torch.Tensor) -> Any:
        nonlocal count
        obs, reward, done, extras = step(actions)
        count += 1
        if count == 20:
            reward, obs = reward.clone(), {"obs": obs["obs"].clone()}
            reward[3], obs["obs"][5, 0] = bad, bad
        return obs, reward, done, extras

    agent.vec_env.step = sometimes
    agent.obs = agent.vec_env.reset()["obs"]
    agent.observer.before_training()
    seen = 0.0
    for _ in range(3):
        agent.train_epoch()
        seen += agent._faults()["info/not_finite"]
    assert seen == 2 and finite(agent)


@trains
def test_a_step_without_finite_gradients_is_left_out(train: str, make_agent: AgentFactory) -> None:
    agent = build(make_agent, train)
    agent.obs = agent.vec_env.reset()["obs"]
    agent.observer.before_training()
    for _ in range(3):
        agent.train_epoch()
    agent._faults()
    for name, optimizer in agent.optimizers.items():
        before = {key: value.clone() for key, value in agent.model.state_dict().items()}
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.full_like(parameter, float("nan"))
        agent.gradient_steps.take_step(name)
        assert all(torch.equal(value, before[key]) for key, value in agent.model.state_dict().items())
    assert agent._faults()["info/steps_left_out"] == len(agent.optimizers)


def test_a_run_that_keeps_failing_stops_with_what_was_good(make_agent: AgentFactory) -> None:
    agent = build(make_agent, "MTPPO", "max_iterations=20", "save_interval=1")
    take_step = agent.gradient_steps.take_step

    def spoil(name: str, norms: Any) -> None:
        if agent.epoch_num >= 2:
            for parameter in agent.model.parameters():
                if parameter.grad is not None:
                    parameter.grad.fill_(float("nan"))
            norms = ()
        take_step(name, norms)

    agent.gradient_steps.take_step = spoil
    with pytest.raises(UserError, match=r"last\.pth is from before"):
        agent.train()
    assert agent.epoch_num == 2 + agent_module.FAILED_EPOCHS
    saved = load_checkpoint(agent.nn_dir / "last.pth")
    assert all(bool(value.isfinite().all()) for value in saved["model"].values())


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2])
        agent = build_agent(tmp_path_factory.mktemp("run"), "train=MTPPO", "actor.units=[4]", "critic.units=[4]")
    agent.obs = agent.vec_env.reset()["obs"]
    return agent.get_full_state_weights()


def test_networks_that_are_not_finite_are_neither_saved_nor_loaded(state: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "last.pth"
    save_checkpoint(path, state)
    good = path.read_bytes()
    name = next(iter(state["model"]))
    broken = state | {"model": state["model"] | {name: torch.full_like(state["model"][name], float("nan"))}}
    with pytest.raises(UserError, match=f"{name} of the networks is not finite"):
        save_checkpoint(path, broken)
    assert path.read_bytes() == good and list(tmp_path.iterdir()) == [path]
    torch.save(broken, path)
    with pytest.raises(UserError, match="use another one"):
        load_checkpoint(path)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_flipped_bit_is_never_loaded(
    seed: int, state: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Or changes nothing: a zip file has bytes that mean nothing."""
    path = tmp_path_factory.mktemp("bit") / "last.pth"
    save_checkpoint(path, state)
    content, rng = bytearray(path.read_bytes()), random.Random(seed)
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    try:
        loaded = load_checkpoint(path)
    except UserError:
        return
    assert all(torch.equal(value, state["model"][name]) for name, value in loaded["model"].items())
    assert loaded["frame"] == state["frame"] and loaded["tasks"] == state["tasks"]


@pytest.mark.parametrize("key", POLICY | RUN)
def test_a_checkpoint_without_a_part_is_refused(key: str, state: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "last.pth"
    for wrong in ({k: v for k, v in state.items() if k != key}, state | {key: None}):
        torch.save(wrong, path)
        with pytest.raises(UserError, match=f"its {key} is missing"):
            load_checkpoint(path)


def test_a_policy_alone_is_a_checkpoint(state: dict[str, Any], tmp_path: Path) -> None:
    save_policy(tmp_path / "policy.pth", state)
    loaded = load_checkpoint(tmp_path / "policy.pth")
    assert loaded.keys() == {"format", *POLICY}
    assert all(torch.equal(value, state["model"][name]) for name, value in loaded["model"].items())


@pytest.mark.parametrize(
    ("key", "value"), [("frame", -1), ("epoch", -5), ("last_lr", float("nan")), ("wall_clock", float("inf"))]
)
def test_a_checkpoint_with_a_number_that_cannot_be_is_refused(
    key: str, value: float, state: dict[str, Any], tmp_path: Path
) -> None:
    torch.save(state | {key: value}, tmp_path / "last.pth")
    with pytest.raises(UserError, match=f"its {key} is missing or cannot be"):
        load_checkpoint(tmp_path / "last.pth")
