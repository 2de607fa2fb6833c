"""Train or evaluate: ``python train.py task=MT10 train=TOPPO``. All settings are in ``cfg/``."""

import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from mtbench.learning.command_line import run_application
from mtbench.learning.launch import CFG, launch


@hydra.main(version_base="1.3", config_path="cfg", config_name="config")
def main(cfg: DictConfig) -> None:
    launch(cfg, HydraConfig.get().overrides.task)


if __name__ == "__main__":
    sys.exit(run_application(main, CFG))
