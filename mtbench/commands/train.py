"""Train, and evaluate what was trained. All settings are Hydra's, in ``cfg/``.

    mtbench train task=MT10 train=TOPPO seed=1
    mtbench eval task=MT10 train=TOPPO checkpoint=runs/NAME/nn/best.pth

``mtbench train`` is ``python train.py``, and ``mtbench eval`` the same with ``test=True``: it takes the task and the preset
that the checkpoint was trained with.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mtbench.commands.command_line import run_application
from mtbench.commands.launch import PROGRAM, launch
from mtbench.resources import CFG


def main(arguments: Sequence[str]) -> int:
    """Train; return the exit code."""
    sys.argv = [PROGRAM, *arguments]  # where Hydra reads
    return run_application(launch, CFG)


def evaluate(arguments: Sequence[str]) -> int:
    """Evaluate a checkpoint; return the exit code."""
    return main(["test=True", *arguments])
