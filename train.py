"""Train or evaluate: ``python train.py task=MT10 train=TOPPO``, or ``mtbench train``. All settings are in ``cfg/``."""

import sys

try:
    from mtbench.commands.command_line import run_application
    from mtbench.commands.launch import launch
    from mtbench.resources import CFG
except ModuleNotFoundError as error:
    sys.exit(
        f"error: there is no package {error.name}: `make train` installs all into .venv, then `. .venv/bin/activate`"
    )

if __name__ == "__main__":
    sys.exit(run_application(launch, CFG))
