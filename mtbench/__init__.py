"""Multi-task reinforcement learning for robots: physics behind the Tensor API, gradient balancing, agents, evaluation."""

import os

# PyTorch's OpenMP threads would otherwise spin for milliseconds after each parallel operation, on the cores that the
# physics wants next. Read when PyTorch is loaded, so set before.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
