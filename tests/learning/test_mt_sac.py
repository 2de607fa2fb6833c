"""Multi-task SAC on the toy environment, and its update against hand-made references."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributions import Independent, Normal, TanhTransform, TransformedDistribution

from mtbench.commands.count import count_sac
from mtbench.commands.diagnose import snapshot
from mtbench.learning.agents.mt_sac import MTSAC
from mtbench.learning.errors import UserError
from mtbench.learning.gradient_record import GradientRecord
from mtbench.learning.networks.sac_model import SACModel
from tests.test_train import train_here

CONFIG = "train.params.config"
QUICK = ["train=MTSAC", f"{CONFIG}.batch_size=64", f"{CONFIG}.nstep=3", f"{CONFIG}.gradient_steps_per_itr=1"]
FILLED = [*QUICK, "schedule.horizon_length=5", f"{CONFIG}.replay_buffer_size=6000"]
MLP = {"units": [512, 256, 128], "activation": "relu"}


def weights(agent: Any) -> list[torch.Tensor]:
    return [value.clone() for value in agent.model.state_dict().values()]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.fixture
def agent(make_agent) -> MTSAC:  # type: ignore[no-untyped-def]
    """A few steps into a run, with critics, targets and temperatures that differ."""
    made: MTSAC = make_agent(*FILLED, "max_iterations=3")
    made.train()
    with torch.no_grad():
        for parameter in made.model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        made.model.network.log_alpha.copy_(torch.tensor([-1.0, 0.0, 0.5, -2.0]))
    return made


@pytest.mark.parametrize(("num_tasks", "trained"), [(10, 574_868), (50, 636_348)])
def test_parameters_are_those_of_mtbench_without_targets(num_tasks: int, trained: int) -> None:
    network = {"name": "mlp", "actor": MLP, "critic": MLP}
    model = SACModel(39 + num_tasks, num_tasks, 4, network, "per_task")
    assert model.num_parameters() == trained
    assert not any(parameter.requires_grad for parameter in model.target_critic.parameters())
    targets = sum(parameter.numel() for parameter in model.target_critic.parameters())
    assert trained + targets - num_tasks == count_sac("mlp", MLP, num_tasks)


def test_actions_have_the_density_of_a_squashed_gaussian(agent: MTSAC) -> None:
    inputs, noise = torch.randn(40, 10), torch.randn(40, 2)
    actions, log_prob = agent.model.squashed(inputs, noise)
    mean, log_std = agent.model.distribution(inputs)
    squashed = TransformedDistribution(Normal(mean, log_std.exp()), TanhTransform())
    torch.testing.assert_close(log_prob, Independent(squashed, 1).log_prob(actions), rtol=1e-3, atol=1e-3)
    far = agent.model.squashed(inputs, torch.full_like(noise, 60.0))[1]
    assert torch.isfinite(far).all()


def test_the_target_is_reward_and_discounted_soft_value(agent: MTSAC) -> None:
    batch = agent.replay.sample(64, agent.generators["minibatches"])
    agent.reward_scale = torch.tensor([2.0, 1.0, 0.5, 3.0])
    noise = torch.randn_like(batch.actions)
    target = agent.critic_target(batch, noise)
    model, alpha = agent.model, [math.exp(x) for x in (-1.0, 0.0, 0.5, -2.0)]
    for i in (0, 17, 33, 63):
        k = int(batch.task[i])
        inputs = model.normalize_obs(batch.next_obs[i : i + 1], batch.task[i : i + 1])
        action, log_prob = model.squashed(inputs, noise[i : i + 1])
        both = torch.cat((inputs[:, :6], action, inputs[:, 6:]), 1)
        value = min(critic(both).item() for critic in model.target_critic) - alpha[k] * log_prob.item()
        expected = float(agent.reward_scale[k] * batch.rewards[i]) + float(batch.discount[i]) * value
        assert float(target[i]) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_losses_are_means_over_the_slice_of_each_task(agent: MTSAC) -> None:
    batch = agent.replay.sample(64, agent.generators["minibatches"])
    inputs = agent.model.normalize_obs(batch.obs, batch.task)
    state = agent.generators["minibatches"].get_state()
    losses = agent._critic_losses(batch, inputs)()
    agent.generators["minibatches"].set_state(state)
    error = agent.model.q(inputs, batch.actions) - agent.critic_target(batch, agent._noise(batch))
    expected = torch.stack([error[:, batch.task == k].square().mean(1).sum() for k in range(4)])
    torch.testing.assert_close(losses, expected)


def test_each_temperature_follows_the_entropy_of_its_task(agent: MTSAC) -> None:
    before = agent.model.network.log_alpha.detach().clone()
    agent.optimizers["alpha"] = torch.optim.SGD([agent.model.network.log_alpha], 0.1)
    entropy = torch.tensor([-3.0, -2.0, 1.0, -2.5])
    agent._step_temperatures(-entropy)
    gradient = before.exp() * (entropy + 2.0)  # the target is minus two actions
    torch.testing.assert_close(agent.model.network.log_alpha.detach(), before - 0.1 * gradient)


def test_targets_follow_the_critics_slowly(agent: MTSAC) -> None:
    model = agent.model
    before = [value.clone() for value in model.target_critic.parameters()]
    model.update_targets(0.01)
    for old, new, value in zip(
        before, model.target_critic.parameters(), model.network.critic.parameters(), strict=True
    ):
        torch.testing.assert_close(new, 0.99 * old + 0.01 * value.detach())


def test_an_update_moves_all_that_is_trained_and_clips_the_gradient_that_is_there(agent: MTSAC) -> None:
    before = {name: value.clone() for name, value in agent.model.named_parameters()}
    scalars = agent.update(agent.replay.sample(64, agent.generators["minibatches"]))
    assert all(not torch.equal(value, before[name]) for name, value in agent.model.named_parameters())
    assert scalars["info/critic_grad_norm"] > 0.5
    norm = torch.stack([p.grad.norm() for p in agent.model.network.critic.parameters() if p.grad is not None]).norm()
    assert float(norm) == pytest.approx(0.5, rel=1e-3)


def test_the_actor_leaves_no_gradient_in_the_critics(agent: MTSAC) -> None:
    """The gradient of the actor's loss alone, with its temperature, against autograd."""
    batch = agent.replay.sample(64, agent.generators["minibatches"])
    steps = {}
    for name, optimizer in agent.optimizers.items():
        optimizer.step = lambda name=name: steps.setdefault(name, True)  # type: ignore[method-assign, misc]
    agent.config["truncate_grads"] = False
    state = agent.generators["minibatches"].get_state()
    agent.update(batch)
    assert list(steps) == ["critic", "actor", "alpha"]
    agent.generators["minibatches"].set_state(state)
    agent._noise(batch)  # the target's
    inputs = agent.model.normalize_obs(batch.obs, batch.task)
    actions, log_prob = agent.model.squashed(inputs, agent._noise(batch))
    loss = (agent.model.alpha.detach()[batch.task] * log_prob - agent.model.q(inputs, actions).amin(0)).mean()
    parameters = list(agent.model.network.actor.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-5)


def test_the_learning_rate_leaves_the_temperatures_alone(agent: MTSAC) -> None:
    agent.set_learning_rate(0.25)
    rates = {name: optimizer.param_groups[0]["lr"] for name, optimizer in agent.optimizers.items()}
    assert rates == {"alpha": 5e-3, "actor": 0.25, "critic": 0.25}


def test_time_outs_are_bootstrapped_from_and_terminations_are_not(make_agent) -> None:  # type: ignore[no-untyped-def]
    """Tasks at odd places end on success; the others only at their time limit."""
    agent = make_agent(*QUICK, "schedule.horizon_length=60", "max_iterations=1")
    agent.gradient_steps_per_itr = 0
    agent.train()
    batch = agent.replay.sample(4000, agent.generators["minibatches"])
    even = batch.task % 2 == 0
    assert (batch.discount[even] > 0.9).all()
    assert (batch.discount[even] > 0.98).any()  # windows cut short at the time limit
    assert (batch.discount[~even] == 0).any()
    stored = agent.replay._data
    moved = (stored["next_obs"][:, :2] - stored["obs"][:, :2]).norm(dim=1)
    assert moved.max() < 0.15  # the last observation of an episode, not the first of the next


def test_task_gradients_are_recorded(make_agent, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    plain = make_agent(*FILLED, "balancing.critic=fairgrad", "max_iterations=3", name="plain")
    agent = make_agent(*FILLED, "balancing.critic=fairgrad", "max_iterations=3", "diagnose_interval=150", name="run")
    plain.train()
    agent.train()
    assert same(weights(plain), weights(agent))
    record = GradientRecord.read(tmp_path / "run" / "gradients.npz")
    assert record["frames"].tolist() == [0, 150, 300]
    assert record["critic_norm"] == pytest.approx(2.0, rel=1e-3)  # FairGrad: the square root of the number of tasks
    assert record["actor_weights"].tolist() == [[0.25] * 4] * 3
    with pytest.raises(UserError, match="of the algorithm mt_sac"):
        snapshot(tmp_path / "run" / "nn" / "last.pth")


def test_ars_scales_the_stored_rewards_of_every_task_to_the_target(make_agent) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent(*FILLED, "train=ARS", "max_iterations=2", f"{CONFIG}.reward_target=3", name="scaled")
    agent.train()
    agent._scale_rewards()
    torch.testing.assert_close(agent.reward_scale * agent.replay.mean_absolute_reward(), torch.full((4,), 3.0))
    assert agent.reward_scale[2] > 1000 * agent.reward_scale[1]


@pytest.mark.parametrize("resets", [0, 1])
def test_ars_scales_follow_rewards_until_the_first_reset(make_agent, resets: int) -> None:  # type: ignore[no-untyped-def]
    """What random steps met at first would misjudge a policy that earns a hundred times as much for the next million."""
    agent = make_agent(*FILLED, "train=ARS", "max_iterations=2", f"{CONFIG}.reset_interval=100_000", name=f"r{resets}")
    agent.train()
    agent.before_updates()
    before, agent.resets = agent.reward_scale.clone(), resets
    agent.replay._data["rewards"].mul_(100.0)
    agent.before_updates()
    torch.testing.assert_close(agent.reward_scale, before if resets else before / 100.0)


def test_a_reset_starts_the_networks_anew_and_keeps_the_rest(make_agent) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent(*FILLED, "max_iterations=3", f"{CONFIG}.reset_interval=400")
    agent.train()  # 450 frames: the third epoch began at 300
    assert agent.resets == 0
    before = {name: value.clone() for name, value in agent.model.state_dict().items()}
    agent.frame = 410
    agent.before_updates()
    assert agent.resets == 1
    for name, value in agent.model.state_dict().items():
        kept = name.startswith("input_norm") or name == "network.log_alpha" or name.endswith(".bias")
        assert kept or not torch.equal(value, before[name]), name
    assert not agent.optimizers["actor"].state and agent.optimizers["alpha"].state
    for target, value in zip(
        agent.model.target_critic.parameters(), agent.model.network.critic.parameters(), strict=True
    ):
        assert torch.equal(target, value)
    agent.before_updates()
    assert agent.resets == 1
    agent.update(agent.replay.sample(64, agent.generators["minibatches"]))


def test_ars_learns_all_scales(make_agent) -> None:  # type: ignore[no-untyped-def]
    """Rewards differ by 10^4 between the tasks; with their scaling all are learned."""
    faster = [f"{CONFIG}.learning_rate=3e-3", f"{CONFIG}.batch_size=128"]
    agent = make_agent(*QUICK, "train=ARS", *faster, "num_envs=16", "max_iterations=25", evaluate=True)
    before = agent.evaluator(agent.model)
    agent.train()
    after = agent.evaluator(agent.model)
    assert before.mean_success < 0.3
    assert after.mean_success > 0.7


@pytest.mark.parametrize(
    ("critic", "actor"),
    [
        ("fairgrad", "pcgrad"),
        ("famo", "cagrad"),
        ("uncertainty", "fairgrad"),
        ("dwa", "nash_mtl"),
        ("gradnorm", "mean"),
    ],
)
def test_any_scheme_trains_on_either_side(make_agent, critic: str, actor: str) -> None:  # type: ignore[no-untyped-def]
    plain = make_agent(*FILLED, "max_iterations=2", name="a")
    agent = make_agent(*FILLED, f"balancing.critic={critic}", f"balancing.actor={actor}", "max_iterations=2", name="b")
    plain.train()
    agent.train()
    assert not same(weights(plain), weights(agent))
    assert all(torch.isfinite(value).all() for value in weights(agent))
    agent.gradient_steps.counts.zero_()
    for _ in range(3):
        agent.update(agent.replay.sample(64, agent.generators["minibatches"]))
    assert agent.gradient_steps.counts.tolist() == [9, 0]  # of critic, actor and temperatures; none was left out


@pytest.mark.parametrize("scheme", ["famo", "uncertainty", "dwa", "gradnorm", "{name: famo, lr: 0.01}"])
def test_the_actor_refuses_schemes_that_weigh_losses(make_agent, scheme: str) -> None:  # type: ignore[no-untyped-def]
    """Its losses may be negative, and FAMO takes their logarithm."""
    with pytest.raises(
        UserError, match=rf"^balancing.actor={scheme} weighs losses.* mt_sac's actor may be negative; choose"
    ):
        make_agent(*FILLED, f"balancing.actor={scheme}")


@pytest.mark.parametrize("network", ["multihead", "simbav2", "soft_modularization"])
def test_any_architecture_trains(make_agent, network: str) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent(*FILLED, f"network={network}", "max_iterations=1")
    before = weights(agent)
    agent.train()
    after = weights(agent)
    assert not same(before, after) and all(torch.isfinite(value).all() for value in after)


def test_a_run_continues_exactly_with_its_replay_buffer(make_agent, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    options = [*FILLED, "train=ARS", f"{CONFIG}.save_replay_buffer=true"]
    whole = make_agent(*options, "max_iterations=4", name="whole")
    whole.train()
    make_agent(*options, "max_iterations=2", name="parts").train()
    second = make_agent(*options, "max_iterations=4", name="parts")
    torch.rand(100)
    second.restore(str(tmp_path / "parts" / "nn" / "last.pth"))
    second.train()
    assert same(weights(whole), weights(second))
    assert len(whole.replay) == len(second.replay)
    other = make_agent(*options, f"{CONFIG}.replay_buffer_size=3000", name="parts")
    with pytest.raises(UserError, match="replay_buffer_size"):
        other.restore(str(tmp_path / "parts" / "nn" / "last.pth"))


def test_a_run_without_it_says_so_and_fills_a_new_one_with_its_policy(make_agent, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    make_agent(*FILLED, "max_iterations=2", name="parts").train()
    second = make_agent(*FILLED, "max_iterations=4", name="parts")
    capsys.readouterr()
    second.restore(str(tmp_path / "parts" / "nn" / "last.pth"))
    assert "has no replay buffer" in capsys.readouterr().out
    assert len(second.replay) == 0 and second.steps_taken == 10
    second.train()
    assert len(second.replay) == 10 * 30


def test_networks_of_a_run_on_other_tasks_can_be_started_from(make_agent, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    first = make_agent(*FILLED, "task.env.tasks=[near,far]", "max_iterations=2", name="first")
    first.train()
    last = tmp_path / "first" / "nn" / "last.pth"
    second = make_agent(*FILLED, f"pretrained={last}", "max_iterations=1", name="second")
    old, new = first.model.network.critic[0][0].weight, second.model.network.critic[0][0].weight
    assert torch.equal(old[:, :8], new[:, :8])  # features and actions
    assert second.task_names[:2] == ["near", "far"]
    assert torch.equal(old[:, 8:], new[:, 8:10])  # a known task keeps its own column
    torch.testing.assert_close(new[:, 10:], old[:, 8:].mean(1, keepdim=True).expand(-1, 2))  # a new one has their mean
    second.train()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([f"{CONFIG}.reward_scaling=asr"], "reward_scaling=asr must be none or ars"),
        ([f"{CONFIG}.replay_buffer_size=60"], "replay_buffer_size=60 must be at least"),
        ([f"{CONFIG}.replay_buffer_size=300", f"{CONFIG}.warmup_steps=20"], "warmup_steps=20"),
        ([f"{CONFIG}.replay_buffer_size=1_000_000_000_000"], "lower replay_buffer_size"),
    ],
)
def test_mistakes_are_told_in_one_sentence(make_agent, options: list[str], words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=words):
        make_agent(*QUICK, *options)


def test_from_the_command_line(tmp_path: Path) -> None:
    toy = [
        "task=metaworld", "task.factory=tests.learning.toy_env:make", "task.env.tasks=[near,far]", "sim_device=cpu",
        "task.env.episodeLength=10", "rl_device=cpu", "num_envs=16", "schedule.horizon_length=8", "actor.units=[16]",
        "critic.units=[16]", "eval_goals=3", "train=MTSAC", f"{CONFIG}.batch_size=32", f"{CONFIG}.nstep=2",
    ]  # fmt: skip

    def run(*overrides: str) -> str:
        result = train_here(tmp_path, *toy, *overrides)
        assert result.returncode == 0, result.stderr
        return result.stdout

    assert "MiB on cpu" in run("max_iterations=2", "experiment=first")
    assert "mean" in run("test=True", "checkpoint=runs/first/nn/best.pth")
    out = run("max_iterations=3", "checkpoint=runs/first/nn/last.pth")
    assert "epoch     3" in out and "no replay buffer" in out
