"""Sweeps as a user runs them: skipped when complete, resumed when killed, listed when failed, reported at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest
import torch
from omegaconf import OmegaConf

from mtbench.commands.command_line import run_application
from mtbench.commands.launch import CFG, launch
from mtbench.commands.main import main
from mtbench.commands.sweep import run_name
from mtbench.learning import run_record
from mtbench.learning.errors import UserError
from tests.test_train import ROOT, TOY

PATTERN = "experiment=${train_name}_s${seed}"
SHORT = [*TOY, "task.name=TOY", "schedule.mini_epochs=1", "schedule.num_minibatches=1", "save_interval=2"]
SHORT += ["eval_interval=256", "task.sim.num_threads=1", "train.params.torch_threads=1"]


def start(directory: Path, *overrides: str) -> subprocess.Popen[str]:
    """Start a sweep in ``directory`` as a process."""
    command = [sys.executable, str(ROOT / "train.py"), "-m", *overrides]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def sweep(directory: Path, *overrides: str) -> tuple[int, str, str]:
    """Run a sweep to its end as a process; exit code, stdout and stderr."""
    process = start(directory, *overrides)
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


Sweep = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sweep:
    """The same in this process, to be quick, in ``tmp_path``."""

    def run(*overrides: str) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["train.py", "-m", *overrides])
        code = run_application(launch, CFG)
        return code, *capsys.readouterr()

    return run


def metrics(run: Path) -> pandas.DataFrame:
    """What a run measured, without the time it took."""
    return pandas.read_csv(run / "metrics.csv").drop(columns="wall_clock")


def test_two_algorithms_and_three_seeds_killed_resumed_and_reported(tmp_path: Path, here: Sweep) -> None:
    asked = [*SHORT, PATTERN, "train=MTPPO,TOPPO", "seed=1,2,3", "max_iterations=10"]
    process = start(tmp_path, *asked)
    victim = tmp_path / "runs" / "MTPPO_s2"
    until = time.monotonic() + 120
    while not (victim / "nn" / "last.pth").exists() and time.monotonic() < until:
        time.sleep(0.01)
    process.kill()
    process.wait()
    killed = run_record.read(victim)
    assert killed is not None and killed["status"] == "running"
    assert not (tmp_path / "runs" / "MTPPO_s3").exists()

    code, out, err = here(*asked)
    assert code == 0, err
    assert "run 'MTPPO_s1' is complete after 1,280 frames: skipped" in out
    assert "run 'MTPPO_s2' continues" in out and "run 'TOPPO_s3' starts" in out
    assert out.rstrip().endswith("6 runs: 5 complete, 1 skipped, 0 stopped, 0 failed")
    record = run_record.read(victim)
    assert record is not None and record["status"] == "complete" and len(record["sessions"]) == 2
    names = {path.name for path in (tmp_path / "runs").glob("*_s*")}
    assert names == {f"{scheme}_s{seed}" for scheme in ("MTPPO", "TOPPO") for seed in (1, 2, 3)}

    assert here(*SHORT, "experiment=alone", "train=MTPPO", "seed=2", "max_iterations=10")[0] == 0
    pandas.testing.assert_frame_equal(metrics(victim), metrics(tmp_path / "runs" / "alone"))

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path / "runs")
        assert main(["report", *sorted(names), "out=../report"]) == 0
    table = pandas.read_csv(tmp_path / "report" / "toy_aggregates.csv")
    assert set(table["scheme"]) == {"MTPPO", "TOPPO"} and set(table["seeds"]) == {3}


def test_a_failed_run_is_listed_and_stops_no_other_two_at_once(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    asked = [
        *SHORT,
        "train=MTPPO",
        "task.env.tasks=[near,fra],[near,far]",
        "seed=1",
    ]  # the environment alone knows better
    code, out, err = sweep(tmp_path, *asked, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "max_iterations=2")
    assert code == 1
    assert "2 runs: 1 complete, 0 skipped, 0 stopped, 1 failed" in out
    assert "failed: TOY_MTPPO_" in out and "unknown task 'fra'" in out
    assert "Traceback" not in err
    records = [json.loads(path.read_text()) for path in (tmp_path / "runs").rglob("run.json")]
    assert sorted(record["status"] for record in records) == ["complete", "failed"]
    assert ["fra" in record["error"] for record in records if record["status"] == "failed"] == [True]


def test_hydras_submitit_launcher_runs_a_process_a_job(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    asked = [*SHORT, "hydra/launcher=submitit_local", PATTERN, "train=MTPPO", "seed=1,2", "max_iterations=2"]
    code, out, err = sweep(tmp_path, *asked)
    assert code == 0, err
    assert "2 runs: 2 complete" in out
    records = [run_record.read(tmp_path / "runs" / f"MTPPO_s{seed}") for seed in (1, 2)]
    assert len({record["sessions"][0]["pid"] for record in records if record}) == 2


def test_longer_runs_continue_complete_ones_and_other_settings_do_not_mix(here: Sweep) -> None:
    asked = [*SHORT, "experiment=one", "train=MTPPO"]
    assert here(*asked, "seed=1", "max_iterations=2")[0] == 0
    code, out, _ = here(*asked, "seed=1", "max_iterations=2")
    assert code == 0 and "run 'one' is complete" in out
    code, out, _ = here(*asked, "seed=1", "max_iterations=3")
    assert code == 0 and "run 'one' continues" in out and "1 complete" in out
    code, _, err = here(*asked, "seed=2", "max_iterations=3")
    assert code == 1 and "run 'one' has other settings (seed=1, now seed=2)" in err


def test_names_of_runs_are_those_of_their_settings() -> None:
    cfg = OmegaConf.create({"task": {"name": "MT1"}, "train_name": "MTPPO", "seed": 4})
    typed = ["task=MT1", "task_name=reach", "train=MTPPO", "balancing.critic=mean", "max_frames=5", "seed=4"]
    assert run_name(cfg, typed) == "MT1_MTPPO_balancing.critic=mean,task_name=reach_s4"
    assert run_name(cfg, [*typed, "train.params.config.train_dir=elsewhere"]) == run_name(cfg, typed)
    assert len(run_name(cfg, [*typed, *(f"key{i}=value" for i in range(40))])) < 40


def test_a_sweep_of_which_one_run_cannot_work_does_not_start(tmp_path: Path, here: Sweep) -> None:
    code, out, err = here(*SHORT, "train=MTPPO", "seed=1,2", "train.params.config.gamma=0.9,nan")
    assert (code, out, err.count("\n")) == (2, "", 1) and "train.params.config.gamma=nan" in err
    assert not list(tmp_path.iterdir())


def test_typos_in_a_sweep_end_in_one_sentence_before_anything_runs(tmp_path: Path, here: Sweep) -> None:
    for overrides, words in (
        (["train=TOPPO,TOPO"], "no train=TOPO"),
        (["sed=1,2"], "no setting 'sed' (nearest: seed)"),
    ):
        code, out, err = here(*SHORT, *overrides)
        assert (code, out, err.count("\n")) == (2, "", 1) and words in err
    assert not list(tmp_path.rglob("*.pth"))


def test_a_run_killed_in_an_evaluation_makes_it_again_and_once(tmp_path: Path, here: Sweep) -> None:
    asked = [*SHORT, "experiment=one", "train=MTPPO", "seed=1"]
    assert here(*asked, "max_iterations=2")[0] == 0
    run = tmp_path / "runs" / "one"
    before = metrics(run)
    state = torch.load(run / "nn" / "last.pth", weights_only=True)
    torch.save(
        state | {"next_evaluation": 256}, run / "nn" / "last.pth"
    )  # the row was written, and the checkpoint not yet
    assert here(*asked, "max_iterations=4")[0] == 0
    assert metrics(run)["frames"].tolist() == [256, 512]
    pandas.testing.assert_frame_equal(metrics(run)[:1], before)


def test_a_record_is_never_overwritten(tmp_path: Path) -> None:
    run = tmp_path / "run"
    record = run_record.RunRecord(run, ["seed=1"])
    record.begin(fresh=True)
    (run / "metrics.csv").write_text("first")
    assert run_record.save_config({"seed": 1, "task": {"env": {"reward": "v2"}}}, run / "config.yaml") == []
    record.progress(100, 2)
    record.end("stopped", "SIGTERM")
    record = run_record.RunRecord(run, ["seed=1", "max_frames=5"])
    record.begin(fresh=True)
    now = {"seed": 2, "task": {"env": {"reward": "v1"}}, "checkpoint": "nn/last.pth", "eval_first": True}
    changed = ["eval_first: None -> True", "seed: 1 -> 2", "task.env.reward: v2 -> v1"]
    assert run_record.save_config(now, run / "config.yaml") == changed
    assert (run / "metrics.1.csv").read_text() == "first" and not (run / "metrics.csv").exists()
    assert "seed: 1" in (run / "config.1.yaml").read_text() and "seed: 2" in (run / "config.yaml").read_text()
    (run / "config.yaml").write_text("{ no YAML")
    assert run_record.save_config(now, run / "config.yaml") == [] and "no YAML" in (run / "config.2.yaml").read_text()
    content = run_record.read(run)
    assert content is not None and [s["status"] for s in content["sessions"]] == ["stopped", "running"]
    assert content["schema"] == run_record.SCHEMA and content["sessions"][0]["overrides"] == ["seed=1"]


def test_a_run_has_one_writer(tmp_path: Path) -> None:
    """While it lives: the lock is the system's, so neither a kill nor a process that got its number later keeps it."""
    code = f"""
from pathlib import Path
from mtbench.learning.run_record import RunRecord
record = RunRecord(Path({str(tmp_path / "run")!r}), [])
record.begin(fresh=True)
print("begun", flush=True)
input()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"begun\n"
        before = (tmp_path / "run" / run_record.FILE).read_text()
        refused = run_record.RunRecord(tmp_path / "run", [])
        with pytest.raises(UserError, match=f"written by process {other.pid} on"):
            refused.begin(fresh=False)
        refused.end("failed", "as a refused process does")
        assert (tmp_path / "run" / run_record.FILE).read_text() == before
        other.kill()
    content = json.loads(before)
    content["sessions"][-1]["pid"] = os.getpid()  # of another program now
    (tmp_path / "run" / run_record.FILE).write_text(json.dumps(content))
    run_record.RunRecord(tmp_path / "run", []).begin(fresh=False)


def test_records_of_the_future_and_damaged_ones(tmp_path: Path) -> None:
    path = tmp_path / run_record.FILE
    assert run_record.read(tmp_path) is None
    for text, words in (('{"schema": 99}', "schema 99"), ('{"schema"', "damaged"), ("[]", "damaged")):
        path.write_text(text)
        with pytest.raises(UserError, match=words):
            run_record.read(tmp_path)
