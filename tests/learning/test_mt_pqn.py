"""MT-PQN on the toy environment, and its targets against their definition."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtbench.learning.agents.gae import gae
from mtbench.learning.agents.mt_pqn import BangOffBangModel
from mtbench.learning.errors import UserError
from tests.learning.conftest import TOY
from tests.test_train import train_here

PQN = ["train=MTPQN", "critic.width=16"]


def make_model(num_tasks: int = 2, bins: int = 3, blocks: int = 2, width: int = 8, obs: int = 5) -> BangOffBangModel:
    network = {"name": "residual_mlp", "critic": {"width": width, "blocks": blocks, "activation": "elu"}}
    return BangOffBangModel(obs + num_tasks, num_tasks, 4, network, "none", bins)


@pytest.mark.parametrize(("num_tasks", "blocks", "count"), [(10, 1, 149_004), (10, 2, 281_612), (50, 2, 291_852)])
def test_parameters_are_mtbenchs(num_tasks: int, blocks: int, count: int) -> None:
    assert make_model(num_tasks, 3, blocks, 256, 39).num_parameters() == count


@pytest.mark.parametrize("bins", [2, 3, 4, 7, 21])
def test_actions_are_bins_and_back(bins: int) -> None:
    model = make_model(bins=bins)
    chosen = torch.randint(bins, (500, 4))
    assert torch.equal(model.indices(model.bins[chosen]), chosen)
    assert model.bins[0] == -1.0 and model.bins[-1] == 1.0
    assert bins != 3 or model.bins.tolist() == [-1.0, 0.0, 1.0]


def test_value_of_an_action_is_a_mean_and_the_best_has_the_best_bin_in_each_dimension() -> None:
    model = make_model()
    inputs, task = torch.randn(9, 7), torch.zeros(9, dtype=torch.long)
    utilities = model.utilities(inputs)
    every = torch.cartesian_prod(*(torch.arange(3),) * 4)
    values = torch.stack([model.q_values(inputs, one.expand(9, 4)) for one in every])
    for row, chosen in ((0, every[5]), (4, every[70])):
        by_hand = sum(utilities[row, i, chosen[i]].item() for i in range(4)) / 4
        assert model.q_values(inputs, chosen.expand(9, 4))[row].item() == pytest.approx(by_hand, abs=1e-6)
    torch.testing.assert_close(model.max_values(inputs), values.amax(0))
    torch.testing.assert_close(model.max_values(inputs, chunk=4), values.amax(0))
    assert torch.equal(model.greedy(inputs, task), every[values.argmax(0)])
    assert torch.equal(model.act(inputs, task), every[values.argmax(0)] - 1.0)


def n_step_mixture(
    rewards: list[float], values: list[float], ends: list[str], last: float, finals: list[float], lam: float
) -> list[float]:
    """Peng's Q(lambda) of one environment as its definition has it: (1 - lambda) sum_n lambda^(n-1) G^(n), the longest return
    that stays in the episode and the rollout taking what is left of the weight."""
    gamma, steps, found = 0.9, len(rewards), []
    for t in range(steps):
        returns = []
        for n in range(1, steps - t + 1):
            end = t + n - 1
            total = sum(gamma**k * rewards[t + k] for k in range(n))
            after = values[end + 1] if end + 1 < steps else last
            bootstrap = {"": after, "time_out": finals[end], "terminated": 0.0}[ends[end]]
            returns.append(total + gamma**n * bootstrap)
            if ends[end]:
                break
        weights = [(1.0 - lam) * lam**i for i in range(len(returns) - 1)]
        weights.append(1.0 - sum(weights))
        found.append(sum(w * g for w, g in zip(weights, returns, strict=True)))
    return found


@settings(max_examples=50, deadline=None)
@given(
    ends=st.lists(st.sampled_from(["", "", "time_out", "terminated"]), min_size=1, max_size=9),
    lam=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    seed=st.integers(0, 1000),
)
def test_targets_are_a_mixture_of_n_step_returns(ends: list[str], lam: float, seed: int) -> None:
    generator, steps = torch.Generator().manual_seed(seed), len(ends)
    rewards, values, finals = torch.randn(3, steps, generator=generator, dtype=torch.float64)
    last = 0.7
    following = torch.cat((values[1:], torch.tensor([last], dtype=torch.float64)))
    following = torch.tensor(
        [
            {"": after, "time_out": final, "terminated": 0.0}[end]
            for after, final, end in zip(following.tolist(), finals.tolist(), ends, strict=True)
        ],
        dtype=torch.float64,
    )
    dones = torch.tensor([bool(end) for end in ends])
    columns = (rewards, values, following, dones)
    ours = gae(*(column.unsqueeze(1) for column in columns), 0.9, lam).squeeze(1) + values
    theirs = n_step_mixture(rewards.tolist(), values.tolist(), ends, last, finals.tolist(), lam)
    torch.testing.assert_close(ours, torch.tensor(theirs, dtype=torch.float64))


@pytest.mark.parametrize("lam", [0.0, 0.5])
def test_targets_of_a_rollout(make_agent, lam: float) -> None:  # type: ignore[no-untyped-def]
    """Against loops over the environments, with what the environments reported."""
    options = ["train.params.config.horizon_length=45", f"train.params.config.q_lambda={lam}"]
    agent = make_agent(*PQN, *options, "train.params.config.gamma=0.9")
    agent.obs = agent.vec_env.reset()["obs"]
    rollout = agent.collect()
    rollout = replace(rollout, rewards=rollout.rewards / agent.vec_env.env.scale)
    targets = agent.targets(rollout).view(45, 30)
    values = agent.model.max_values(rollout.inputs).view(45, 30)
    last = agent.model.max_values(rollout.last_inputs)
    finals = torch.zeros(45 * 30)
    finals[rollout.final_index] = agent.model.max_values(rollout.final_inputs)
    kinds = [["terminated" if done else "" for done in row] for row in rollout.dones.tolist()]
    for index in rollout.final_index.tolist():
        kinds[index // 30][index % 30] = "time_out"
    assert {kind for row in kinds for kind in row} == {"", "time_out", "terminated"}
    for env in range(30):
        mine = (rollout.rewards[:, env].tolist(), values[:, env].tolist(), [row[env] for row in kinds])
        expected = n_step_mixture(*mine, last[env].item(), finals.view(45, 30)[:, env].tolist(), lam)
        torch.testing.assert_close(targets[:, env], torch.tensor(expected), rtol=1e-4, atol=1e-4)
        if lam == 0.0:  # MTBench's equation 4
            one_step = rollout.rewards[3, env] + 0.9 * values[4, env]
            assert kinds[3][env] or targets[3, env].item() == pytest.approx(one_step.item(), abs=1e-4)


def test_update_is_a_step_on_the_mean_of_the_task_losses(make_agent) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent(*PQN, "train.params.config.truncate_grads=false")
    agent.obs = agent.vec_env.reset()["obs"]
    rollout = agent.collect()
    targets, chosen = agent.targets(rollout), agent.model.indices(rollout.actions)
    rows = next(agent.minibatches.passes(agent.generators["minibatches"]))
    losses = []
    for rows_of, weight in zip(rows.view(4, -1), agent.minibatches.weight, strict=True):
        q = agent.model.utilities(rollout.inputs[rows_of])
        q = sum(q[torch.arange(len(q)), i, chosen[rows_of, i]] for i in range(2)) / 2
        losses.append(sum(0.5 * w * (a - b) ** 2 for w, a, b in zip(weight, q, targets[rows_of], strict=True)))
    parameters = list(agent.model.network.parameters())
    expected = torch.autograd.grad(sum(losses) / 4, parameters)
    scalars = agent.update(rollout.inputs[rows], chosen[rows], targets[rows], diagnose=True)
    assert scalars["losses/c_loss"].item() == pytest.approx(sum(losses).item() / 4, rel=1e-4)
    for parameter, gradient in zip(parameters, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-3)
    assert scalars["balancing/critic_norm_spread"] >= 1.0
    assert isinstance(agent.optimizers["critic"], torch.optim.RAdam)


def test_epsilon_and_learning_rate_depend_on_frames_alone(make_agent) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent(*PQN, "max_frames=4800", "train.params.config.exploration_fraction=0.5")
    at = [agent.epsilon(frame) for frame in (0, 600, 2400, 4800)]
    assert at == pytest.approx([1.0, 1.0 - 0.25 * 0.995, 0.005, 0.005])
    agent.obs = agent.vec_env.reset()["obs"]
    rates = []
    for _ in range(10):
        agent.train_epoch()
        rates.append(agent.last_lr)
    assert agent.frame == 4800
    assert rates == pytest.approx([3e-4 * (1.0 - i / 10) for i in range(10)])


def test_exploration_takes_whole_random_actions_of_some_environments(make_agent) -> None:  # type: ignore[no-untyped-def]
    constant = ["train.params.config.start_e=0.4", "train.params.config.end_e=0.4"]
    agent = make_agent(*PQN, "num_envs=4000", *constant)
    obs = agent.vec_env.reset()["obs"]
    with torch.no_grad():  # all prefer the last bin
        agent.model.network.head.weight.zero_()
        agent.model.network.head.bias.copy_(torch.tensor([0.0, 0.0, 1.0]).repeat(2))
    actions, _ = agent.act(obs)
    assert set(actions.unique().tolist()) == {-1.0, 0.0, 1.0}
    greedy = (actions == 1.0).all(1).float().mean().item()
    assert greedy == pytest.approx(0.6 + 0.4 / 9, abs=0.03)
    assert (actions == 1.0).all(1).all().item() is False
    assert torch.equal(agent.model.act(obs, agent.task_index), torch.ones(4000, 2))


def test_interrupted_run_equals_an_uninterrupted_one(make_agent, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    options = [*PQN, "max_frames=4000", "train.params.config.exploration_fraction=0.5", "normalize_input=per_task"]
    whole = make_agent(*options, "max_iterations=5", name="whole")
    whole.train()
    make_agent(*options, "max_iterations=2", name="parts").train()
    second = make_agent(*options, "max_iterations=5", name="parts")
    torch.rand(100)  # what happened meanwhile must not matter
    second.restore(str(tmp_path / "parts" / "nn" / "last.pth"))
    second.train()
    assert second.frame == whole.frame and torch.equal(whole.obs, second.obs)
    first, again = whole.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in first.items())


def test_learns(make_agent) -> None:  # type: ignore[no-untyped-def]
    settings = {"gamma": 0.8, "mini_epochs": 4, "learning_rate": 1e-2, "exploration_fraction": 0.5}
    options = [f"train.params.config.{name}={value}" for name, value in settings.items()]
    tasks = "task.env.tasks=[near,near,near,near]"  # four places, one scale: nothing is normalized
    size = ["critic.width=32", "num_envs=32", "max_frames=20000"]
    agent = make_agent("train=MTPQN", tasks, *size, *options, evaluate=True)
    before = agent.evaluator(agent.model).mean_success
    agent.train()
    after = agent.evaluator(agent.model).mean_success
    assert before < 0.5 and after > 0.8


@pytest.mark.parametrize(
    "options",
    [
        ["balancing.critic=fairgrad"],
        ["balancing.critic=pcgrad"],
        ["balancing.critic=famo"],
        ["train.params.config.recompute_targets=true", "train.params.config.anneal_lr=false"],
        ["network=soft_modularization", "critic.width=16", "critic.layers=2", "balancing.critic=fairgrad"],
        ["network=simbav2", "critic.width=16"],
        ["network=paco", "critic.width=16", "balancing.critic=pcgrad"],
    ],
    ids=lambda options: options[0],
)
def test_schemes_networks_and_options_train(make_agent, options: list[str]) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent("train=MTPQN", "critic.width=16", *options, "max_iterations=1")
    before = {name: value.clone() for name, value in agent.model.named_parameters() if value.requires_grad}
    agent.train()
    for name, value in agent.model.named_parameters():
        assert torch.isfinite(value).all(), name
        assert name not in before or not torch.equal(value, before[name]), f"{name} was not trained"


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("max_frames=null", "max_frames=null"),
        ("diagnose_interval=1000", "diagnose_interval"),
        ("train.params.config.bins_per_dim=1", "bins_per_dim=1 must be"),
        ("train.params.config.q_lambda=1.5", "q_lambda=1.5 must be"),
        ("train.params.config.exploration_fraction=0", "exploration_fraction=0"),
        ("train.params.config.num_minibatches=0", "num_minibatches=0 must be"),
        ("+critic.depth=3", "no setting 'critic.depth'"),
        ("balancing.critic=fairgard", "fairgrad"),
    ],
)
def test_mistakes_are_told_in_a_sentence(make_agent, option: str, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=words):
        make_agent(*PQN, option)


def test_from_the_command_line(tmp_path: Path) -> None:
    """Train, continue, and evaluate, as a user does."""

    def train(*overrides: str) -> str:
        small = ["train=MTPQN", "critic.width=16", "num_envs=16", "eval_goals=3"]
        result = train_here(tmp_path, *TOY, *small, *overrides)
        assert result.returncode == 0, result.stderr
        return result.stdout

    assert "epoch     1" in train("max_iterations=1", "experiment=pqn")
    continued = train("max_iterations=2", "checkpoint=runs/pqn/nn/last.pth")
    assert "epoch     2" in continued and "epoch     1" not in continued
    assert "mean" in train("test=True", "checkpoint=runs/pqn/nn/best.pth")
