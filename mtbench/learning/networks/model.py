"""A network with its running normalizations: what is trained, saved and evaluated as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mtbench.learning.balancing import PopArt
from mtbench.learning.errors import UserError, nearest
from mtbench.learning.networks import make_network
from mtbench.learning.networks.base import owned_parameters
from mtbench.learning.networks.normalization import make_input_norm
from mtbench.schema import check, of_signature, show

VALUE_NORMS = ("none", "running", "popart")


class PolicyModel(nn.Module):
    """Networks behind a running input normalization, over raw observations (n, features + K), one-hot last.

    Args:
        num_obs: features + K.
        num_tasks: K.
        num_actions: size of an action.
        network: name and settings of the architecture of each side.
        normalize_input: running normalization of the features: ``per_task`` or True, ``shared``, ``none`` or False.
    """

    def __init__(
        self, num_obs: int, num_tasks: int, num_actions: int, network: Mapping[str, Any], normalize_input: bool | str
    ) -> None:
        super().__init__()
        self.num_tasks = num_tasks
        self.sees_task = True  #: whether the networks are shown the one-hot, or zeros in its place
        self.input_norm = make_input_norm(normalize_input, num_tasks, num_obs - num_tasks)

    def act(self, obs: Tensor, task: Tensor) -> Tensor:
        """Actions (n, actions) without exploration, what an evaluation plays, for raw observations of tasks (n,)."""
        raise NotImplementedError

    def observe(self, rewards: Tensor, begun: Tensor) -> None:
        """Take note, before :meth:`act`, of the last step's rewards (n,) and of which rows (n,) bool begin an episode; for
        policies that remember."""

    def normalize_obs(self, obs: Tensor, task: Tensor) -> Tensor:
        """Return the network's inputs for raw observations (n, features + K)."""
        inputs = obs if self.input_norm is None else self.input_norm(obs, task)
        if self.sees_task:
            return inputs
        return torch.cat((inputs[:, : -self.num_tasks], torch.zeros_like(inputs[:, -self.num_tasks :])), 1)

    @torch.no_grad()
    def update_statistics(self, obs: Tensor, task: Tensor) -> None:
        """Merge raw observations into the input statistics."""
        if self.input_norm is not None:
            self.input_norm.update(obs, task)

    def with_actions(self, inputs: Tensor, actions: Tensor) -> Tensor:
        """Put actions between features and one-hot, for critics that see both: (n, features + actions + K)."""
        return torch.cat((inputs[:, : -self.num_tasks], actions, inputs[:, -self.num_tasks :]), 1)

    def num_parameters(self) -> int:
        """Count what is trained."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)


class ActorCriticModel(PolicyModel):
    """Policy and value of K tasks over raw observations (n, features + K), one-hot last.

    Args:
        num_obs: features + K.
        num_tasks: K.
        num_actions: size of an action.
        network: name and settings, see :func:`make_network`.
        normalize_input: running normalization of the features: ``per_task`` or True, ``shared``, ``none`` or False.
        value_norm: ``none`` (the critic predicts raw returns), ``running`` (it predicts returns standardized by
            per-task running statistics) or ``popart`` (those statistics and a per-task affine head, rescaled whenever
            they move so that the predicted returns stay what they were); with options of
            :class:`~mtbench.learning.balancing.PopArt`: ``{name: popart, beta: 3e-4}``.
        task_input: ``onehot``, or ``none``: the networks do not know which task it is, so that they can be asked about one
            that they have not seen. Input statistics are of no such task if they are per task.

    Raises:
        UserError: an unknown name or option, or ``task_input=none`` and a network with parts for each task.
    """

    def __init__(
        self,
        num_obs: int,
        num_tasks: int,
        num_actions: int,
        network: Mapping[str, Any],
        normalize_input: bool | str,
        value_norm: str | Mapping[str, Any] = "none",
        task_input: str = "onehot",
    ) -> None:
        super().__init__(num_obs, num_tasks, num_actions, network, normalize_input)
        self.network = make_network(**network, num_inputs=num_obs, num_tasks=num_tasks, num_actions=num_actions)
        self.sees_task = task_input == "onehot"
        if not self.sees_task and owned_parameters(self.network):
            raise UserError(
                f"task_input=none hides the task, and network {network['name']} has parts for each; use one that shares all, "
                "such as network=mlp"
            )
        name, options = _name_and_options(value_norm)
        self.value_stats = _make_value_stats(name, num_tasks, options)
        #: the same module where its affine head is in use and trained
        self.value_head = self.value_stats if name == "popart" else None
        if self.value_stats is not None:
            self.value_stats.requires_grad_(self.value_head is not None)

    def normalize_value(self, value: Tensor, task: Tensor) -> Tensor:
        """Map raw values (n,) to the units the critic predicts."""
        return value if self.value_stats is None else self.value_stats.normalize(value, task)

    def denormalize_value(self, value: Tensor, task: Tensor) -> Tensor:
        """Map predictions of the critic (n,) to raw values."""
        return value if self.value_stats is None else self.value_stats.denormalize(value, task)

    @property
    def value_scale(self) -> Tensor:
        """Deviation (K,) by which value targets are divided; ones where they are not."""
        return torch.ones(self.num_tasks) if self.value_stats is None else self.value_stats.scale

    @property
    def lacks_value_statistics(self) -> bool:
        """Whether values are normalized, but no return was ever seen."""
        return self.value_stats is not None and not bool(self.value_stats.count.any())

    @torch.no_grad()
    def update_value_statistics(self, returns: Tensor, task: Tensor, preserve: bool = True) -> None:
        """Merge returns (n,) of tasks (n,) into the value statistics; PopArt rescales its head to match unless not to."""
        if self.value_stats is None:
            return
        self.value_stats.update(returns, task)
        if not preserve:
            self.value_stats.weight.fill_(1.0)
            self.value_stats.bias.zero_()

    def value(self, inputs: Tensor, task: Tensor) -> Tensor:
        """Return the critic's prediction (n,), in normalized units, for network inputs (n, features + K)."""
        assert self.network.critic is not None
        value = self.network.critic(inputs).squeeze(-1)
        return value if self.value_head is None else self.value_head(value, task)

    def owned_parameters(self, side: str) -> list[nn.Parameter]:
        """Return the parameters whose rows belong to one task each: of ``actor`` or ``critic``."""
        owned = self.network.owned_parameters(side)
        return owned if side == "actor" or self.value_head is None else [*owned, *self.value_head.parameters()]

    @torch.no_grad()
    def values(self, inputs: Tensor, task: Tensor, chunk: int = 16384) -> Tensor:
        """Return raw values (n,) for network inputs (n, features + K), a chunk at a time to bound the memory."""
        parts = [
            self.denormalize_value(self.value(rows, ids), ids)
            for rows, ids in zip(inputs.split(chunk), task.split(chunk), strict=True)
        ]
        return torch.cat(parts)

    @torch.no_grad()
    def act(self, obs: Tensor, task: Tensor) -> Tensor:
        """The mean action, within the action space."""
        return self.network.actor(self.normalize_obs(obs, task)).clamp(-1.0, 1.0)

    @torch.no_grad()
    def sample(self, obs: Tensor, task: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Sample actions (n, actions), before clipping, and their log-probabilities (n,) for raw observations."""
        mean = self.network.actor(self.normalize_obs(obs, task))
        log_std = self.network.log_std[task]
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        actions = mean + noise * log_std.exp()
        return actions, gaussian_log_prob(actions, mean, log_std)


def _name_and_options(setting: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A part by its name alone, or as a mapping of its name and options."""
    if isinstance(setting, str):
        return setting, {}
    options = dict(setting)
    return str(options.pop("name", "")), options


def check_value_norm(value_norm: object) -> None:
    """Compare ``value_norm`` with what there is.

    Raises:
        UserError: an unknown name or option, or one that cannot be.
    """
    name, options = _name_and_options(value_norm) if isinstance(value_norm, Mapping) else (value_norm, {})
    if name not in VALUE_NORMS:
        near = nearest(str(name), VALUE_NORMS)
        raise UserError(
            f"value_norm={show(value_norm)} must be {', '.join(VALUE_NORMS)}, or {{name: popart, ...}}{near}"
        )
    if name == "none" and options:
        raise UserError(f"value_norm=none has no options, but {', '.join(map(str, options))} is set")
    check(of_signature(PopArt, ("num_tasks",)), options, "value_norm")


def _make_value_stats(value_norm: str, num_tasks: int, options: Mapping[str, Any]) -> PopArt | None:
    check_value_norm({"name": value_norm, **options})
    return None if value_norm == "none" else PopArt(num_tasks, **options)


def gaussian_log_prob(actions: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Return the log-density (n,) of a diagonal Gaussian; arguments (n, actions)."""
    z = (actions - mean) * torch.exp(-log_std)
    return -(0.5 * z.square() + log_std).sum(-1) - 0.918938533204673 * actions.shape[-1]
