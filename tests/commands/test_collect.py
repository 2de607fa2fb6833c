"""mtbench collect: experts are recorded, shown and found again; mistakes end in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isaacgymenvs_tasks.metaworld.experts import make_env
from mtbench.commands.collect import main
from mtbench.commands.command_line import run_command
from mtbench.data import Trajectories
from mtbench.data.figures import replay


def test_experts_are_recorded_and_can_be_simulated_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "set"
    words = ["task=MT50", "tasks=reach,push", "quality=replay", "n=3", "per_round=2", f"out={out}", "seed=5"]
    assert run_command(main, words) == 0
    text = capsys.readouterr().out
    assert "900 steps" in text and "reach" in text
    data = Trajectories.read(out)
    assert (
        data.tasks == ["reach", "push"] and data.observations.shape == (900, 39) and data.about["policy"] == "experts"
    )
    assert data.of_task("reach")["success"][-1], "the last one is the expert itself"
    assert np.array_equal(data.observations[data.episodes["start"], 36:], data.episodes["goal"])
    row = data.of_task("push")[-1]
    env = make_env(data.tasks, 4, 5)
    env.generator.manual_seed(int(row["seed"]))
    actions, obs = env.zero_actions(), env.reset()["obs"]
    for step in range(40):
        recorded = data.observations[row["start"] + step]
        assert np.array_equal(obs[int(row["row"]), :39].numpy(), recorded), step
        actions[int(row["row"])] = obs.new_tensor(data.actions[row["start"] + step])
        obs = env.step(actions)[0]["obs"]


@pytest.mark.slow
def test_what_is_in_a_dataset_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "set"
    assert run_command(main, ["tasks=reach,push", "n=4", "per_round=2", f"out={out}"]) == 0
    assert run_command(main, ["--show", f"data={out}"]) == 0
    assert (out / "overview.png").stat().st_size > 10_000
    strips = replay(Trajectories.read(out), lambda seed: make_env(["reach", "push"], 4, seed))
    assert not strips or [(name, len(pictures)) for name, pictures in strips] == [("reach", 5), ("push", 5)]


@pytest.mark.parametrize(("n", "per_round"), [(2, 20), (3, 2)])
def test_what_is_drawn_is_what_was_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int, per_round: int
) -> None:
    """Of either round, and with fewer trajectories than environments were asked for."""

    class Camera:
        """Takes the hand's and the first object's position for a picture."""

        def __init__(self, env: Any, row: int) -> None:
            self.seen = env.obs_buf[row, :7]

        def __enter__(self) -> Camera:
            return self

        def __exit__(self, *error: object) -> None: ...

        def shoot(self) -> Any:
            return self.seen.clone()

    monkeypatch.setattr("isaacgymenvs_tasks.metaworld.render.Camera", Camera)
    out, tasks = tmp_path / "set", ["reach", "push"]
    assert run_command(main, ["tasks=reach,push", f"n={n}", f"per_round={per_round}", f"out={out}"]) == 0
    data = Trajectories.read(out)
    assert data.about["per_round"] == 2 and data.about["reward"] == "v2"
    for name, pictures in replay(data, lambda seed: make_env(tasks, 4, seed)):
        steps = data.observations[data.steps(int(data.episodes["task"].searchsorted(tasks.index(name), "right")) - 1)]
        moments = np.linspace(0, len(steps) - 2, len(pictures)).round().astype(int)
        np.testing.assert_array_equal(np.stack(pictures), steps[moments, :7])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["quality=good"], "quality=good does not exist; choose one of: expert, replay, noisy"),
        (["task=MT11"], "there is no task=MT11"),
        (["task=MT50", "tasks=raech"], "did you mean 'reach'"),
        (["task=MetaWorldMT10"], "no scripted experts of ours"),
        (["n=0"], "n=0 must be a whole number"),
        (["seed=4294967296"], "seed=4294967296 must be a whole number from 0 to 4294967295"),
        (["show=yes"], "show=yes must be true or false"),
        (["data=x"], "what is collected goes to out="),
        (["export=minari:x", "import=minari:x"], "two things; give one at a time"),
        (["out=."], "'.' exists; choose another out="),
        (["from=x.pth", "task=MT10"], "leave task= and tasks= out"),
        (["actions=sampled"], "scripted experts do not explore"),
        (["from=nowhere.pth"], "there is no checkpoint 'nowhere.pth'"),
        (["show=true", "data=nowhere"], "there is no dataset 'nowhere'"),
        (["export=zip:there", "data=x"], "must be FORMAT:NAME"),
    ],
)
def test_mistakes_end_in_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if "task=MetaWorldMT10" not in words and not any(word.startswith(("task", "n=")) for word in words):
        words = [*words, "tasks=reach", "n=1"] if not any("from" in word for word in words) else words
    assert run_command(main, words) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1, error
    assert not any(tmp_path.iterdir())
