"""MT-IMPALA: gradients, lags, resuming, settings, and learning on the toy environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mtbench.learning.agents.sources import Experience
from mtbench.learning.errors import UserError
from mtbench.learning.networks.model import gaussian_log_prob

IMPALA = "train=MTIMPALA"
CONFIG = "train.params.config"


def weights(agent: Any) -> list[torch.Tensor]:
    return [value.clone() for value in agent.model.state_dict().values()]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def begin(agent: Any) -> Any:
    agent.obs = agent.vec_env.reset()["obs"]
    return agent


def test_without_lag_nothing_is_corrected(make_agent) -> None:  # type: ignore[no-untyped-def]
    agent, other = (begin(make_agent(IMPALA, *extra, name=f"run{len(extra)}")) for extra in ([], ["correction=none"]))
    for _ in range(3):
        scalars = agent.learn()
        other.learn()
        agent.epoch_num, other.epoch_num = agent.epoch_num + 1, other.epoch_num + 1
        assert scalars["info/policy_lag"] == 0 and float(scalars["info/ess"]) == pytest.approx(1.0, abs=1e-6)
    for mine, theirs in zip(weights(agent), weights(other), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_acts_with_the_policy_of_so_many_updates_ago(make_agent) -> None:  # type: ignore[no-untyped-def]
    agent, lag = begin(make_agent(IMPALA, "source={name:inline,lag:2}")), 2
    history = []
    for update in range(5):
        history.append(weights(agent))
        experience = agent.source.next(agent)
        assert same(list(agent.source.actor.state_dict().values()), history[max(update - lag, 0)])
        assert experience.version == max(update - lag, 0)
        agent.learn()
        agent.epoch_num += 1
    assert agent.lag == lag


@pytest.mark.parametrize("clip", [True, False])
def test_the_first_step_is_the_policy_gradient(make_agent, clip: bool) -> None:  # type: ignore[no-untyped-def]
    """``-weight A grad log pi``, without what is added for other reasons; both forms of the loss have it."""
    settings = [f"{CONFIG}.{name}" for name in ("entropy_coef=0", "bounds_loss_coef=0", "normalize_advantage=false")]
    agent = begin(make_agent(IMPALA, "source={name:inline,lag:1}", f"{CONFIG}.clip_policy={clip}", *settings))
    agent.learn()
    agent.epoch_num += 1
    rollout = agent.collect()
    targets = agent.targets(rollout, update_statistics=True)
    rows = next(agent.minibatches.passes(agent.generators["minibatches"]))
    losses, _ = agent.actor_losses(agent.model.network.actor(rollout.inputs[rows]), rollout, targets, rows)
    assert bool((losses >= 0).all())
    found = torch.autograd.grad(losses.sum(), agent.model.network.log_std)[0]
    means = agent.model.network.actor(rollout.inputs[rows])
    log_probs = gaussian_log_prob(rollout.actions[rows], means, agent.model.network.log_std[rollout.task[rows]])
    ratios = (log_probs - rollout.log_probs[rows]).exp().detach()
    assert float((ratios - 1).abs().max()) > 1e-3, "the rollout is of an older policy"
    plain = -(agent.minibatches.weight.flatten() * ratios.clamp_max(1.0) * targets.advantages[rows] * log_probs).sum()
    expected = torch.autograd.grad(plain, agent.model.network.log_std)[0]
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_targets_have_no_gradient(make_agent) -> None:  # type: ignore[no-untyped-def]
    agent = begin(make_agent(IMPALA))
    targets = agent.targets(agent.collect(), update_statistics=True)
    assert not any(value.requires_grad for value in vars(targets).values())


@pytest.mark.parametrize("lag", [0, 3])
def test_interrupted_run_equals_an_uninterrupted_one(make_agent, tmp_path: Path, lag: int) -> None:  # type: ignore[no-untyped-def]
    options = [
        IMPALA,
        f"source={{name:inline,lag:{lag}}}",
        "balancing.critic=famo",
        "balancing.actor=pcgrad",
        "value_norm=popart",
    ]
    whole = make_agent(*options, "max_iterations=7", name="whole")
    whole.train()
    make_agent(*options, "max_iterations=4", name="parts").train()
    second = make_agent(*options, "max_iterations=7", name="parts")
    torch.rand(100)  # what happened meanwhile must not matter
    second.restore(str(tmp_path / "parts" / "nn" / "last.pth"))
    second.train()
    assert same(weights(whole), weights(second))
    assert torch.equal(whole.obs, second.obs)
    assert [version for version, _ in whole.source.policies] == [version for version, _ in second.source.policies]


@pytest.mark.parametrize(
    "options",
    [
        ["balancing.actor=fairgrad", "balancing.critic=cagrad", "diagnose_interval=1"],
        ["balancing.actor=famo", "balancing.critic=uncertainty"],
        ["network=moore"],
        ["network=multihead", "correction=unclipped"],
    ],
)
def test_any_scheme_and_network(make_agent, options: list[str]) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent(IMPALA, "source={name:inline,lag:1}", *options, "max_iterations=3")
    before = weights(agent)
    agent.train()
    assert all(torch.isfinite(value).all() for value in weights(agent)) and not same(before, weights(agent))


def test_a_rollout_that_is_not_finite_is_refused_and_counted(make_agent, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    agent = begin(make_agent(IMPALA))
    ask, calls = agent.source.next, []

    def broken(learner: Any) -> Experience:
        calls.append(1)
        experience = ask(learner)
        if len(calls) < 3:
            experience.steps.log_probs[3, 4] = float("nan")
        return experience

    monkeypatch.setattr(agent.source, "next", broken)
    assert agent.learn()["info/refused"] == 2
    assert all(torch.isfinite(value).all() for value in weights(agent))


def test_learns_the_toy(make_agent) -> None:  # type: ignore[no-untyped-def]
    faster = ["num_envs=64", f"{CONFIG}.learning_rate=3e-3", "schedule.num_minibatches=16", f"{CONFIG}.mini_epochs=2"]
    agent = make_agent(IMPALA, "source={name:inline,lag:1}", *faster, "max_iterations=70", evaluate=True)
    before = agent.evaluator(agent.model)
    agent.train()
    after = agent.evaluator(agent.model)
    assert before.mean_success < 0.5 and after.mean_success > 0.7


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["source={name:inline,lag:-1}"], "source.lag=-1 must be a whole number of at least 0"),
        (["source=inlin"], "unknown source 'inlin' .nearest: inline"),
        (["source={name:inline,lagg:1}"], "there is no setting 'source.lagg' .nearest: lag.; source takes: lag"),
        (["correction=non"], "correction=non must be vtrace, unclipped or none .nearest: none"),
        ([f"{CONFIG}.rho_bar=0.5"], "rho_bar=0.5 must be at least c_bar=1.0"),
        ([f"{CONFIG}.c_bar=0"], "c_bar=0 must be a number above 0"),
    ],
)
def test_settings_that_cannot_work(make_agent, options: list[str], words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=words) as error:
        make_agent(IMPALA, *options)
    assert "\n" not in str(error.value)
