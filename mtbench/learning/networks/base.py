"""What the agents ask of a network."""

from __future__ import annotations

from torch import nn


class ActorCritic(nn.Module):
    """Two networks that share nothing, and the exploration noise.

    Attributes:
        actor: (n, inputs) -> (n, actions), the mean of a Gaussian; its parameters are shared by all tasks.
        critic: (n, inputs) -> (n, 1), the value; its parameters are shared by all tasks.
        log_std: (K, actions); row i is owned by task i and never enters a Gram matrix.
    """

    actor: nn.Module
    critic: nn.Module
    log_std: nn.Parameter
