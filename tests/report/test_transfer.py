"""Measures of transfer on curves whose measures are known, and what the command reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from mtbench.commands import transfer as command
from mtbench.learning.agents.checkpoint import FORMAT
from mtbench.learning.errors import UserError
from mtbench.learning.networks.model import ActorCriticModel
from mtbench.report.report import report
from mtbench.report.transfer import difference, measure, plan_of, reach, table
from mtbench.resources import CFG

FRAMES = np.array([0.0, 100.0, 200.0, 400.0])


def test_measures_of_known_curves() -> None:
    line, late = FRAMES / 400.0, np.array([0.0, 0.0, 0.0, 0.2])
    m = measure([(FRAMES, line), (FRAMES, late)], threshold=0.4)
    assert m.zero_shot.tolist() == [0.0, 0.0] and m.final.tolist() == [1.0, 0.2]
    assert m.area == pytest.approx([0.5, 0.2 * 200 / 2 / 400])
    assert m.frames_to[0] == pytest.approx(160.0) and np.isnan(m.frames_to[1])
    assert reach(FRAMES, line + 0.5, 0.4) == 0.0


def test_difference_is_apart_where_curves_are() -> None:
    x, y = np.array([0.8, 0.9, 0.85]), np.array([0.1, 0.2, 0.15])
    value, low, high = difference(x, y)
    assert value == pytest.approx(0.7) and 0.5 < low < value < high < 0.9
    assert np.isnan(difference(x[:1], y)[1])
    value, low, high = difference(x, x)
    assert value == 0.0 and low < 0.0 < high


def test_table_is_relative_to_scratch() -> None:
    good = [(FRAMES, np.array([0.4, 0.8, 1.0, 1.0]) - 0.01 * seed) for seed in range(3)]
    scratch = [(FRAMES, np.array([0.0, 0.0, 0.25, 0.5]) + 0.01 * seed) for seed in range(3)]
    first, second = table({"scratch": scratch, "prior": good})
    assert first[3] == "" and first[5] == ""
    assert second[2] == "39.0" and second[3] == "+38.0"
    assert second[7] == "5 (3 of 3)"  # 0.8 of 0.51 is 0.408, from 0.39 to 0.79 in a hundred frames
    assert table({"prior": good})[0][3] == ""


def write_run(folder: Path, success: list[float], seed: int) -> None:
    folder.mkdir(parents=True)
    rows = [f"{int(f)},{f / 10},{s},{s},1.0" for f, s in zip(FRAMES, success, strict=True)]
    (folder / "metrics.csv").write_text("\n".join(["frames,wall_clock,mean_success,success/a,return/a", *rows]) + "\n")
    (folder / "config.yaml").write_text(
        OmegaConf.to_yaml({"seed": seed, "train_name": "MTPPO", "task": {"name": "MT1_a"}})
    )


def test_the_report_includes_a_target(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "transfer_a"
    for seed in (1, 2):
        write_run(folder / f"scratch_s{seed}", [0.0, 0.0, 0.2, 0.4], seed)
        write_run(folder / f"many_s{seed}", [0.5, 0.6, 0.8, 1.0], seed)
    priors = {"scratch": {}, "many": {"note": "many was trained on the target itself."}}
    (folder / "transfer.json").write_text(plan_of("a", priors))
    assert json.loads(plan_of("a", priors))["target"] == "a"
    report([folder], tmp_path / "report")
    text = (tmp_path / "report" / "report.md").read_text()
    assert "What prior experience buys a" in text and "many was trained on the target itself." in text
    rows = (tmp_path / "report" / "transfer_a.csv").read_text().splitlines()
    assert rows[1].startswith("scratch,2,0.0,,") and rows[2].startswith("many,2,50.0,+50.0,")
    assert (tmp_path / "report" / "transfer_a_curves.png").stat().st_size > 5000
    command.write_page(folder, folder)
    assert (folder / "transfer.md").is_file() and not (folder / "report.md").exists()


def save(path: Path, tasks: list[str], task_input: str = "onehot") -> Path:
    config = {
        "num_obs": 39 + len(tasks),
        "num_tasks": len(tasks),
        "num_actions": 4,
        "network": {
            "name": "mlp",
            "actor": {"units": [8, 8], "activation": "relu", "layer_norm": False},
            "critic": {"units": [8], "activation": "relu", "layer_norm": True},
            "init_log_std": -0.7,
        },
        "normalize_input": "shared",
        "value_norm": {"name": "popart", "beta": 3e-4},
        "task_input": task_input,
    }
    model = ActorCriticModel(**config)
    path.parent.mkdir(parents=True)
    torch.save(
        {"format": FORMAT, "algo": "mt_impala", "tasks": tasks, "model": model.state_dict(), "model_config": config},
        path,
    )
    return path


def test_a_checkpoint_says_which_network_it_needs(tmp_path: Path) -> None:
    from hydra import compose, initialize_config_dir

    run = tmp_path / "pre,lr=3"
    save(run / "nn" / "last.pth", ["reach", "push"])
    target = command.read_target("button_press_topdown_wall")
    scratch, prior = command.read_priors(f"[scratch,two={run}]", target)
    assert scratch.checkpoint == "" and scratch.overrides == prior.overrides and prior.label == "two"
    assert "shown the mean of its own tasks" in prior.note
    named, wide = command.read_priors(f"[{run}:push,three={run}:reach]", target)
    assert (named.like, wide.like, wide.label) == ("push", "reach", "three")
    assert "takes the target for push" in named.note
    with pytest.raises(UserError, match=r"unknown task of .*last\.pth 'pusch' \(nearest: push\)"):
        command.read_priors(f"[{run}:pusch]", target)
    with initialize_config_dir(str(CFG), version_base="1.3"):
        cfg = compose("config", [*target.overrides, *prior.overrides, "train=MTPPO"])
    network = cfg.train.params.network
    assert list(network.actor.units) == [8, 8] and network.critic.layer_norm is True
    assert cfg.normalize_input == "shared" and cfg.value_norm == {"name": "popart", "beta": 3e-4}
    hidden = save(tmp_path / "hidden" / "nn" / "last.pth", ["reach"], "none")
    assert command.read_priors(f"[{hidden}]", target)[0].note == ""


def test_a_run_of_another_prior_is_not_taken_for_this_one(tmp_path: Path) -> None:
    run = tmp_path / "a_s1"
    run.mkdir()
    typed = ["task=MT50", "pretrained='runs/x/nn/last.pth'", "max_frames=100", "eval_interval=5", "experiment=a_s1"]
    (run / "run.json").write_text(json.dumps({"schema": 1, "epochs": 3, "sessions": [{"overrides": typed}]}))
    given = ["task=MT50", "pretrained=runs/x/nn/last.pth", "eval_interval=10", "max_frames=200"]
    command.check_same(run, given)
    command.check_same(tmp_path / "none_s1", given)
    with pytest.raises(
        UserError, match=r"other settings \(without, now pretrained_task=push\); choose another folder="
    ):
        command.check_same(run, [*given, "pretrained_task=push"])


def test_a_report_goes_on_without_a_target_that_cannot_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "transfer_a"
    write_run(folder / "scratch_s1", [0.0, 0.0, 0.2, 0.4], 1)
    for content in ("[", "[1]", '{"target": "a", "priors": {"other": {}}}'):
        (folder / "transfer.json").write_text(content)
        assert "its transfer section is left out" in report([folder], tmp_path / "report")[-1]
        assert "its transfer section is left out" in (tmp_path / "report" / "report.md").read_text()


def test_targets_and_families() -> None:
    assert command.read_target("buttons").overrides == ["task=MT50", "task_id=[button_press_topdown_wall]"]
    assert command.read_target("ParkourEasy/staircase_spiral").overrides[0] == "task=ParkourEasy"
    levels = command.read_target("stair_levels")
    assert levels.overrides[-1] == "task.env.terrain.difficulty=[0.6,1.0]"


@pytest.mark.parametrize("path", sorted((CFG / "transfer").glob("*.yaml")), ids=lambda path: path.stem)
def test_families_name_tasks_that_exist(path: Path) -> None:
    from isaacgymenvs_tasks import configure

    family = OmegaConf.load(path)
    variants = list(family.variants)
    assert list(configure(family.task, task_id=[*variants]).env.tasks) == variants
    assert family.held_out not in variants or "target_settings" in family


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["target=reach"], "say which task is new"),
        (["reach"], "'reach' is not key=value"),
        (["target=buton", "from=[scratch]"], "target=buton: .*families are: buttons"),
        (["target=reach", "from=[scratch]", "seeds=x"], "seeds=x must be a whole number from 1 to 1000"),
        (["target=reach", "from=[scratch]", "seeds=[1,1]"], "names one twice"),
        (["target=reach", "from=[scratch]", "seeds=[1,-1]"], "seeds=-1 must be a whole number"),
        (["target=reach", "from=[scratch]", "frames=1__0"], "frames=1__0 must be a whole number"),
        (["target=reach", "from=[scratch]", "folder=../x"], "folder=../x must be the name of a folder in runs/"),
        (["target=reach", "from=[scratch]", "seed=3"], "seed= is for mtbench transfer to say"),
        (["target=reach", "from=[scratch]", "out=/dev/null/x"], "out=/dev/null/x cannot be written"),
        (["target=reach", "from=[scratch=runs/x]"], "a label is of letters"),
        (["target=reach", "from=[scratch]", "frames=0"], "frames=0 must be a whole number"),
        (["target=reach", "from=[scratch,scratch]"], "names scratch twice"),
        (["target=reach", "from=[runs/nowhere]"], "there is no checkpoint"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words) as error:
        command.main(arguments)
    assert "\n" not in str(error.value)
