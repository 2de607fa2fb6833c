"""Learners from trajectories, on the toy environment: they learn, continue exactly, and are what others start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mtbench.data import Trajectories
from mtbench.learning.agents import ALGORITHMS
from mtbench.learning.agents.checkpoint import load_checkpoint, save_checkpoint
from mtbench.learning.errors import UserError
from mtbench.learning.networks.masked import get_masks
from mtbench.learning.offline.data_env import read_data
from mtbench.learning.player import load_policy
from tests.learning.demonstrations import TASKS, record

TINY = ["train.params.config.horizon_length=3", "max_iterations=4", "schedule=cpu", "part=1.0"]
SEQUENCE = ["sequence.width=16", "sequence.layers=1", "sequence.heads=2", "sequence.context=4"]
MASKS = ["harmony.interval=2", "harmony.exchanged=0.5"]
LEARNERS = {
    "MTBC": [],
    "MTDT": SEQUENCE,
    "PromptDT": SEQUENCE,
    "HarmoDT": [*SEQUENCE, *MASKS],
    "HarmoDT_M": [*SEQUENCE, *MASKS],
    "HarmoDT_R": [*SEQUENCE, *MASKS],
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Trajectories:
    """Good and bad trajectories of the toy's four tasks."""
    return record(tmp_path_factory.mktemp("data") / "toy", n=16, quality="noisy")


@pytest.mark.parametrize("train", LEARNERS)
def test_a_learner_learns_and_acts(make_agent: Any, data: Trajectories, train: str) -> None:
    settings = [
        f"train={train}",
        *LEARNERS[train],
        *TINY,
        f"data={data.path}",
        "max_iterations=5",
        "train.params.config.horizon_length=15",
        "eval_interval=1_000_000",
    ]
    agent = make_agent(*settings, "train.params.config.warmup_updates=5", name=train, evaluate=True)
    batch = agent.draw()
    before = agent.losses(batch).mean().item()
    agent.train()
    assert agent.losses(batch).mean().item() < 0.9 * before
    rows = (agent.experiment_dir / "metrics.csv").read_text().splitlines()
    assert int(rows[-1].split(",")[0]) == agent.frame == 75 * 4 * agent.per_task * agent.context
    _, policy = load_policy(str(agent.nn_dir / "last.pth"))
    obs = torch.randn(4, agent.model_config["num_obs"])
    obs[:, -4:] = torch.eye(4)
    for each in (policy, agent.model):
        each.observe(torch.zeros(4), torch.ones(4, dtype=torch.bool))
    assert torch.equal(policy.act(obs, torch.arange(4)), agent.model.act(obs, torch.arange(4)))


@pytest.mark.parametrize(("train", "scheme"), [("MTBC", "mean"), ("PromptDT", "pcgrad"), ("HarmoDT", "mean")])
def test_a_run_continues_exactly(make_agent: Any, data: Trajectories, train: str, scheme: str) -> None:
    settings = [f"train={train}", *LEARNERS[train], *TINY, f"data={data.path}", f"balancing.actor={scheme}"]
    if train != "MTBC":
        settings.append("sequence.dropout=0.1")
    whole = make_agent(*settings, name="whole")
    whole.train()
    half = make_agent(*settings, name="half")
    half.obs = half.vec_env.reset()["obs"]
    for _ in range(2):
        half.train_epoch()
    save_checkpoint(half.nn_dir / "last.pth", half.get_full_state_weights() | {"ranks": []})
    torch.manual_seed(99)
    rest = make_agent(*settings, name="rest")
    rest.restore(str(half.nn_dir / "last.pth"))
    rest.train()
    assert (rest.frame, rest.updates) == (whole.frame, whole.updates)
    for (name, one), other in zip(whole.model.state_dict().items(), rest.model.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


@pytest.mark.parametrize("scheme", ["pcgrad", "fairgrad", "cagrad", "famo"])
@pytest.mark.filterwarnings("error:per-task gradients")
def test_any_scheme_weighs_the_tasks_of_a_transformer(make_agent: Any, data: Trajectories, scheme: str) -> None:
    agent = make_agent("train=HarmoDT", *LEARNERS["HarmoDT"], *TINY, f"data={data.path}", f"balancing.actor={scheme}")
    agent.obs = agent.vec_env.reset()["obs"]
    agent.train_epoch()
    weights = agent.sides["actor"].weights
    assert weights.shape == (4,) and weights.isfinite().all()


def test_one_trajectory_is_learned_by_heart(make_agent: Any, tmp_path: Path) -> None:
    data = record(tmp_path / "one", n=1, quality="expert")
    settings = [
        "train=MTDT",
        *SEQUENCE,
        "sequence.width=32",
        f"data={data.path}",
        "task.env.tasks=[near]",
        "schedule=cpu",
    ]
    agent = make_agent(*settings, "train.params.config.horizon_length=400", "train.params.config.learning_rate=3e-3")
    agent.obs = agent.vec_env.reset()["obs"]
    agent.train_epoch()
    agent.config["learning_rate"] = 5e-4
    agent.train_epoch()
    assert agent.losses(agent.draw()).item() < 1e-4


def test_prompts_are_of_other_good_trajectories(make_agent: Any, data: Trajectories) -> None:
    agent = make_agent("train=PromptDT", *SEQUENCE, *TINY, f"data={data.path}", "train.params.config.prompt_share=0.25")
    assert agent.pool.shape == (4, 4)
    last = {(k, e): data.of_task(agent.task_names[k])[e] for k in range(4) for e in range(16)}
    for _ in range(10):
        _, episode, prompt = agent.draw()
        for i in range(len(episode)):
            k = i // agent.per_task
            shown = [e for e in range(16) if _ends_with(data, last[k, e], prompt.features[i])]
            assert len(shown) == 1 and shown[0] in agent.pool[k].tolist() and shown[0] != int(episode[i])
    for k, name in enumerate(agent.task_names):
        returns = data.of_task(name)["return"]
        best = data.of_task(name)[int(returns.argmax())]
        assert _ends_with(data, best, agent.model.prompt.features[k])
        wanted = 1.1 * torch.from_numpy(returns.copy()).quantile(0.95)
        assert torch.allclose(agent.model.target[k].double(), wanted, rtol=1e-6)


def _ends_with(data: Trajectories, row: Any, features: torch.Tensor) -> bool:
    end = row["start"] + row["length"]
    return torch.equal(torch.from_numpy(data.observations[end - len(features) : end].copy()), features)


def test_masks_are_exchanged_by_f_and_m_and_stay_in_r(make_agent: Any, data: Trajectories) -> None:
    for train, moves in (("HarmoDT", True), ("HarmoDT_M", True), ("HarmoDT_R", False)):
        agent = make_agent(f"train={train}", *LEARNERS[train], *TINY, f"data={data.path}", name=train)
        before = get_masks(agent.model.network).clone()
        agent.train()
        after = get_masks(agent.model.network)
        assert torch.equal(before.sum(1), after.sum(1))
        assert torch.equal(before, after) != moves


def test_scores_see_gradients_with_masks_and_without(make_agent: Any, data: Trajectories) -> None:
    agent = make_agent("train=HarmoDT", *LEARNERS["HarmoDT"], *TINY, f"data={data.path}")
    batch = agent.draw()
    masked, unmasked = agent._gradients(batch, True), agent._gradients(batch, False)
    masks = get_masks(agent.model.network)
    assert not masked[~masks].any() and unmasked[~masks].any(), "what is to be taken needs gradients where masks are 0"
    assert masked[0].abs().sum() > 0 and not torch.allclose(masked[0], masked.mean(0))


def test_inputs_are_normalized_by_the_data(make_agent: Any, data: Trajectories) -> None:
    agent = make_agent("train=MTBC", *TINY, f"data={data.path}")
    rows = torch.from_numpy(data.observations[data.episodes["task"].repeat(20) == 2].copy()).double()
    assert torch.allclose(agent.model.input_norm.mean[2], rows.mean(0))
    assert torch.allclose(agent.model.input_norm.m2[2] / agent.model.input_norm.count[2], rows.var(0, correction=0))


def cloned(make_agent: Any, data: Trajectories) -> str:
    agent = make_agent("train=MTBC", *TINY, f"data={data.path}", "max_iterations=60", name="cloned", evaluate=True)
    agent.train()
    return str(agent.nn_dir / "last.pth")


def test_ppo_starts_from_a_cloned_policy(make_agent: Any, data: Trajectories) -> None:
    path = cloned(make_agent, data)
    state = load_checkpoint(path)["model"]
    settings = [
        "train=TOPPO_BC",
        f"pretrained={path}",
        f"data={data.path}",
        "max_iterations=3",
        "eval_interval=1_000_000",
    ]
    agent = make_agent(*settings, "train.params.config.bc_frames=960", name="ppo", evaluate=True)
    for name, value in agent.model.state_dict().items():
        if name.startswith(("network.actor", "input_norm")):
            assert torch.equal(value, state[name]), name
    assert any(p.abs().sum() > 0 for p in agent.model.network.critic.parameters())
    coefficients = []
    learn = agent.learn
    agent.learn = lambda: coefficients.append(agent.coefficient) or learn()
    agent.train()
    assert coefficients == [1.0, 0.5, 0.0]
    frames = [row.split(",")[0] for row in (agent.experiment_dir / "metrics.csv").read_text().splitlines()[1:]]
    assert frames == ["0", str(agent.frame)], "what was cloned is evaluated before PPO learns"


@pytest.mark.filterwarnings("error:per-task gradients")
def test_the_cloning_term_adds_its_gradient(make_agent: Any, data: Trajectories) -> None:
    """What is set differs from MT-PPO's by the gradient of the mean cloning loss."""
    flat = {}
    for coef in (2.0, 0.0):
        agent = make_agent(
            "train=TOPPO_BC",
            "balancing.actor=mean",
            f"data={data.path}",
            f"train.params.config.bc_coef={coef}",
            name=f"coefficient {coef}",
        )
        agent.obs = agent.vec_env.reset()["obs"]
        rollout = agent.collect()
        targets = agent.targets(rollout, True)
        rows = next(agent.minibatches.passes(torch.Generator().manual_seed(1)))
        drawn = agent.generators["minibatches"].get_state()
        agent.backward(rollout, targets, rows, None)
        parameters = list(agent.model.network.actor.parameters())
        flat[coef] = torch.cat([p.grad.flatten() for p in parameters])
        if coef:
            agent.generators["minibatches"].set_state(drawn)
            agent.policy_means(rollout.inputs[rows])
            exact = torch.autograd.grad(agent._cloned.mean(), parameters)
    assert torch.allclose(flat[2.0] - flat[0.0], 2.0 * torch.cat([g.flatten() for g in exact]), atol=1e-6)


def test_an_offline_policy_is_shown_another_task(make_agent: Any, data: Trajectories, tmp_path: Path) -> None:
    """Trained on three tasks, prompted with the fourth: new prompts and statistics, the weights of the old, and the mask that
    most of the old tasks have."""
    settings = ["train=HarmoDT", *SEQUENCE, "schedule=cpu", "part=1.0", f"data={data.path}", *MASKS]
    old = make_agent(*settings, *TINY, "task.env.tasks=[near,far,left]", name="old")
    old.train()
    path = old.nn_dir / "last.pth"
    new = make_agent(*settings, "task.env.tasks=[right]", f"pretrained={path}", "eval_interval=100", name="new")
    assert torch.equal(new.model.network.head.weight, old.model.network.head.weight)
    masks = get_masks(old.model.network).double().mean(0) >= 0.5
    assert torch.equal(get_masks(new.model.network)[0], masks)
    best = data.of_task("right")[int(data.of_task("right")["return"].argmax())]
    assert _ends_with(data, best, new.model.prompt.features[0])
    assert new.next_evaluation < 0, "it is judged before it learns"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["train=MTBC"], "add data=datasets/NAME"),
        (["train=MTBC", "data=nowhere"], "there is no dataset 'nowhere'"),
        (["train=MTBC", "diagnose_interval=100", "data=x"], "diagnose_interval"),
        (["train=MTDT", "data=x", "sequence.heads=3"], "must be a multiple of heads=3"),
        (["train=HarmoDT", "data=x", "harmony.variant=G"], "harmony.variant=G must be F, M or R"),
        (["train=HarmoDT", "data=x", "harmony.density=0"], "harmony.density=0"),
        (["train=HarmoDT", "data=x", "max_frames=null"], "set max_frames or max_iterations"),
        (["train=MTDT", "data=x", "sequence.layers=0"], "sequence.layers=0 must be a whole number of at least 1"),
        (["train=MTBC", "data=x", "part=0"], "part=0 must be a number above 0"),
        (["train=TOPPO_BC"], "add data=datasets/NAME"),
    ],
)
def test_mistakes_are_told_in_one_sentence(make_agent: Any, settings: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        make_agent(*settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("about", "named"), [({"reward": "v1"}, "reward=v1"), ({"episode_length": 9}, "episodeLength=9")]
)
def test_returns_of_other_rewards_are_refused(
    make_agent: Any, tmp_path: Path, about: dict[str, Any], named: str
) -> None:
    """A decision transformer asks for returns of its data; a clone knows none."""
    data = record(tmp_path / "set", n=2, about=about)
    settings = [*SEQUENCE, f"data={data.path}", "schedule=cpu"]
    with pytest.raises(
        UserError, match=f"has returns of {named}.* evaluated with .*; choose the dataset's, or train=MTBC"
    ):
        make_agent("train=MTDT", *settings)


def test_a_dataset_of_another_robot_is_refused(tmp_path: Path) -> None:
    """The official tasks have the names, and as many observations and actions, of ours."""
    record(tmp_path / "set", n=2, about={"benchmark": "metaworld"})
    node = {"name": "MetaWorldMT10", "benchmark": "sawyer", "env": {"tasks": TASKS}}
    with pytest.raises(UserError, match=r"is of the benchmark metaworld, and task=MetaWorldMT10 of sawyer"):
        read_data(str(tmp_path / "set"), node, 1.0)
    assert len(read_data(str(tmp_path / "set"), node | {"benchmark": "metaworld"}, 1.0)) == 8


def test_all_of_them_are_algorithms() -> None:
    assert {"mtbc", "decision_transformer", "harmo_dt", "mt_ppo_bc"} <= set(ALGORITHMS)
