"""Networks by name, one architecture a file; what they have in common is :class:`ActorCritic`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mtbench.learning.errors import UserError, unknown
from mtbench.learning.networks.base import ActorCritic
from mtbench.learning.networks.mlp import MLPActorCritic, MLPSpec

NETWORKS: dict[str, Callable[..., ActorCritic]] = {"mlp": MLPActorCritic}


def make_network(name: str, *, actor: dict[str, Any], critic: dict[str, Any], **shape: Any) -> ActorCritic:
    """Build the network ``name``.

    Args:
        name: a key of :data:`NETWORKS`.
        actor, critic: fields of :class:`MLPSpec`, one side each.
        shape: num_inputs, num_tasks, num_actions, init_log_std.

    Raises:
        UserError: unknown name or unknown setting of a side.
    """
    if name not in NETWORKS:
        raise unknown("network", name, NETWORKS)
    try:
        sides = {"actor": MLPSpec(**actor), "critic": MLPSpec(**critic)}
    except TypeError as error:
        raise UserError(f"a network side takes units, activation and layer_norm: {error}") from error
    return NETWORKS[name](**sides, **shape)


__all__ = ["NETWORKS", "ActorCritic", "MLPActorCritic", "MLPSpec", "make_network"]
