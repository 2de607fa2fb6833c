"""GRPO: advantages against plain loops, groups, starts, the reference policy, and runs on the toy environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from mtbench.commands.count import count
from mtbench.learning.agents.mt_grpo import MTGRPO, gaussian_kl, make_groups
from mtbench.learning.errors import UserError
from tests.test_train import train_here

GRPO = "train=MTGRPO"
CONFIG = "train.params.config"
GROUPS = ["num_envs=32", f"{CONFIG}.group_size=4", f"{CONFIG}.same_start=true"]


def weights(agent: Any) -> list[torch.Tensor]:
    return [value.clone() for value in agent.model.state_dict().values()]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def begin(agent: MTGRPO) -> MTGRPO:
    """Do what train() does before the first rollout."""
    agent.obs = agent.vec_env.reset()["obs"]
    agent.before_training()
    return agent


@pytest.mark.parametrize(("size", "per_step"), [(None, False), (2, False), (4, False), (None, True), (4, True)])
def test_advantages_equal_those_of_plain_loops(make_agent, size: int | None, per_step: bool) -> None:  # type: ignore[no-untyped-def]
    settings = [f"{CONFIG}.group_size={'null' if size is None else size}", f"{CONFIG}.per_step={per_step}"]
    agent = begin(make_agent(GRPO, "num_envs=32", *settings, "task.env.episodeLength=40"))
    rollout = agent.collect()
    assert rollout.dones[:-1].any(), "some episodes end within the rollout"
    steps, envs = rollout.rewards.shape
    returns = torch.zeros(steps, envs, dtype=torch.float64)
    for env in range(envs):
        for t in range(steps):
            factor = 1.0
            for later in range(t, steps):
                returns[t, env] += factor * rollout.rewards[later, env]
                factor *= agent.gamma
                if rollout.dones[later, env]:
                    break
    expected = torch.zeros_like(returns)
    width = 8 if size is None else size
    for first in range(0, envs, width):
        members = returns[:, first : first + width]
        for rows in range(steps) if per_step else [slice(None)]:
            compared = members[rows]
            expected[rows, first : first + width] = (compared - compared.mean()) / (compared.std(correction=0) + 1e-8)
    targets = agent.targets(rollout, update_statistics=True)
    assert targets.returns is None and targets.values is None
    torch.testing.assert_close(targets.advantages.view(steps, envs).double(), expected, rtol=1e-4, atol=1e-4)


def test_groups_are_neighbours_of_one_task() -> None:
    task = torch.tensor([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
    group, leader = make_groups(task, ["a", "b", "c"], 2)
    assert group.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert leader.tolist() == [0, 0, 2, 2, 4, 4, 6, 6, 8, 8]
    group, leader = make_groups(task, ["a", "b", "c"], None)
    assert group.tolist() == task.tolist()
    assert leader.tolist() == [0, 0, 0, 0, 4, 4, 6, 6, 6, 6]


def test_every_rollout_begins_with_new_episodes(make_agent) -> None:  # type: ignore[no-untyped-def]
    agent = begin(make_agent(GRPO))
    for _ in range(3):
        assert not agent.vec_env.env.buffers["progress"].any()
        assert torch.equal(agent.obs, agent.vec_env.env._observe())
        agent.learn()


@pytest.mark.parametrize("terminating", [False, True])
def test_a_group_begins_alike(make_agent, terminating: bool) -> None:  # type: ignore[no-untyped-def]
    tasks = ["near", "far"] if terminating else ["near"]  # the second one ends episodes by success
    agent = begin(make_agent(GRPO, *GROUPS, f"task.env.tasks=[{','.join(tasks)}]"))
    for _ in range(2):
        groups = agent.obs.view(-1, 4, agent.obs.shape[1])
        assert torch.equal(groups, groups[:, :1].expand_as(groups))
        assert len(agent.obs.unique(dim=0)) == 8
        agent.learn()


def test_there_is_no_critic(make_agent) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent(GRPO)
    assert set(agent.sides) == {"actor"}
    assert not any("critic" in name or "value" in name for name, _ in agent.model.named_parameters())
    # MTBench's actor, with one row of deviations for every task instead of one for all.
    assert count([GRPO, "network=mlp_mtbench"], 10) == 54_216 + 9 * 4
    assert count([GRPO, "network=mlp_mtbench"], 50) == 64_456 + 49 * 4
    assert count([GRPO], 10) == 342_408 + 9 * 4


def test_divergence_is_that_of_torch() -> None:
    mean, other = torch.randn(2, 5, 3)
    log_std, other_log_std = 0.3 * torch.randn(2, 3)
    policy, reference = (Independent(Normal(m, s.exp()), 1) for m, s in ((mean, log_std), (other, other_log_std)))
    torch.testing.assert_close(gaussian_kl(mean, log_std, other, other_log_std), kl_divergence(policy, reference))


def test_the_reference_is_the_policy_of_the_start(make_agent, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    make_agent("max_iterations=1", name="ppo").train()
    pretrained = f"pretrained={tmp_path}/ppo/nn/last.pth"
    free = make_agent(GRPO, pretrained, "max_iterations=4", name="free")
    held = make_agent(GRPO, pretrained, "max_iterations=4", f"{CONFIG}.kl_coef=10", name="held")
    before = weights(held)
    assert same(before, list(held.reference.state_dict().values()))
    for agent in (free, held):
        agent.train()
    assert same(before, list(held.reference.state_dict().values()))

    @torch.no_grad()
    def distance(agent: MTGRPO) -> float:
        """Divergence from the reference where the held agent is."""
        obs, task = held.obs, held.task_index
        means = [m.network.actor(m.normalize_obs(obs, task)) for m in (agent.model, held.reference)]
        log_stds = [m.network.log_std[task] for m in (agent.model, held.reference)]
        return float(gaussian_kl(means[0], log_stds[0], means[1], log_stds[1]).mean())

    assert 0 < distance(held) < 0.5 * distance(free)


@pytest.mark.parametrize("scheme", ["fairgrad", "pcgrad", "cagrad", "famo"])
def test_any_scheme_on_the_actor(make_agent, scheme: str) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent(GRPO, f"balancing.actor={scheme}", f"{CONFIG}.kl_coef=0.1", "max_iterations=2")
    before = weights(agent)
    agent.train()
    assert all(torch.isfinite(value).all() for value in weights(agent))
    assert not same(before, weights(agent))


def test_interrupted_run_equals_an_uninterrupted_one(make_agent, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    options = ["train=FAMO_GRPO", *GROUPS, f"{CONFIG}.kl_coef=0.1"]
    whole = make_agent(*options, "max_iterations=5", name="whole")
    whole.train()
    make_agent(*options, "max_iterations=2", name="parts").train()
    second = make_agent(*options, "max_iterations=5", name="parts")
    torch.rand(100)  # what happened meanwhile must not matter
    second.restore(str(tmp_path / "parts" / "nn" / "last.pth"))
    second.train()
    assert same(weights(whole), weights(second))
    assert same(*(list(agent.reference.state_dict().values()) for agent in (whole, second)))
    assert torch.equal(whole.obs, second.obs)


def test_a_reference_that_was_not_kept_is_missed(make_agent, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    make_agent(GRPO, "max_iterations=1").train()
    with pytest.raises(UserError, match="without a reference; use kl_coef=0"):
        make_agent(GRPO, f"{CONFIG}.kl_coef=0.1", name="b").restore(str(tmp_path / "run" / "nn" / "last.pth"))


@pytest.mark.parametrize("options", [[], [*GROUPS, "num_envs=64"]])
def test_learns_the_toy(make_agent, options: list[str]) -> None:  # type: ignore[no-untyped-def]
    faster = ["num_envs=64", "schedule.mini_epochs=5", f"{CONFIG}.num_minibatches=4", f"{CONFIG}.learning_rate=3e-3"]
    agent = make_agent(GRPO, *options, *faster, "max_iterations=40", evaluate=True)
    before = agent.evaluator(agent.model)
    agent.train()
    after = agent.evaluator(agent.model)
    assert before.mean_success < 0.5
    assert after.mean_success > 0.85


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([f"{CONFIG}.same_start=true"], "group_size=null .* same_start=true"),
        ([f"{CONFIG}.group_size=4"], "does not divide the 8 environments of near|does not divide the 7 environments"),
        ([f"{CONFIG}.group_size=1"], "group_size=1 must be a whole number of at least 2"),
        ([f"{CONFIG}.kl_coef=-1"], "kl_coef=-1 must be a number of at least 0"),
        (["task.env.randomInitialProgress=true"], "whole episodes"),
        (["diagnose_interval=1000"], "no critic"),
        (["train.params.network.critic={}"], "network.critic must be null"),
    ],
)
def test_settings_that_cannot_work(make_agent, options: list[str], words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=words) as error:
        make_agent(GRPO, *options)
    assert "\n" not in str(error.value)


def test_environments_that_cannot_share_a_start(make_agent, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent(GRPO, *GROUPS)
    monkeypatch.delattr(type(agent.vec_env.env), "share_starts")
    with pytest.raises(UserError, match="PointMass environments cannot begin from the start of another"):
        begin(agent)


def test_from_the_command_line(tmp_path: Path) -> None:
    toy = [
        "task=metaworld",
        "task.factory=tests.learning.toy_env:make",
        "task.env.tasks=[near,far]",
        "task.env.episodeLength=10",
        "sim_device=cpu",
        "rl_device=cpu",
        "num_envs=16",
        "actor.units=[16]",
        "eval_goals=3",
        "train=MTGRPO",
    ]
    first = train_here(tmp_path, *toy, "max_iterations=1", "experiment=first")
    assert first.returncode == 0, first.stderr
    more = train_here(tmp_path, *toy, "max_iterations=2", "checkpoint=runs/first/nn/last.pth")
    assert more.returncode == 0 and "epoch     2" in more.stdout and "epoch     1" not in more.stdout, more.stderr
    test = train_here(tmp_path, *toy, "test=True", "checkpoint=runs/first/nn/best.pth")
    assert test.returncode == 0 and "near" in test.stdout, test.stderr
    wrong = train_here(tmp_path, *toy, "balancing.critic=fairgrad", "experiment=second")
    assert wrong.returncode == 2 and wrong.stderr.count("\n") == 1 and "balancing.critic" in wrong.stderr
