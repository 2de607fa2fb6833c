"""An actor and two critics that predict the distribution of the return: what FastTD3 trains, saves and evaluates."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mtbench.learning.errors import UserError
from mtbench.learning.networks import Shape, make_side
from mtbench.learning.networks.base import follow, project, start_near_zero
from mtbench.learning.networks.mlp import EmbedTask
from mtbench.learning.networks.model import PolicyModel


class TwinCriticModel(PolicyModel):
    """A deterministic actor and twin categorical critics of any architecture, over raw observations (n, features + K).

    A critic sees features, action and one-hot and predicts the logits of ``num_atoms`` values of the return, evenly spaced
    from ``v_min`` to ``v_max``. A learned task embedding is one for both critics, as in MTBench.

    Args:
        num_obs: features + K.
        num_tasks: K.
        num_actions: size of an action.
        network: name and settings of the architecture of each side.
        normalize_input: see :class:`~mtbench.learning.networks.model.PolicyModel`.
        num_atoms: values that the distribution is over, at least 2.
        v_min, v_max: the least and the largest of them.

    Attributes:
        actor: (n, features + K) -> (n, actions), before the tanh.
        critics: two, (n, features + actions + K) -> (n, atoms).
        targets: slow copies of the critics, not trained and not counted.
        atoms: (atoms,) the values.

    Raises:
        UserError: an unknown name or setting, or an empty support.
    """

    atoms: Tensor

    def __init__(
        self,
        num_obs: int,
        num_tasks: int,
        num_actions: int,
        network: Mapping[str, Any],
        normalize_input: bool | str,
        num_atoms: int,
        v_min: float,
        v_max: float,
    ) -> None:
        super().__init__(num_obs, num_tasks, num_actions, network, normalize_input)
        if num_atoms < 2 or v_min >= v_max:
            raise UserError(
                f"num_atoms={num_atoms} from v_min={v_min} to v_max={v_max}: there have to be two values or more, in order"
            )
        features = num_obs - num_tasks
        name = str(network["name"])
        self.actor = make_side(name, "actor", dict(network["actor"]), Shape(features, num_tasks, num_actions))
        shape = Shape(features + num_actions, num_tasks, num_atoms)
        self.critics = nn.ModuleList(make_side(name, "critic", dict(network["critic"]), shape) for _ in range(2))
        _share_embeddings(*self.critics)
        # Actions near zero at the start, away from the flat ends of the tanh.
        start_near_zero(self.actor)
        project(self.actor)
        project(self.critics)
        self.targets = copy.deepcopy(self.critics).requires_grad_(False)
        self.register_buffer("atoms", torch.linspace(v_min, v_max, num_atoms))

    def policy(self, inputs: Tensor) -> Tensor:
        """Actions (n, actions) within the action space, for network inputs (n, features + K)."""
        return torch.tanh(self.actor(inputs))

    @torch.no_grad()
    def act(self, obs: Tensor, task: Tensor) -> Tensor:
        """See :meth:`~mtbench.learning.networks.model.PolicyModel.act`."""
        return self.policy(self.normalize_obs(obs, task))

    def logits(self, critics: nn.ModuleList, inputs: Tensor, actions: Tensor) -> Tensor:
        """Predictions (2, n, atoms) of ``critics`` or ``targets``, for network inputs (n, features + K) and actions."""
        seen = self.with_actions(inputs, actions)
        return torch.stack([critic(seen) for critic in critics])

    def expected(self, probabilities: Tensor) -> Tensor:
        """Mean of distributions over the atoms, (..., atoms) -> (...)."""
        return probabilities @ self.atoms

    def update_targets(self, tau: float) -> None:
        """Move the target critics by the share ``tau`` towards the critics."""
        follow(self.targets, self.critics, tau)


def project_distribution(
    probabilities: Tensor, rewards: Tensor, discount: Tensor, v_min: float, v_max: float
) -> Tensor:
    """Put the distribution of ``r + discount * z`` back onto the atoms (C51: Bellemare et al., 2017, algorithm 1).

    What falls between two atoms is shared by them so that its mean stays what it was; what falls beyond the ends goes to
    the ends.

    Args:
        probabilities: (n, atoms) of the atoms z, which are evenly spaced from ``v_min`` to ``v_max``.
        rewards, discount: (n,).
        v_min, v_max: ends of the support.

    Returns:
        (n, atoms).
    """
    last = probabilities.shape[1] - 1
    atoms = torch.linspace(v_min, v_max, last + 1, device=probabilities.device, dtype=probabilities.dtype)
    values = (rewards.unsqueeze(1) + discount.unsqueeze(1) * atoms).clamp(v_min, v_max)
    position = ((values - v_min) * (last / (v_max - v_min))).clamp(0, last)
    below = position.floor()
    share = position - below  # of the atom above; 0 at the last atom, which has none above
    index = below.long()
    out = torch.zeros_like(probabilities)
    out.scatter_add_(1, index, probabilities * (1.0 - share))
    return out.scatter_add_(1, (index + 1).clamp_max(last), probabilities * share)


def _share_embeddings(first: nn.Module, second: nn.Module) -> None:
    for name, module in list(first.named_modules()):
        if isinstance(module, EmbedTask):
            parent, _, child = name.rpartition(".")
            setattr(second.get_submodule(parent), child, module)
