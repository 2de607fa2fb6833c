"""Every scheme in the agent, on the toy environment."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from mtbench.commands.command_line import run_application
from mtbench.commands.launch import CFG, launch
from mtbench.learning.balancing import FAMO, REGISTRY, CAGrad, FairGrad, LossWeighting, Mean, PCGrad, make_weighting
from tests.learning.conftest import TOY, configure

ROOT = CFG.parent
FROM_LOSSES = sorted(name for name, cls in REGISTRY.items() if issubclass(cls, LossWeighting))


def both_sides(name: str) -> list[str]:
    spec = "{name: krum, n_byzantine: 1}" if name == "krum" else name
    return [f"balancing.actor={spec}", f"balancing.critic={spec}"]


def state_of(agent: Any) -> list[torch.Tensor]:
    return [value.clone() for value in agent.model.state_dict().values()]


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_scheme_trains_on_both_sides(make_agent, name: str) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent("train=MTPPO", *both_sides(name), "max_iterations=1")
    before = state_of(agent)
    agent.train()
    after = state_of(agent)
    assert all(torch.isfinite(value).all() for value in after)
    networks = [p for name, p in agent.model.named_parameters() if name.startswith("network.")]
    assert networks and any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("name", [*FROM_LOSSES, "gradvac", "gradnorm"])
def test_schemes_with_a_memory_resume_exactly(make_agent, tmp_path: Path, name: str) -> None:  # type: ignore[no-untyped-def]
    scheme = ["train=MTPPO", *both_sides(name)]
    whole = make_agent(*scheme, "max_iterations=5", name="whole")
    whole.train()
    make_agent(*scheme, "max_iterations=3", name="parts").train()
    second = make_agent(*scheme, "max_iterations=5", name="parts")
    second.restore(str(tmp_path / "parts" / "nn" / "last.pth"))
    second.train()
    assert all(torch.equal(a, b) for a, b in zip(state_of(whole), state_of(second), strict=True))
    state = torch.load(tmp_path / "parts" / "nn" / "last.pth", weights_only=True)
    assert state["epoch"] == 5 and state["balancing"]["critic"]["state"]


def test_fairgrads_counters_resume(make_agent, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent("max_iterations=1")
    agent.train()
    resumed = make_agent("max_iterations=1")
    resumed.restore(str(tmp_path / "run" / "nn" / "last.pth"))
    assert resumed.sides["critic"].weighting.calls == agent.sides["critic"].weighting.calls == 6


def test_another_scheme_starts_anew_from_a_checkpoint(make_agent, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    make_agent("train=MTPPO", "balancing.critic=famo", "max_iterations=1").train()
    agent = make_agent("train=MTPPO", "balancing.critic=dwa", "max_iterations=2")
    agent.restore(str(tmp_path / "run" / "nn" / "last.pth"))
    agent.train()
    assert agent.epoch_num == 2 and agent.sides["critic"].weighting.epochs == 1


def test_famo_compares_the_same_minibatch_before_and_after_its_step(make_agent) -> None:  # type: ignore[no-untyped-def]
    famo = "{name: famo, gamma: 0.0}"
    still, moving = (
        make_agent(
            *("train=MTPPO", f"balancing.actor={famo}", f"balancing.critic={famo}", "max_iterations=1"),
            "train.params.config.learning_rate=1e-3",
            name=name,
        )
        for name in ("still", "moving")
    )
    still.set_learning_rate(0.0)
    still.train()
    moving.train()
    for side in ("actor", "critic"):
        assert not still.sides[side].weighting.logits.any()  # nothing moved, though every minibatch is another one
        assert moving.sides[side].weighting.logits.abs().min() > 0


def test_losses_of_both_sides_are_at_least_zero(make_agent, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    least = []

    def watch(self: FAMO, losses: torch.Tensor) -> torch.Tensor:
        least.append(losses.min().item())
        return torch.full_like(losses, 1.0 / len(losses))

    monkeypatch.setattr(FAMO, "__call__", watch)
    make_agent("train=MTPPO", *both_sides("famo"), "max_iterations=3").train()
    assert len(least) == 36 and min(least) >= 0


def test_gradnorm_sees_the_losses_of_the_gradients_it_weighs(make_agent) -> None:  # type: ignore[no-untyped-def]
    """The loss of each minibatch, once an update, on both sides."""
    agent = make_agent("train=MTPPO", *both_sides("gradnorm"))
    agent.obs = agent.vec_env.reset()["obs"]
    rollout = agent.collect()
    targets = agent.targets(rollout, update_statistics=True)
    first, second = list(agent.minibatches.passes(agent.generators["minibatches"]))[:2]
    means = {}
    for rows in (first, second):
        means[rows] = agent.update(rollout, targets, rows)["losses/c_loss"]
    weighting = agent.sides["critic"].weighting
    assert weighting.first.mean().item() == pytest.approx(means[first].item())
    assert weighting.losses.mean().item() == pytest.approx(means[second].item())
    assert agent.sides["actor"].weighting.losses.shape == (4,) and (agent.sides["actor"].weighting.losses >= 0).all()


@pytest.mark.parametrize("name", FROM_LOSSES)
def test_rows_that_belong_to_a_task_take_the_gradient_of_the_mean(make_agent, name: str) -> None:  # type: ignore[no-untyped-def]
    gradients = []
    for scheme in ("mean", name):
        agent = make_agent("train=TOPPO", *both_sides(scheme), name=scheme)
        side = agent.sides["critic"]
        if scheme == "famo":
            side.weighting.logits.copy_(torch.arange(4.0))
        x = torch.linspace(-1, 1, 40 * agent.model_config["num_obs"]).view(40, -1)
        task = torch.arange(4).repeat_interleave(10)
        scales = torch.tensor([1e-2, 1.0, 1.0, 1e2])
        side.backward(lambda a=agent, x=x, t=task, s=scales: s * a.model.value(x, t).square().view(4, 10).mean(1))
        gradients.append([p.grad.clone() for p in side.owned])
        assert side.owned
    for mean, weighted in zip(*gradients, strict=True):
        torch.testing.assert_close(weighted, mean)


@pytest.mark.parametrize(
    ("overrides", "actor", "critic"),
    [
        (["train=MTPPO"], Mean, Mean),
        (["train=PCGrad"], Mean, PCGrad),
        (["train=CAGrad"], Mean, CAGrad),
        (["train=FAMO"], Mean, FAMO),
        (["train=TOPPO"], PCGrad, FairGrad),
        (["train=TOPPO", "balancing.actor=mean", "balancing.critic=mean"], Mean, Mean),
        (["train=TOPPO", "balancing.actor=fairgrad"], FairGrad, FairGrad),
        (["train=TOPPO", "balancing.critic=pcgrad"], PCGrad, PCGrad),
        (["train=TOPPO", "balancing.actor=cagrad", "balancing.critic=cagrad"], CAGrad, CAGrad),
        (["train=FAMO", "balancing.critic=famo"], Mean, FAMO),
        (["train=TOPPO", "balancing.critic={name: fairgrad, alpha: 2}"], PCGrad, FairGrad),
        (["train=CAGrad", "balancing.critic.c=0.2"], Mean, CAGrad),
    ],
)
def test_presets_of_the_papers_tables(tmp_path: Path, overrides: list[str], actor: type, critic: type) -> None:
    balancing = configure(tmp_path, *overrides)["train"]["params"]["config"]["balancing"]
    assert type(make_weighting(balancing["actor"], num_tasks=4)) is actor
    assert type(make_weighting(balancing["critic"], num_tasks=4)) is critic


@pytest.mark.parametrize(("task", "minibatch"), [("mt10", 16_384), ("mt50", 25_600)])
def test_settings_of_mtbenchs_table_3(task: str, minibatch: int) -> None:
    with initialize_config_dir(str(CFG), version_base="1.3"):
        composed = compose(
            "config", [f"task={task.upper()}", f"schedule=mtbench_{task}", "train=MTPPO_mtbench", "rl_device=cpu"]
        )
    cfg: Any = OmegaConf.to_container(composed, resolve=True)
    chosen, config = cfg["schedule"], cfg["train"]["params"]["config"]
    assert chosen["num_envs"] * chosen["horizon_length"] / chosen["num_minibatches"] == minibatch
    expected = {
        "gamma": 0.99,
        "tau": 0.95,
        "e_clip": 0.2,
        "entropy_coef": 5e-3,
        "learning_rate": 5e-4,
        "mini_epochs": 5,
    }
    assert {name: config[name] for name in expected} == expected
    assert cfg["actor"]["units"] == cfg["critic"]["units"] == [256, 128, 64]


def test_parameters_come_through_the_command_line(tmp_path: Path) -> None:
    def critic(*overrides: str) -> Any:
        return make_weighting(configure(tmp_path, *overrides)["balancing"]["critic"], num_tasks=4)

    assert critic("train=TOPPO", "balancing.critic={name: fairgrad, alpha: 2}").alpha == 2
    assert critic("train=MTPPO", "balancing.critic={name: cagrad, c: 0.2}").c == 0.2
    assert critic("train=CAGrad", "balancing.critic.c=0.3").rescale
    assert critic("train=FAMO").epsilon == 1e-2
    assert critic("train=FAMO", "balancing.critic=famo").epsilon == 1e-8


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["balancing.critic=cagard"], ["balancing.critic=cagard", "nearest: cagrad", "famo"]),
        (["balancing.actor={name: cagrad, C: 0.2}"], ["balancing.actor.C", "c, rescale, reduction"]),
        (["balancing.actor={name: fairgrad, alpha: much}"], ["balancing.actor.alpha=much must be a number above 0"]),
        (["balancing.critic={name: fairgrad, alpha: -1}"], ["balancing.critic.alpha=-1 must be a number above 0"]),
        (["balancing.critic={name: famo, gamma: -1}"], ["balancing.critic.gamma=-1 must be a number of at least 0"]),
        (["balancing.critic=krum"], ["balancing.critic.n_byzantine is missing"]),
        (["balancing.critic={name: krum, n_byzantine: 3}"], ["at least 6 rows"]),
        (["train=FAMO", "balancing.critic={name: cagrad, c: 0.2}"], ["'balancing.critic' is a mapping", "train=MTPPO"]),
        (["train=CAGard"], ["no train=CAGard", "nearest: CAGrad"]),
    ],
)
def test_mistakes_end_in_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    overrides: list[str],
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train.py", *TOY, *overrides])
    assert run_application(launch, CFG) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert all(word in error for word in words), error


def test_the_documented_scheme_trains(make_agent, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "adding_a_scheme.md").read_text(), re.DOTALL)
    assert code.count("\n") <= 30
    monkeypatch.setattr("mtbench.learning.balancing.weighting.REGISTRY", dict(REGISTRY))
    exec(compile(code, "equal_norm.py", "exec"), {})
    gradients = torch.tensor([[3.0, 4.0], [0.0, 0.1], [0.0, 0.0]], dtype=torch.float64)
    weights = make_weighting("equal_norm")(gradients @ gradients.T)
    torch.testing.assert_close(weights, torch.tensor([0.2, 10.0, 0.0], dtype=torch.float64) / 3)
    agent = make_agent("train=MTPPO", "balancing.critic={name: equal_norm, power: 0.5}", "max_iterations=1")
    agent.train()
    assert agent.sides["critic"].weighting.power == 0.5
