"""The agent as a whole, on the toy environment."""

from __future__ import annotations

import csv
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from mtbench.learning.agents import checkpoint
from mtbench.learning.errors import UserError


def weights(agent: Any) -> list[torch.Tensor]:
    return [value.clone() for value in agent.model.state_dict().values()]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_toppo_with_everything_off_is_mt_ppo_bit_for_bit(make_agent) -> None:  # type: ignore[no-untyped-def]
    off = ["critic.layer_norm=false", "value_norm=running", "balancing.critic=mean", "balancing.actor=mean"]
    vanilla = make_agent("train=MTPPO", "max_iterations=3", name="a")
    toppo = make_agent("train=TOPPO", *off, "max_iterations=3", name="b")
    before = weights(toppo)
    vanilla.train()
    toppo.train()
    assert same(weights(vanilla), weights(toppo))
    assert not same(before, weights(toppo))


@pytest.mark.parametrize(
    "part", ["critic.layer_norm=true", "value_norm=popart", "balancing.critic=fairgrad", "balancing.actor=pcgrad"]
)
def test_each_part_of_toppo_can_be_switched_alone(make_agent, part: str) -> None:  # type: ignore[no-untyped-def]
    vanilla = make_agent("train=MTPPO", "max_iterations=1", name="a")
    changed = make_agent("train=MTPPO", part, "max_iterations=1", name="b")
    vanilla.train()
    changed.train()
    mine, theirs = changed.model.state_dict(), vanilla.model.state_dict()
    assert any(key not in theirs or not torch.equal(value, theirs[key]) for key, value in mine.items())
    assert all(torch.isfinite(value).all() for value in mine.values())


def test_same_seed_same_run_other_seed_other_run(make_agent) -> None:  # type: ignore[no-untyped-def]
    agents = [make_agent(f"seed={seed}", "max_iterations=2", name=f"run{i}") for i, seed in enumerate((7, 7, 8))]
    for agent in agents:
        torch.manual_seed(0)  # the agents' own generators decide
        agent.train()
    assert same(weights(agents[0]), weights(agents[1]))
    assert not same(weights(agents[0]), weights(agents[2]))


def test_interrupted_run_equals_an_uninterrupted_one(make_agent, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    whole = make_agent("max_iterations=5", name="whole")
    whole.train()
    make_agent("max_iterations=2", name="parts").train()
    second = make_agent("max_iterations=5", name="parts", evaluate=False)
    torch.rand(100)  # what happened meanwhile must not matter
    second.restore(str(tmp_path / "parts" / "nn" / "last.pth"))
    second.train()
    assert second.frame == whole.frame
    assert same(weights(whole), weights(second))
    assert torch.equal(whole.obs, second.obs)


def test_signal_saves_the_last_epoch_and_says_how_to_resume(make_agent, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    whole = make_agent("max_iterations=3", name="whole")
    whole.train()
    agent = make_agent("max_iterations=9", name="run")
    count, process = 0, agent.observer.process_infos

    def interrupt(infos: dict[str, Any], done_indices: Any) -> None:
        nonlocal count
        count += 1
        if count == 2 * agent.horizon_length + 5:
            os.kill(os.getpid(), signal.SIGINT)
        process(infos, done_indices)

    agent.observer.process_infos = interrupt
    before = signal.getsignal(signal.SIGINT)  # ignored, where the tests run in the background
    agent.train()
    assert signal.getsignal(signal.SIGINT) is before
    last = tmp_path / "run" / "nn" / "last.pth"
    out = capsys.readouterr().out
    assert "stopped by SIGINT, saved at 960 frames; resume: python train.py" in out and f"checkpoint={last}" in out
    resumed = make_agent("max_iterations=3", name="run")
    resumed.restore(str(last))
    resumed.train()
    assert same(weights(whole), weights(resumed))


def test_evaluation_is_repeatable_logged_and_keeps_the_best(make_agent, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent("max_iterations=4", "eval_interval=900", evaluate=True)
    agent.train()
    first, again = agent.evaluator(agent.model), agent.evaluator(agent.model)
    assert first == again
    with (tmp_path / "run" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frames"]) for row in rows] == [960, 1920]
    assert float(rows[-1]["mean_success"]) == pytest.approx(first.mean_success)
    assert float(rows[-1]["success/near"]) == pytest.approx(first.success[0])
    assert float(rows[-1]["return/right"]) == pytest.approx(first.returns[3])
    assert {path.name for path in (tmp_path / "run" / "nn").iterdir()} == {"last.pth", "best.pth"}
    assert any((tmp_path / "run" / "summaries").iterdir())


def test_evaluation_does_not_touch_training(make_agent) -> None:  # type: ignore[no-untyped-def]
    plain = make_agent("max_iterations=3", name="a")
    evaluated = make_agent("max_iterations=3", "eval_interval=480", name="b", evaluate=True)
    plain.train()
    evaluated.train()
    assert same(weights(plain), weights(evaluated))


def test_toppo_learns_all_scales(make_agent) -> None:  # type: ignore[no-untyped-def]
    """Rewards differ by 10^4 between the tasks; all are to be learned."""
    faster = ["num_envs=64", "schedule.mini_epochs=5", "train.params.config.learning_rate=3e-3"]
    agent = make_agent("train=TOPPO", *faster, "max_iterations=60", evaluate=True)
    before = agent.evaluator(agent.model)
    agent.train()
    after = agent.evaluator(agent.model)
    assert before.mean_success < 0.5
    assert after.mean_success > 0.9
    assert min(after.success) > 0.7


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["train.params.config.lr_schedule=adaptive"], "adaptive"),
        (["schedule.recompute_advantages=true"], "recompute"),
        (["value_norm=none", "train.params.config.critic_coef=1e-3", "train.params.config.clip_value=false"], "raw"),
        (["task.env.tasks=[near]"], "single"),
    ],
)
def test_options_run(make_agent, options: list[str], name: str) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent("max_iterations=2", *options, name=name)
    agent.train()
    assert all(torch.isfinite(value).all() for value in weights(agent))


@pytest.mark.parametrize("limit", ["0.01", "{actor: 0.01, critic: 0.02}", "{actor: 1e6, critic: 0.02}"])
def test_gradient_norms_are_clipped_together_or_a_side(make_agent, limit: str) -> None:  # type: ignore[no-untyped-def]
    """Against clip_grad_norm_ on a copy of the gradients; a side holds what belongs to tasks alone as well."""
    agent = make_agent("train=TOPPO", f"train.params.config.grad_norm={limit}")
    agent.obs = agent.vec_env.reset()["obs"]
    rollout = agent.collect()
    targets = agent.targets(rollout, update_statistics=True)
    agent.backward(rollout, targets, next(agent.minibatches.passes(agent.generators["minibatches"])), None)
    named = dict(agent.model.named_parameters())
    critic = {name for name in named if name.startswith(("network.critic", "value_"))}
    sides = {"actor": named.keys() - critic, "critic": critic}
    assert "network.log_std" in sides["actor"] and len(critic) == len(agent.sides["critic"].parameters)
    limits = agent.grad_norm if isinstance(agent.grad_norm, dict) else {"all": agent.grad_norm}
    expected: dict[str, torch.Tensor] = {}
    for side, most in limits.items():
        copies = {name: torch.zeros_like(named[name]) for name in sides.get(side, named)}
        for name, copy in copies.items():
            copy.grad = named[name].grad.clone()
        norm = torch.nn.utils.clip_grad_norm_(list(copies.values()), most)
        expected |= {name: copy.grad for name, copy in copies.items()}
        expected["norm of " + side] = norm
    scalars = agent.optimize("all")
    assert expected.keys() - {f"norm of {side}" for side in limits} == named.keys()
    for name, parameter in named.items():
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-5, atol=0.0)
    for side, most in limits.items():
        of = "" if side == "all" else f"{side}_"
        torch.testing.assert_close(scalars[f"info/{of}grad_norm"], expected[f"norm of {side}"])
        assert scalars[f"info/{of}grad_clip_fraction"] == float(expected[f"norm of {side}"] > most)


def test_a_critic_that_is_clipped_away_is_told_once(make_agent, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    """Raw returns of hundreds, which a clip of 0.2 keeps from being learned; not in the first epochs, and once."""
    clip, again = "train.params.config.clip_value", "train.params.config.recompute_advantages"
    fast = ["train=MTPPO", "value_norm=none", "train.params.config.learning_rate=0.02", "schedule.mini_epochs=8"]
    told: dict[str, list[str]] = {}
    for name, options in {
        "clipped": [f"{clip}=true"],
        "recomputed": [f"{clip}=true", f"{again}=true", "train.params.config.e_clip=0.001"],
        "free": [],
        "short": [f"{clip}=true", "max_iterations=3"],
    }.items():
        make_agent(*fast, "max_iterations=6", *options, name=name).train()
        told[name] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning")]
    assert told["free"] == told["short"] == []
    assert len(told["clipped"]) == len(told["recomputed"]) == 1
    assert "of the critic's samples" in told["clipped"][0] and told["clipped"][0].endswith(
        f"{clip}=false or {again}=true"
    )
    assert told["recomputed"][0].endswith(f"{clip}=false")


def test_the_papers_baseline_fits_raw_returns_with_its_own_clip(make_agent) -> None:  # type: ignore[no-untyped-def]
    paper = make_agent("train=MTPPO_paper", "max_iterations=2", name="paper")
    assert paper.config["clip_value"] is True and make_agent("train=MTPPO", name="ours").config["clip_value"] is False
    assert make_agent("train=MTPPO", "schedule=paper", name="both").config["clip_value"] is True
    assert paper.model.value_stats is None and paper.critic_coef == 1e-3
    paper.train()


def test_damaged_and_foreign_checkpoints_are_refused(make_agent, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent("max_iterations=1")
    agent.train()
    path = tmp_path / "run" / "nn" / "last.pth"
    half = tmp_path / "half.pth"
    half.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    foreign = tmp_path / "foreign.pth"
    torch.save({"model": {}}, foreign)
    for target, words in ((half, "damaged or incomplete"), (foreign, "not a checkpoint of this package")):
        with pytest.raises(UserError, match=words):
            agent.restore(str(target))
    with pytest.raises(UserError, match=r"there are: .*foreign\.pth"):
        agent.restore(str(tmp_path / "missing.pth"))
    other_tasks = make_agent("task.env.tasks=[far,near,left,right]", name="b")
    with pytest.raises(UserError, match="same tasks in the same order"):
        other_tasks.restore(str(path))
    with pytest.raises(UserError, match="another architecture: value_norm"):
        make_agent("value_norm=running", name="c").restore(str(path))
    with pytest.raises(UserError, match="num_envs=30, not 40"):
        make_agent("num_envs=40", name="d").restore(str(path))


def test_a_save_that_fails_leaves_the_old_checkpoint(
    make_agent: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.pth"
    agent = make_agent()
    agent.obs = agent.vec_env.reset()["obs"]
    state = agent.get_full_state_weights()
    checkpoint.save_checkpoint(path, state | {"epoch": 1})

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(checkpoint.torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save_checkpoint(path, state | {"epoch": 2})
    assert checkpoint.load_checkpoint(path)["epoch"] == 1
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["last.pth"]


def test_global_generators_are_restored() -> None:
    import random

    import numpy as np

    state = checkpoint.rng_state()
    drawn = (torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random())
    checkpoint.set_rng_state(state)
    assert drawn == (torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random())
