"""The networks of soft actor-critic: a squashed Gaussian policy, two critics, their targets, and temperatures."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtbench.learning.networks import Shape, make_side
from mtbench.learning.networks.base import follow, project, start_near_zero
from mtbench.learning.networks.model import PolicyModel

LOG_STD_BOUNDS = (-20.0, 2.0)


class SACNetwork(nn.Module):
    """What is trained.

    Attributes:
        actor: (n, features + K) -> (n, 2 actions), mean and log-deviation before the squashing.
        critic: two of (n, features + actions + K) -> (n, 1).
        log_alpha: (K,) logarithm of each task's temperature.
    """

    def __init__(self, actor: nn.Module, critic: nn.ModuleList, num_tasks: int) -> None:
        super().__init__()
        self.actor, self.critic = actor, critic
        start_near_zero(actor)
        self.log_alpha = nn.Parameter(torch.zeros(num_tasks))
        project(self)


class SACModel(PolicyModel):
    """Policy, twin critics and target critics of K tasks over raw observations (n, features + K), one-hot last.

    Any registered architecture serves, each side with its own settings.

    Args:
        num_obs: features + K.
        num_tasks: K.
        num_actions: size of an action.
        network: ``name``, ``actor`` and ``critic``: an architecture and its settings on each side.
        normalize_input: see :class:`PolicyModel`.

    Raises:
        UserError: an unknown name or setting.
    """

    def __init__(
        self, num_obs: int, num_tasks: int, num_actions: int, network: Mapping[str, Any], normalize_input: bool | str
    ) -> None:
        super().__init__(num_obs, num_tasks, num_actions, network, normalize_input)
        self.network = self._make_network(num_obs - num_tasks, num_actions, **network)
        self.target_critic = copy.deepcopy(self.network.critic).requires_grad_(False)

    def _make_network(
        self, features: int, num_actions: int, name: str, actor: Mapping[str, Any], critic: Mapping[str, Any]
    ) -> SACNetwork:
        policy = make_side(name, "actor", actor, Shape(features, self.num_tasks, 2 * num_actions))
        inputs = Shape(features + num_actions, self.num_tasks, 1)
        critics = nn.ModuleList(make_side(name, "critic", critic, inputs) for _ in range(2))
        return SACNetwork(policy, critics, self.num_tasks)

    @property
    def alpha(self) -> Tensor:
        """Temperature of each task, (K,)."""
        return self.network.log_alpha.exp()

    def distribution(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-deviation (n, actions) of the Gaussian that is squashed, for network inputs (n, features + K)."""
        mean, log_std = self.network.actor(inputs).chunk(2, dim=-1)
        return mean, log_std.clamp(*LOG_STD_BOUNDS)

    def squashed(self, inputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions (n, actions) within (-1, 1) from standard normal ``noise`` of that shape, and their log-probabilities
        (n,), both differentiable (Haarnoja et al., 2018, appendix C)."""
        mean, log_std = self.distribution(inputs)
        before = mean + noise * log_std.exp()
        normal = -0.5 * noise.square() - log_std - 0.5 * math.log(2.0 * math.pi)
        # log(1 - tanh(x)^2) in a form that does not lose its digits where tanh is 1
        slope = 2.0 * (math.log(2.0) - before - F.softplus(-2.0 * before))
        return before.tanh(), (normal - slope).sum(-1)

    def q(self, inputs: Tensor, actions: Tensor) -> Tensor:
        """Both critics, (2, n)."""
        both = self.with_actions(inputs, actions)
        return torch.stack([critic(both).squeeze(-1) for critic in self.network.critic])

    @torch.no_grad()
    def target_q(self, inputs: Tensor, actions: Tensor) -> Tensor:
        """Both target critics, (2, n)."""
        both = self.with_actions(inputs, actions)
        return torch.stack([critic(both).squeeze(-1) for critic in self.target_critic])

    def update_targets(self, tau: float) -> None:
        """Move the target critics the share ``tau`` of the way to the critics."""
        follow(self.target_critic, self.network.critic, tau)

    @torch.no_grad()
    def reset(self, fresh: SACModel) -> None:
        """Take over actor, critics and target critics of another model; normalizers and temperatures stay."""
        for name in ("network.actor", "network.critic", "target_critic"):
            self.get_submodule(name).load_state_dict(fresh.get_submodule(name).state_dict())

    @torch.no_grad()
    def act(self, obs: Tensor, task: Tensor) -> Tensor:
        """The squashed mean, (n, actions)."""
        return self.distribution(self.normalize_obs(obs, task))[0].tanh()

    @torch.no_grad()
    def sample(self, obs: Tensor, task: Tensor, generator: torch.Generator) -> Tensor:
        """Sample actions (n, actions) for raw observations."""
        inputs = self.normalize_obs(obs, task)
        mean, log_std = self.distribution(inputs)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        return (mean + noise * log_std.exp()).tanh()
