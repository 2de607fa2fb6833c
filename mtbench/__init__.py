"""Multi-task reinforcement learning for robots: physics behind the Tensor API, gradient balancing, agents, evaluation."""

import os

# PyTorch's OpenMP threads spin for milliseconds after each parallel operation, on the cores that the physics wants next.
# A short spin serves both: measured on two cores, env.step takes two thirds of the time and an update is no slower.
# GNU OpenMP reads this when PyTorch is loaded, so it is set before.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

__version__ = "0.1.0"

from mtbench.gymnasium_ids import register_all  # noqa: E402, after the threads are settled

register_all()
