"""Nothing is on the wrong device on a GPU, as far as that can be seen without one: see :mod:`tests.pretend_cuda`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

MISTAKES = """
import torch
from tests.pretend_cuda import mistakes, pretend
with pretend():
    here, there = torch.arange(3), torch.arange(3, device="cuda:0")
    assert there.device.type == "cuda" and (there + 1).device.type == "cuda"
    assert (there + torch.tensor(1)).tolist() == [1, 2, 3]
    assert there[here].tolist() == [0, 1, 2] and there.to("cpu").device.type == "cpu" and not mistakes
    for wrong in (
        lambda: here[there], lambda: here + there, lambda: there.numpy(), lambda: torch.cat([here, there]),
        lambda: torch.rand(3, device="cuda:0", generator=torch.Generator()),
        lambda: torch.rand(3, generator=torch.Generator("cuda:0")),
        lambda: torch.zeros(3, device="cuda:0").index_add_(0, here, torch.ones(3, device="cuda:0")),
    ):
        before = mistakes.total()
        wrong()
        assert mistakes.total() == before + 1
"""


def run(*arguments: str) -> None:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]


def test_the_pretended_device_refuses_what_torch_refuses() -> None:
    run("-c", MISTAKES)


def test_evaluation_and_learning() -> None:
    run("-m", "tests.pretend_cuda", "evaluate", "TOPPO,balancing.critic=gradnorm", "PromptDT")


@pytest.mark.slow
@pytest.mark.parametrize(
    "what",
    [
        *"MTPPO_mtbench CAGrad FAMO MTGRPO MTPQN MTIMPALA MTSAC ARS FastTD3 MTBC MTDT HarmoDT TOPPO_BC".split(),
        *("MT10", "MetaWorldMT10", "ParkourEasy"),
    ],
)
def test_everything_else(what: str) -> None:
    run("-m", "tests.pretend_cuda", what)
