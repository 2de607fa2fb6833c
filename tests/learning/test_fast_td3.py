"""FastTD3: its distributional target against plain loops, and the agent as a whole on the toy environment."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mtbench.commands.command_line import run_application
from mtbench.commands.launch import CFG, launch
from mtbench.learning.agents.fast_td3 import smaller_mean
from mtbench.learning.agents.replay import Batch
from mtbench.learning.errors import UserError
from mtbench.learning.gradient_record import GradientRecord
from mtbench.learning.networks.distributional import TwinCriticModel, project_distribution

FAST = [
    "train=FastTD3",
    "train.params.config.batch_size=32",
    "train.params.config.replay_buffer_size=3000",
    "train.params.config.warmup_steps=10",
    "train.params.config.nstep=3",
]


def setting(name: str, value: Any) -> str:
    return f"train.params.config.{name}={value}"


def weights(agent: Any) -> list[Tensor]:
    return [value.clone() for value in agent.model.state_dict().values()]


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


# -- the projection ----------------------------------------------------------------------------------------------------


def projected_by_loops(probabilities: list[float], reward: float, discount: float, low: float, high: float) -> Tensor:
    """One sample, atom by atom, each atom's mass shared by the neighbours of where it moves to."""
    count = len(probabilities)
    width = (high - low) / (count - 1)
    out = [0.0] * count
    for j, mass in enumerate(probabilities):
        moved = min(max(reward + discount * (low + j * width), low), high)
        for i in range(count):
            out[i] += mass * max(0.0, 1.0 - abs(moved - (low + i * width)) / width)
    return torch.tensor(out, dtype=torch.float64)


@st.composite
def distributions(draw: st.DrawFn) -> tuple[Tensor, float, float, float, float]:
    count = draw(st.integers(2, 21))
    raw = draw(st.lists(st.floats(0.0, 1.0), min_size=count, max_size=count).filter(lambda x: sum(x) > 0.1))
    low = draw(st.floats(-20.0, 5.0))
    high = low + draw(st.floats(0.5, 30.0))
    probabilities = torch.tensor(raw, dtype=torch.float64)
    reward, discount = draw(st.floats(-40.0, 40.0)), draw(st.sampled_from([0.0, 0.5, 0.99, 1.0]))
    return probabilities / probabilities.sum(), reward, discount, low, high


@settings(max_examples=150, deadline=None)
@given(distributions())
def test_projection_is_that_of_loops_and_keeps_mass_and_mean(case: tuple[Tensor, float, float, float, float]) -> None:
    probabilities, reward, discount, low, high = case
    rewards, discounts = (torch.tensor([x], dtype=torch.float64) for x in (reward, discount))
    found = project_distribution(probabilities.unsqueeze(0), rewards, discounts, low, high)[0]
    torch.testing.assert_close(
        found, projected_by_loops(probabilities.tolist(), reward, discount, low, high), atol=1e-9, rtol=0
    )
    assert float(found.sum()) == pytest.approx(1.0)
    assert (found >= 0.0).all()
    atoms = torch.linspace(low, high, len(probabilities), dtype=torch.float64)
    mean = float(probabilities @ (reward + discount * atoms).clamp(low, high))
    assert float(found @ atoms) == pytest.approx(mean, abs=1e-8)  # the ends alone move it


def test_projection_of_the_identity_and_beyond_the_ends() -> None:
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.softmax(torch.randn(5, 101, generator=generator), 1)
    same_again = project_distribution(probabilities, torch.zeros(5), torch.ones(5), -10.0, 10.0)
    torch.testing.assert_close(same_again, probabilities, atol=2e-6, rtol=0)
    ends = project_distribution(probabilities[:2], torch.tensor([1e6, -1e6]), torch.ones(2), -10.0, 10.0)
    torch.testing.assert_close(ends[:, [100, 0]].diagonal(), torch.ones(2))


# -- the target --------------------------------------------------------------------------------------------------------


def test_of_twins_the_one_with_the_smaller_mean_is_taken_sample_by_sample() -> None:
    atoms = torch.tensor([-1.0, 0.0, 1.0])
    twins = torch.tensor([[[0.0, 0.5, 0.5], [0.9, 0.1, 0.0]], [[0.6, 0.0, 0.4], [0.0, 0.0, 1.0]]])
    chosen = smaller_mean(twins, twins @ atoms)
    assert torch.equal(chosen, torch.stack((twins[1, 0], twins[0, 1])))


def batch_of(agent: Any, per_task: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(3)
    n = 4 * per_task
    task = torch.arange(4).repeat_interleave(per_task)
    one_hot = torch.eye(4)[task]
    draw = torch.randn(2, n, 6, generator=generator)
    return Batch(
        obs=torch.cat((draw[0], one_hot), 1),
        actions=torch.rand(n, 2, generator=generator) * 2 - 1,
        rewards=torch.randn(n, generator=generator) * 3,
        discount=torch.tensor([0.0, 0.99, 0.97, 0.95]).repeat(4),
        next_obs=torch.cat((draw[1], one_hot), 1),
        task=task,
    )


def test_target_of_terminated_and_other_windows(make_agent) -> None:  # type: ignore[no-untyped-def]
    """Terminated: all mass at the reward. Else, cut off or not, the discounted next value is in it."""
    agent = make_agent(*FAST, setting("normalize_reward", "false"), setting("policy_noise", 0.0))
    batch, model = batch_of(agent), agent.model
    target = agent.target(batch)
    assert target.shape == (2, 16, 101) and torch.equal(target[0], target[1])
    with torch.no_grad():
        following = model.normalize_obs(batch.next_obs, batch.task)
        twins = torch.softmax(model.logits(model.targets, following, model.policy(following)), -1)
    first = (twins[0] @ model.atoms) < (twins[1] @ model.atoms)
    smaller = torch.where(first.unsqueeze(1), *twins)
    moved = batch.rewards.unsqueeze(1) + batch.discount.unsqueeze(1) * model.atoms
    expected = (smaller * moved.clamp(-10.0, 10.0)).sum(1)
    torch.testing.assert_close(target[0] @ model.atoms, expected, atol=1e-4, rtol=1e-4)
    ended = batch.discount == 0.0
    assert (target[0][ended] > 1e-6).sum(1).max() <= 2
    own = make_agent(*FAST, setting("clipped_double_q", "false"), name="own").target(batch)
    assert not torch.equal(own[0], own[1])


def test_rewards_are_normalized_when_they_are_sampled(make_agent) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent(*FAST)
    agent.reward_normalizer.count.fill_(1.0)
    agent.reward_normalizer.largest.copy_(torch.tensor([10.0, 100.0, 1000.0, 1.0]))
    batch = batch_of(agent)
    batch.discount.zero_()
    scale = torch.tensor([1.0, 10.0, 100.0, 0.1])[batch.task]
    expected = (batch.rewards / scale).clamp(-10.0, 10.0)
    torch.testing.assert_close(agent.target(batch)[0] @ agent.model.atoms, expected, atol=1e-4, rtol=1e-4)


def test_the_update_is_that_of_losses_written_out(make_agent) -> None:  # type: ignore[no-untyped-def]
    """Critics, actor and targets after two updates, with plain AdamW on the written-out losses of a second agent."""
    agent, other = (make_agent(*FAST, name=name) for name in "ab")
    batch = batch_of(agent)
    for _ in range(2):
        agent.update(batch)
    model = other.model
    rate, decay = agent.last_lr, 0.1
    critic_steps = torch.optim.AdamW(model.critics.parameters(), rate, weight_decay=decay)
    actor_steps = torch.optim.AdamW(model.actor.parameters(), rate, weight_decay=decay)
    inputs = model.normalize_obs(batch.obs, batch.task)
    seen = torch.cat((inputs[:, :6], batch.actions, inputs[:, 6:]), 1)
    for step in range(2):
        target = other.target(batch)[0]
        critic_steps.zero_grad()
        sum(-(target * critic(seen).log_softmax(1)).sum(1).mean() for critic in model.critics).backward()
        critic_steps.step()
        if step == 1:
            actor_steps.zero_grad()
            tried = torch.cat((inputs[:, :6], torch.tanh(model.actor(inputs)), inputs[:, 6:]), 1)
            values = [critic(tried).softmax(1) @ model.atoms for critic in model.critics]
            (-torch.minimum(*values).mean()).backward()
            actor_steps.step()
        for slow, fast in zip(model.targets.parameters(), model.critics.parameters(), strict=True):
            slow.data.copy_(0.9 * slow + 0.1 * fast.data)
    for mine, theirs in zip(weights(agent), weights(other), strict=True):
        torch.testing.assert_close(mine, theirs, atol=2e-5, rtol=1e-4)


def test_the_actor_waits_for_its_turn_and_leaves_the_critics_alone(make_agent) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent(*FAST)
    batch = batch_of(agent)
    before = [p.clone() for p in agent.model.actor.parameters()]
    agent.update(batch)
    assert same(before, list(agent.model.actor.parameters()))
    critics = [p.clone() for p in agent.model.critics.parameters()]
    agent.update_actor(agent.model.normalize_obs(batch.obs, batch.task))
    assert not same(before, list(agent.model.actor.parameters()))
    assert same(critics, list(agent.model.critics.parameters()))
    assert all(p.requires_grad for p in agent.model.critics.parameters())
    assert not any(p.requires_grad for p in agent.model.targets.parameters())


# -- exploration and schedule ------------------------------------------------------------------------------------------


def test_noise_of_an_environment_stays_for_an_episode(make_agent) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent(*FAST)
    agent.obs = agent.vec_env.reset()["obs"]
    for _ in range(25):
        before = agent.exploration_std
        _, _, dones, _ = agent.step(torch.zeros(30, 2))
        assert torch.equal((agent.exploration_std != before).squeeze(1), dones.bool())
        assert agent.exploration_std.min() >= 0.001 and agent.exploration_std.max() <= 0.4
    assert agent.explore(agent.obs).abs().max() <= 1.0


def test_cosine_schedule_ends_with_the_run(make_agent) -> None:  # type: ignore[no-untyped-def]
    cosine = [setting("lr_schedule", "cosine"), setting("learning_rate_end", "3e-5"), "max_iterations=4"]
    agent = make_agent(*FAST, *cosine)
    rates = []
    for epoch in range(5):
        agent.epoch_num = epoch
        agent.before_updates()
        rates.append(agent.last_lr)
    expected = [3e-5 + 13.5e-5 * (1 + math.cos(math.pi * i / 4)) for i in range(5)]
    assert rates == pytest.approx(expected)
    assert agent.optimizers["actor"].param_groups[0]["lr"] == pytest.approx(3e-5)


# -- the agent ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["balancing.critic=fairgrad", "balancing.actor=pcgrad"],
        ["balancing.critic=famo", "balancing.actor=famo"],
        ["critic.layer_norm=true", setting("truncate_grads", "true"), setting("clipped_double_q", "false")],
        ["task.env.tasks=[near]", setting("normalize_reward", "false")],
    ],
)
def test_options_and_schemes_run(make_agent, options: list[str]) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent(*FAST, "max_iterations=2", *options)
    before = weights(agent)
    agent.train()
    assert all(torch.isfinite(value).all() for value in weights(agent))
    assert not same(before, weights(agent))


def test_mean_scheme_by_gram_matrix_is_the_plain_mean(make_agent) -> None:  # type: ignore[no-untyped-def]
    """The per-task gradients of both critics, their shared embedding among them, add up to the plain gradient."""
    agent = make_agent(*FAST)
    batch = batch_of(agent)
    inputs, target = agent.model.normalize_obs(batch.obs, batch.task), agent.target(batch)

    def losses() -> Tensor:
        logits = agent.model.logits(agent.model.critics, inputs, batch.actions)
        return -(target * logits.log_softmax(-1)).sum(-1).sum(0).view(4, -1).mean(1)

    side = agent.sides["critic"]
    with side.tape:
        values = losses()
    gradients, owned = side.tape.gradients(values, side.owned)
    expected = torch.autograd.grad(losses().mean(), [*side.tape.parameters, *side.owned])
    flat = torch.cat([g.flatten() for g in expected[: len(side.tape.parameters)]])
    torch.testing.assert_close(gradients.mean(0), flat, atol=1e-6, rtol=1e-4)
    assert len(owned) == 1
    torch.testing.assert_close(owned[0] / 4, expected[-1], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("train", ["FastTD3", "FastTD3_SimBaV2"])
def test_simbav2_weights_stay_on_the_sphere(make_agent, train: str) -> None:  # type: ignore[no-untyped-def]
    sizes = ["network=simbav2", "actor.width=16", "critic.width=16", "max_iterations=1"]
    agent = make_agent(*FAST, f"train={train}", *sizes)
    agent.train()
    for network in (agent.model.actor, agent.model.critics):
        for module in network.modules():
            if isinstance(module, torch.nn.Linear):
                torch.testing.assert_close(module.weight.norm(dim=1), torch.ones(len(module.weight)))
    assert agent.updates > 0


def test_it_learns_all_scales(make_agent) -> None:  # type: ignore[no-untyped-def]
    faster = [
        setting("learning_rate", "1e-3"),
        setting("batch_size", 128),
        "actor.units=[64,64]",
        "critic.units=[64,64]",
        setting("replay_buffer_size", 20_000),
        setting("gamma", 0.9),  # episodes have 20 steps; 0.99 would value states far beyond the support
    ]
    agent = make_agent(*FAST, *faster, "max_iterations=40", evaluate=True)
    before = agent.evaluator(agent.model)
    agent.train()
    after = agent.evaluator(agent.model)
    assert before.mean_success < 0.5
    assert after.mean_success > 0.8, after.success


def test_with_its_replay_buffer_a_run_continues_exactly(make_agent, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    keep = [*FAST, setting("save_replay_buffer", "true")]
    whole = make_agent(*keep, "max_iterations=5", name="whole")
    whole.train()
    make_agent(*keep, "max_iterations=2", name="parts").train()
    second = make_agent(*keep, "max_iterations=5", name="parts")
    torch.rand(100)
    second.restore(str(tmp_path / "parts" / "nn" / "last.pth"))
    assert second.updates > 0 and second.reward_normalizer.count.min() > 0
    second.train()
    assert same(weights(whole), weights(second))
    assert torch.equal(whole.exploration_std, second.exploration_std)
    assert torch.equal(whole.reward_normalizer.scale, second.reward_normalizer.scale)
    assert "not exactly" not in capsys.readouterr().out


def test_without_it_a_run_says_so_and_keeps_its_statistics(make_agent, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    first = make_agent(*FAST, "max_iterations=2", name="parts")
    first.train()
    capsys.readouterr()
    second = make_agent(*FAST, "max_iterations=3", name="parts")
    second.restore(str(tmp_path / "parts" / "nn" / "last.pth"))
    assert capsys.readouterr().out.count("not exactly") == 1
    assert torch.equal(first.reward_normalizer.scale, second.reward_normalizer.scale)
    second.train()
    assert all(torch.isfinite(value).all() for value in weights(second))


@pytest.mark.parametrize(("num_tasks", "actor", "critics"), [(10, 201_924, 1_520_138), (50, 203_204, 1_521_418)])
def test_parameter_counts_are_mtbenchs(num_tasks: int, actor: int, critics: int) -> None:
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(CFG), version_base="1.3"):
        cfg = compose("config", ["train=FastTD3"])
    network: Any = OmegaConf.to_container(cfg.train.params.network, resolve=True)
    with torch.device("meta"):
        model = TwinCriticModel(39 + num_tasks, num_tasks, 4, network, "per_task", 101, -10.0, 10.0)
    assert sum(p.numel() for p in model.actor.parameters()) == actor
    assert sum(p.numel() for p in model.critics.parameters()) == critics
    assert model.num_parameters() == actor + critics


def test_task_gradients_are_recorded(make_agent, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Those of the first updates of an epoch, up to the first of the actor, and training is the same as without."""
    quick = [*FAST, "max_iterations=4", "balancing.critic=fairgrad", "schedule.horizon_length=8"]
    plain, agent = make_agent(*quick, name="plain"), make_agent(*quick, "diagnose_interval=1", name="run")
    plain.train()
    agent.train()
    assert same(weights(plain), weights(agent))
    record = GradientRecord.read(tmp_path / "run" / "gradients.npz")
    assert len(record) == 3  # nothing is learned in the first epoch
    assert record["critic_norm"] == pytest.approx(len(record.tasks) ** 0.5, rel=1e-3)  # FairGrad's
    assert (record["actor_norm"] > 0).all()


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (setting("num_atoms", 1), "num_atoms=1"),
        (setting("v_min", 10), "v_min=10"),
        (setting("lr_schedule", "cosin"), "lr_schedule=cosin must be constant or cosine"),
        (setting("std_min", 0.5), "std_min=0.5"),
    ],
)
def test_settings_that_cannot_work(make_agent, option: str, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=words):
        make_agent(*FAST, option)


def test_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:  # type: ignore[no-untyped-def]
    """Train, continue, evaluate, and be told of a mistake."""
    toy = ["task=metaworld", "task.factory=tests.learning.toy_env:make", "task.env.tasks=[near,far]"]
    toy += ["task.env.episodeLength=10", "sim_device=cpu", "rl_device=cpu", "num_envs=16", "schedule.horizon_length=8"]
    toy += ["eval_goals=3", "actor.units=[16]", "critic.units=[16]", *FAST]
    monkeypatch.chdir(tmp_path)

    def run(*overrides: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["train.py", *toy, *overrides])
        code = run_application(launch, CFG)
        return code, *capsys.readouterr()

    code, out, error = run("max_iterations=3", "experiment=first")
    assert code == 0, error
    assert "replay buffer: " in out and "epoch     3" in out
    code, out, error = run("max_iterations=4", "checkpoint=runs/first/nn/last.pth")
    assert code == 0 and "epoch     4" in out and "not exactly" in out, error
    code, out, error = run("test=True", "checkpoint=runs/first/nn/best.pth")
    assert code == 0 and "near" in out, error
    code, out, error = run(setting("policy_dely", 3))
    assert code == 2 and error.startswith("error: ") and error.count("\n") == 1 and "policy_dely" in error
