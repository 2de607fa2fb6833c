"""Networks by name, one architecture a file; what they have in common is :class:`ActorCritic`.

A new architecture is one file with a module under ``@register("name")``, one import here and a few lines of
``cfg/network/name.yaml``; see docs/adding_a_network.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from mtbench.errors import UserError, nearest
from mtbench.learning.networks import bro, care, mlp, moore, paco, residual, simbav2, soft_modularization  # noqa: F401
from mtbench.learning.networks.base import NETWORKS, ActorCritic, Shape, TaskOwned, register
from mtbench.schema import check, of_signature


def make_network(
    name: str,
    *,
    actor: dict[str, Any],
    critic: dict[str, Any] | None,
    num_inputs: int,
    num_tasks: int,
    num_actions: int,
    init_log_std: float = 0.0,
) -> ActorCritic:
    """Build the network ``name``.

    Args:
        name: a key of :data:`NETWORKS`.
        actor, critic: settings of the architecture, one side each; ``cfg/network/*.yaml`` has the defaults. No critic
            where its settings are None.
        num_inputs: features + K, one-hot last.
        num_tasks: K.
        num_actions: size of an action.
        init_log_std: logarithm of the first action deviation.

    Raises:
        UserError: unknown name, unknown setting or missing setting.
    """
    features = num_inputs - num_tasks
    actor_net = make_side(name, "actor", actor, Shape(features, num_tasks, num_actions))
    critic_net = None if critic is None else make_side(name, "critic", critic, Shape(features, num_tasks, 1))
    return ActorCritic(actor_net, critic_net, num_tasks, num_actions, init_log_std)


def make_side(name: str, side: str, settings: Mapping[str, Any], shape: Shape) -> nn.Module:
    """Build one side of the network ``name``, called ``side`` in messages.

    Raises:
        UserError: unknown name, unknown setting or missing setting.
    """
    check_side(name, side, settings)
    return NETWORKS[name](shape, **settings)


def check_side(name: str, side: str, settings: object) -> None:
    """Compare the settings of one side with what its architecture takes, whose arguments' types say what they may be
    (:mod:`mtbench.schema`).

    Args:
        name: of the network.
        side: where the settings are: actor or critic.
        settings: by name.

    Raises:
        UserError: unknown name, unknown or missing setting, or one that cannot be.
    """
    if name not in NETWORKS:
        raise UserError(f"network_name={name} must be {', '.join(sorted(NETWORKS))}{nearest(str(name), NETWORKS)}")
    check(of_signature(NETWORKS[name], ("shape",)), settings, side)


__all__ = ["NETWORKS", "ActorCritic", "Shape", "TaskOwned", "check_side", "make_network", "make_side", "register"]
