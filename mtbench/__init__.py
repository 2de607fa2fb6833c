"""Multi-task reinforcement learning for robots: physics behind the Tensor API, gradient balancing, agents, evaluation."""

__version__ = "0.1.0"
