"""What an architecture is, and what the agents ask of the pair of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

NETWORKS: dict[str, Callable[..., nn.Module]] = {}

N = TypeVar("N", bound=Callable[..., nn.Module])


@dataclass(frozen=True)
class Shape:
    """Sizes of one side.

    Attributes:
        features: entries of an observation without the one-hot (39 for Meta-World).
        tasks: K.
        outputs: actions for an actor, 1 for a critic.
    """

    features: int
    tasks: int
    outputs: int

    def split(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Divide inputs (n, features + K) into features (n, features) and one-hot (n, K)."""
        return inputs[:, : self.features], inputs[:, self.features :]


def register(name: str) -> Callable[[N], N]:
    """Class decorator: make an architecture known to :func:`~mtbench.learning.networks.make_network` as ``name``.

    An architecture is a module built from a :class:`Shape` and its own settings, one side each. Its forward maps
    (n, features + K), one-hot last, to (n, outputs) and takes the rows in any order; its attribute ``head`` is the last
    layer, which starts near zero in an actor. A method ``project``, if it has one, keeps its weights where they have to
    be: it is called at the start and after every optimizer step. A weight that sees the one-hot sees it last, so that a run
    on other tasks finds each task's column; where something comes after it, ``behind_one_hot`` says how many inputs, by the
    weight's name.
    """

    def add(cls: N) -> N:
        if name in NETWORKS:
            raise ValueError(f"A network named '{name}' exists already.")
        NETWORKS[name] = cls
        return cls

    return add


class TaskOwned(nn.Module):
    """A module whose own parameters have the task as their first axis: row i is used by task i only.

    Such parameters take their own gradient of the mean loss and never enter a Gram matrix.
    """


def owned_parameters(network: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of a network whose rows belong to one task each."""
    modules = (module for module in network.modules() if isinstance(module, TaskOwned))
    return [parameter for module in modules for parameter in module.parameters(recurse=False)]


def start_near_zero(actor: nn.Module) -> None:
    """Let an actor's outputs be near zero at the start, so that the first actions are noise around "stay"."""
    assert isinstance(actor.head, nn.Module)
    for parameter in actor.head.parameters():
        nn.init.uniform_(parameter, -1e-3, 1e-3)


@torch.no_grad()
def project(network: nn.Module) -> None:
    """Let the architectures in ``network`` that bound their weights do so."""
    for module in network.modules():
        bound = getattr(module, "project", None)
        if bound is not None:
            bound()


@torch.no_grad()
def follow(targets: nn.Module, networks: nn.Module, tau: float) -> None:
    """Move target networks the share ``tau`` of the way to the networks they are copies of."""
    torch._foreach_lerp_(list(targets.parameters()), list(networks.parameters()), tau)
    project(targets)


class ActorCritic(nn.Module):
    """Two networks that share nothing, or an actor alone, and the exploration noise.

    Attributes:
        actor: (n, inputs) -> (n, actions), the mean of a Gaussian.
        critic: (n, inputs) -> (n, 1), the value; None where an algorithm has no critic.
        log_std: (K, actions); row i is owned by task i. MTBench's multi-head shares one row among its tasks, so that an
            easy task quiets the exploration of a hard one.
    """

    def __init__(
        self, actor: nn.Module, critic: nn.Module | None, num_tasks: int, num_actions: int, init_log_std: float = 0.0
    ) -> None:
        super().__init__()
        self.actor, self.critic = actor, critic
        start_near_zero(actor)
        self.log_std = nn.Parameter(torch.full((num_tasks, num_actions), float(init_log_std)))
        project(self)

    def owned_parameters(self, side: str) -> list[nn.Parameter]:
        """Return the parameters of ``actor`` or ``critic`` whose rows belong to one task each."""
        owned = owned_parameters(getattr(self, side))
        return [self.log_std, *owned] if side == "actor" else owned
