"""Two processes over gloo learn as one: see mtbench/learning/distributed.py."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from mtbench.learning.agents import mt_ppo
from mtbench.learning.agents.rollout import Rollout
from mtbench.learning.errors import UserError
from tests.learning.conftest import SMALL, TOY
from tests.learning.ranks import EPOCHS, SCHEMES, SETTINGS, Continuous

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """Where ranks.py ran, and what its two processes wrote."""
    directory = tmp_path_factory.mktemp("ranks")
    command = [*TORCHRUN, str(ROOT / "tests/learning/ranks.py"), str(directory)]
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return directory, [torch.load(directory / f"rank{rank}.pt", weights_only=False) for rank in (0, 1)]


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, second[name]) for name, value in first.items())


def joined(parts: list[dict[str, Any]], order: torch.Tensor) -> Rollout:
    """One rollout of the environments of both ranks, in ``order``."""
    steps, envs = parts[0]["rewards"].shape
    fields: dict[str, Any] = {}
    for name in ("obs", "inputs", "actions", "log_probs", "task", "rewards", "dones"):
        rows = [
            part[name].view(steps, envs, *part[name].shape[1 if name not in ("rewards", "dones") else 2 :])
            for part in parts
        ]
        whole = torch.cat(rows, 1)[:, order]
        fields[name] = whole if name in ("rewards", "dones") else whole.flatten(0, 1)
    fields["last_inputs"] = torch.cat([part["last_inputs"] for part in parts])[order]
    place = torch.argsort(order)
    index = []
    for rank, part in enumerate(parts):
        step, env = part["final_index"] // envs, part["final_index"] % envs
        index.append(step * 2 * envs + place[env + rank * envs])
    fields["final_index"] = torch.cat(index)
    fields["final_inputs"] = torch.cat([part["final_inputs"] for part in parts])
    return Rollout(**fields)


@pytest.mark.parametrize("name", SCHEMES)
def test_two_ranks_are_one_process_with_their_samples(name: str, ranks, make_agent, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """N environments on each of two ranks give the update of 2 N in one process: gradients, normalizers, schedule."""
    parts = [rank[name] for rank in ranks[1]]
    agent = make_agent(*SCHEMES[name], *SETTINGS, "num_envs=64")
    agent.model.load_state_dict(parts[0]["start"])
    agent.scheduler = Continuous()
    order = torch.argsort(torch.cat([part["task"] for part in parts]), stable=True)
    assert torch.equal(torch.cat([part["task"] for part in parts])[order], agent.task_index)
    rollouts = [joined([part["rollouts"][epoch] for part in parts], order) for epoch in range(EPOCHS)]
    monkeypatch.setattr(mt_ppo, "collect", lambda *args: (rollouts.pop(0), args[2]))
    agent.obs = torch.zeros(64, 10)
    for _ in range(EPOCHS):
        agent.train_epoch()
    end = parts[0]["end"]
    assert agent.last_lr == pytest.approx(end["lr"])
    assert agent.frame == end["frame"] == EPOCHS * 64 * 16
    moved = 0.0
    for key, value in agent.model.state_dict().items():
        torch.testing.assert_close(value, end["model"][key], rtol=2e-3, atol=2e-5, msg=key)
        moved = max(moved, (value - parts[0]["start"][key]).abs().max().item())
    assert moved > 1e-2  # there was something to agree on


@pytest.mark.parametrize("name", SCHEMES)
def test_ranks_hold_the_same_networks_and_differ_in_experience(name: str, ranks) -> None:  # type: ignore[no-untyped-def]
    first, second = (rank[name] for rank in ranks[1])
    assert same(first["start"], second["start"])
    assert same(first["end"]["model"], second["end"]["model"])
    assert first["end"]["lr"] == second["end"]["lr"]
    assert not torch.equal(first["rollouts"][0]["obs"], second["rollouts"][0]["obs"])
    assert not torch.equal(first["rollouts"][0]["actions"], second["rollouts"][0]["actions"])


def test_resuming_continues_every_rank_exactly(ranks, make_agent) -> None:  # type: ignore[no-untyped-def]
    directory, results = ranks
    for result in results:
        whole, resumed = result["toppo"]["end"], result["resumed"]
        assert same(whole["model"], resumed["model"])
        assert same(whole["env"], resumed["env"])
        assert torch.equal(whole["obs"], resumed["obs"]) and torch.equal(whole["actions"], resumed["actions"])
    assert not same(results[0]["resumed"]["env"], results[1]["resumed"]["env"])
    with pytest.raises(UserError, match=r"run of 2 processes, not 1; continue it with torchrun --nproc_per_node=2"):
        make_agent(*SCHEMES["toppo"], *SETTINGS).restore(str(directory / "part" / "nn" / "last.pth"))


def test_train_under_torchrun_writes_and_prints_once_stops_together_and_resumes(tmp_path: Path) -> None:
    toy = [*TOY, *SMALL, "eval_interval=2000", "eval_goals=2", "experiment=pair", "multi_gpu=True"]
    command = [*TORCHRUN, str(ROOT / "train.py"), *toy]
    log = tmp_path / "out.txt"
    with log.open("w") as out:
        process = subprocess.Popen(command, env=ENVIRONMENT, cwd=tmp_path, stdout=out, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 120
        best = tmp_path / "runs" / "pair" / "nn" / "best.pth"  # written after the third epoch's evaluation
        while not best.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)  # torchrun hands it on, as it does with Ctrl-C
        process.wait(60)
    text = log.read_text()
    assert text.count("epoch     3 ") == 1 and "30 environments in each of 2 processes" in text, text
    assert text.count("stopped by SIGINT") == 1, text
    run = tmp_path / "runs" / "pair"
    assert {path.name for path in (run / "nn").iterdir()} == {"last.pth", "best.pth"}
    assert len(list((run / "summaries").iterdir())) == 1
    saved = torch.load(run / "nn" / "last.pth", weights_only=True)
    assert saved["frame"] == saved["epoch"] * 2 * 30 * 16 and len(saved["ranks"]) == 1
    limit = saved["epoch"] + 1
    more = [*command, "checkpoint=runs/pair/nn/last.pth", f"max_iterations={limit}"]
    result = subprocess.run(more, env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count(f"epoch {limit:5d} ") == 1, result.stdout
    with (run / "metrics.csv").open() as file:
        frames = [int(row["frames"]) for row in csv.DictReader(file)]
    assert frames[-1] == limit * 960 and frames == sorted(set(frames))


@pytest.mark.parametrize(
    ("environment", "overrides", "words"),
    [
        ({}, ["multi_gpu=True"], "torchrun --standalone --nproc_per_node=2 train.py"),
        ({"WORLD_SIZE": "2"}, [], "add multi_gpu=True"),
        ({"WORLD_SIZE": "2"}, ["multi_gpu=True", "test=True"], "test=True needs one process"),
    ],
)
def test_mistakes(environment, overrides, words, monkeypatch, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    from mtbench.commands.command_line import run_application
    from mtbench.commands.launch import CFG, launch

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train.py", *TOY, *overrides])
    assert run_application(launch, CFG) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
