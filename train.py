"""Train or evaluate: ``python train.py task=MT10 train=TOPPO``. All settings are in ``cfg/``."""

import sys

from mtbench.learning.command_line import run_application
from mtbench.learning.launch import CFG, launch

if __name__ == "__main__":
    sys.exit(run_application(launch, CFG))
