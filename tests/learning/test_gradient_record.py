"""Task gradients recorded along a run and taken from a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mtbench.commands.diagnose import diagnose, main
from mtbench.learning.agents.losses import actor_losses, critic_losses
from mtbench.learning.errors import UserError
from mtbench.learning.gradient_record import GradientRecord, Snapshot


def explicit(agent: Any, rollout: Any, targets: Any, rows: torch.Tensor, side: str) -> np.ndarray:
    """Gram matrix of the gradients of one task's loss after another, by plain autograd."""
    model, inputs = agent.model, rollout.inputs[rows]
    if side == "actor":
        losses, _ = actor_losses(
            model.network.actor(inputs),
            model.network.log_std,
            rollout.actions[rows],
            rollout.log_probs[rows],
            targets.advantages[rows],
            agent.minibatches.weight,
            agent.e_clip,
            agent.entropy_coef,
            agent.bounds_loss_coef,
            True,
        )
        parameters = list(model.network.actor.parameters())
    else:
        values = model.value(inputs, agent.minibatches.task)
        losses, _ = critic_losses(
            values, targets.values[rows], targets.returns[rows], agent.minibatches.weight, agent.e_clip
        )
        parameters = list(model.network.critic.parameters())
    gradients = [
        torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters, retain_graph=True)]).double()
        for loss in losses
    ]
    matrix = torch.stack(gradients)
    return (matrix @ matrix.T).numpy()


def record_of(agent: Any) -> GradientRecord:
    return GradientRecord.read(agent.experiment_dir / "gradients.npz")


@pytest.mark.parametrize(("options", "scale"), [(["train=MTPPO", "value_norm=none"], 1.0), (["train=TOPPO"], None)])
def test_a_record_is_the_mean_over_minibatches_without_the_loss_coefficient(make_agent, options, scale) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent(*options, "train.params.config.critic_coef=0.01")
    agent.obs = agent.vec_env.reset()["obs"]
    rollout = agent.collect()
    targets = agent.targets(rollout, update_statistics=True)
    snapshot, expected = Snapshot(), {"actor": [], "critic": []}
    for rows in agent.minibatches.passes(agent.generators["minibatches"]):
        for side, found in expected.items():
            found.append(explicit(agent, rollout, targets, rows, side))
        agent.backward(rollout, targets, rows, snapshot)
    record = GradientRecord(agent.task_names)
    record.append(0, snapshot, agent.critic_coef, agent.model.value_scale)
    for side, found in expected.items():
        mean = np.mean(found, axis=0)
        np.testing.assert_allclose(record.gram(side)[0].numpy(), mean, rtol=1e-4, atol=1e-5 * mean.max())
        assert record[f"{side}_shares"].sum() == pytest.approx(1)
    deviation = record["value_scale"][0]
    raw = record.gram("critic", raw=True)[0].numpy()
    np.testing.assert_allclose(raw, record.gram("critic")[0] * np.outer(deviation**2, deviation**2), rtol=1e-12)
    if scale is not None:
        assert (deviation == scale).all()
        assert record["actor_weights"].tolist() == record["critic_weights"].tolist() == [[0.25] * 4]
    else:
        assert record["critic_norm"] == pytest.approx(2.0), "FairGrad: the square root of the number of tasks"
        np.testing.assert_allclose(record["critic_shares"], 0.25, rtol=1e-6)


def test_normalized_and_raw_critics_have_the_same_gradients_in_units_of_return(make_agent) -> None:  # type: ignore[no-untyped-def]
    """Section D.2 of the paper: multiplying by sigma squared undoes the normalization of the targets."""
    agent = make_agent("train=MTPPO", "train.params.config.clip_value=false")
    agent.obs = agent.vec_env.reset()["obs"]
    rollout = agent.collect()
    targets = agent.targets(rollout, update_statistics=True)
    rows = next(agent.minibatches.passes(agent.generators["minibatches"]))
    snapshot = Snapshot()
    agent.backward(rollout, targets, rows, snapshot)
    record = GradientRecord(agent.task_names)
    record.append(0, snapshot, agent.critic_coef, agent.model.value_scale)
    task = agent.minibatches.task
    values = agent.model.denormalize_value(agent.model.value(rollout.inputs[rows], task), task)
    returns = agent.model.denormalize_value(targets.returns[rows], task)
    losses = 0.5 * (agent.minibatches.weight * (values - returns).square().view_as(agent.minibatches.weight)).sum(1)
    parameters = list(agent.model.network.critic.parameters())
    gradients = [torch.autograd.grad(loss, parameters, retain_graph=True) for loss in losses]
    norms = torch.stack([torch.cat([g.flatten() for g in each]).double().norm() for each in gradients])
    # d loss / d theta = (v - R) sigma dz / d theta: one sigma of the chain rule and one of the residual.
    scaled = record.gram("critic", raw=True)[0].diagonal().sqrt()
    torch.testing.assert_close(scaled, norms, rtol=1e-4, atol=0)


@pytest.mark.parametrize("network", ["mlp", "multihead"])
def test_jacobian_norms_are_those_of_single_samples(make_agent, network: str) -> None:  # type: ignore[no-untyped-def]
    """One backward pass a sample, of the output before PopArt's head, which is made to matter."""
    units = ["actor.units=[16]", "critic.units=[16]"]
    agent = make_agent("train=TOPPO", f"network={network}", *units, "diagnose_interval=1", "max_iterations=1")
    agent.obs = agent.vec_env.reset()["obs"]
    rollout = agent.collect()
    with torch.no_grad():
        agent.model.value_head.weight.copy_(torch.tensor([1e-3, 1.0, 7.0, 50.0]))
    found = agent.jacobian_norms(rollout, samples=5)
    rows = next(agent.minibatches.passes(torch.Generator().manual_seed(0))).view(4, -1)[:, :5]
    critic, shared = agent.model.network.critic, agent.sides["critic"].tape.parameters
    for i in range(4):
        assert (rollout.task[rows[i]] == i).all()
        squares = []
        for row in rows[i]:
            gradients = torch.autograd.grad(critic(rollout.inputs[row : row + 1]).sum(), shared, materialize_grads=True)
            squares.append(sum(g.double().square().sum() for g in gradients))
        assert found[i].item() == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-5)
    agent.train()
    assert np.isfinite(record_of(agent)["critic_jacobian"]).all() and (record_of(agent)["critic_jacobian"] > 0).all()


def test_recording_changes_nothing_and_continues_after_a_stop(make_agent, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    plain = make_agent("max_iterations=5", name="plain")
    whole = make_agent("max_iterations=5", "diagnose_interval=1000", name="whole")
    for agent in (plain, whole):
        agent.train()
    for name, value in plain.model.state_dict().items():
        assert torch.equal(value, whole.model.state_dict()[name])
    assert not (tmp_path / "plain" / "gradients.npz").exists()
    # An epoch is 480 frames: the first, and the first at or after every thousand.
    assert record_of(whole)["frames"].tolist() == [0, 1440]

    make_agent("max_iterations=4", "diagnose_interval=400", name="parts").train()
    earlier = tmp_path / "parts" / "nn" / "earlier.pth"
    middle = make_agent("max_iterations=2", "diagnose_interval=400", name="other")
    middle.train()
    (tmp_path / "other" / "nn" / "last.pth").rename(earlier)
    resumed = make_agent("max_iterations=5", "diagnose_interval=400", name="parts")
    resumed.restore(str(earlier))
    resumed.train()
    once = make_agent("max_iterations=5", "diagnose_interval=400", name="once")
    once.train()
    for column in ("frames", "actor_gram", "critic_gram", "critic_weights", "critic_jacobian", "value_scale"):
        np.testing.assert_array_equal(record_of(once)[column], record_of(resumed)[column])
    assert record_of(once)["frames"].tolist() == [0, 480, 960, 1440, 1920]


def test_due(make_agent) -> None:  # type: ignore[no-untyped-def]
    record = GradientRecord(["a"])
    assert record.due(0, 100) and not record.due(0, None)
    record.rows = [{"frames": np.asarray(130)}]
    assert not record.due(199, 100) and record.due(200, 100) and record.due(999, 100)


def test_damaged_and_missing_records_are_refused(tmp_path: Path) -> None:
    bad = tmp_path / "gradients.npz"
    for content in (b"", b"PK\x03\x04 half a file", b"not one"):
        bad.write_bytes(content)
        with pytest.raises(UserError, match="damaged"):
            GradientRecord.read(bad)
    np.savez(bad, other=np.zeros(3))
    with pytest.raises(UserError, match="not a record of gradients"):
        GradientRecord.read(bad)
    with pytest.raises(UserError, match="diagnose_interval"):
        GradientRecord.read(tmp_path / "none.npz")
    record = GradientRecord(["a", "b"])
    seen = Snapshot()
    for side in ("actor", "critic"):
        seen.add(side, torch.eye(2), torch.ones(2))
    record.append(0, seen, 1.0, torch.ones(2))
    record.write(bad)
    with np.load(bad) as file:
        columns = dict(file)
    assert len(GradientRecord.read(bad)) == 1
    wrong = {"actor_gram": columns["actor_gram"] * np.nan, "critic_weights": np.ones((1, 3)), "frames": np.arange(2)}
    for name, values in wrong.items():
        np.savez(bad, **columns | {name: values})
        with pytest.raises(UserError, match="damaged"):
            GradientRecord.read(bad)
    np.savez(bad, **{name: values if name == "tasks" else values[:0] for name, values in columns.items()})
    with pytest.raises(UserError, match="damaged"):
        GradientRecord.read(bad)


@pytest.fixture
def two_runs(make_agent, tmp_path: Path) -> list[Path]:  # type: ignore[no-untyped-def]
    """Checkpoints of two runs, of which the second recorded itself, with the configuration that ``train.py`` leaves."""
    from omegaconf import OmegaConf

    from tests.learning.conftest import configure

    paths = []
    for name, options in (
        ("plain", ["train=MTPPO", "value_norm=none"]),
        ("toppo", ["train=TOPPO", "diagnose_interval=1"]),
    ):
        agent = make_agent(*options, "max_iterations=2", name=name)
        agent.train()
        config = configure(tmp_path, *options, f"experiment={name}")
        OmegaConf.save(config, tmp_path / name / "config.yaml")
        paths.append(tmp_path / name / "nn" / "last.pth")
    return paths


def test_the_command(two_runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, both = tmp_path / "out", ",".join(map(str, two_runs))
    before = {path: path.read_bytes() for path in two_runs}
    assert main([f"checkpoint={both}", "labels=vanilla,TOPPO", f"out={out}"]) == 0
    pictures = {"critic_gram.png", "actor_gram.png", "weights.png", "norms.png", "training.png"}
    assert {path.name for path in out.iterdir()} == {"vanilla.npz", "TOPPO.npz", "summary.csv", *pictures}
    assert before == {path: path.read_bytes() for path in two_runs}
    record = GradientRecord.read(out / "TOPPO.npz")
    assert record["frames"].tolist() == [960] and record.tasks == ["near", "far", "left", "right"]
    assert record["critic_norm"] == pytest.approx(2.0)
    raw = GradientRecord.read(out / "vanilla.npz")
    spread = raw.figures()["critic_spread"]
    assert spread == pytest.approx(
        np.sqrt(raw["critic_gram"][0].diagonal().max() / raw["critic_gram"][0].diagonal().min())
    )
    assert spread > 10 * record.figures()["critic_spread"], "rewards differ by 10^4"
    values = np.linalg.eigvalsh(raw["critic_gram"][0])
    assert raw.figures()["critic_condition"] == pytest.approx(values[-1] / values[0], rel=1e-4)
    assert 1 < raw.figures()["critic_rank"][0] < 1.5 < record.figures()["critic_rank_cosine"][0] < 4
    jacobian = raw["critic_jacobian"][0]
    assert raw.figures()["critic_jacobian_spread"] == pytest.approx(jacobian.max() / jacobian.min())
    table = capsys.readouterr().out
    assert "critic_spread" in table and "vanilla" in table and f"{spread[0]:.4g}" in table

    assert main([f"checkpoint={two_runs[1].parents[1] / 'gradients.npz'}", "labels=a", "at=400", f"out={out}"]) == 0
    assert GradientRecord.read(out / "a.npz")["frames"].tolist() == [480]


def test_a_checkpoint_shows_what_the_next_update_would_see(two_runs: list[Path], make_agent, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """The first minibatch is before any step, so its Gram matrix is the same in the run that goes on."""
    rows = diagnose({"again": two_runs[1], "same": two_runs[1]}, tmp_path / "out")
    assert {k: v for k, v in rows[0].items() if k != "run"} == {k: v for k, v in rows[1].items() if k != "run"}
    agent = make_agent("train=TOPPO", name="toppo")
    agent.restore(str(two_runs[1]))
    rollout = agent.collect()
    targets = agent.targets(rollout, update_statistics=True)
    mean = np.mean(
        [
            explicit(agent, rollout, targets, r, "critic")
            for r in agent.minibatches.passes(agent.generators["minibatches"])
        ],
        axis=0,
    )
    found = GradientRecord.read(tmp_path / "out" / "again.npz").gram("critic")[0].numpy()
    np.testing.assert_allclose(found, mean, rtol=1e-4, atol=1e-5 * mean.max())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "checkpoint=runs/<name>/nn/last.pth"),
        (["checkpoint=runs/none/nn/last.pth"], "there is no checkpoint 'runs/none/nn/last.pth'"),
        (["checkpoint=a.pth,b.pth", "labels=one"], "labels=one must be 2 different names"),
        (["checkpoint=a.pth", "at=soon"], "at=soon must be a whole number"),
        (["checkpoint=a.pth", "at=²"], "at=² must be a whole number"),
        (["checkpoint=a.npz"], "there is no record"),
    ],
)
def test_mistakes_end_in_one_sentence(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and words in error and error.count("\n") == 1
    with pytest.raises(SystemExit, match="cannot read 'chekpoint=a'"):
        main(["chekpoint=a"])
    assert not any(tmp_path.iterdir())
