"""Multi-task PQN: Q-learning on parallel environments, without replay and target network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mtbench.learning import distributed
from mtbench.learning.agents import settings as schema
from mtbench.learning.agents.agent import Agent, StopRequest
from mtbench.learning.agents.gae import gae
from mtbench.learning.agents.minibatches import StratifiedMinibatches, check_minibatches
from mtbench.learning.agents.rollout import Rollout, collect, evaluate_states
from mtbench.learning.balancing import diagnostics
from mtbench.learning.errors import UserError
from mtbench.learning.networks import Shape, make_side
from mtbench.learning.networks.base import owned_parameters, project
from mtbench.learning.networks.model import PolicyModel


class BangOffBangModel(PolicyModel):
    """One network that gives every bin of every action dimension a utility (MTBench, appendix B, after Seyde et al., 2023).

    The value of an action is the mean over its M dimensions of the chosen bins' utilities (equation 3), so the best action
    has the best bin in each.

    Args:
        num_obs: features + K.
        num_tasks: K.
        num_actions: M.
        network: ``name`` of the architecture and ``critic``, its settings.
        normalize_input: running normalization of the features: ``per_task`` or True, ``shared``, ``none`` or False.
        bins_per_dim: B actions a dimension, evenly spaced in [-1, 1].

    Attributes:
        bins: (B,) the actions.

    Raises:
        UserError: an unknown name or setting, or fewer than two bins.
    """

    bins: Tensor

    def __init__(
        self,
        num_obs: int,
        num_tasks: int,
        num_actions: int,
        network: Mapping[str, Any],
        normalize_input: bool | str,
        bins_per_dim: int,
    ) -> None:
        super().__init__(num_obs, num_tasks, num_actions, network, normalize_input)
        if not isinstance(bins_per_dim, int) or bins_per_dim < 2:
            raise UserError(f"bins_per_dim={bins_per_dim} must be a whole number of at least 2")
        self.num_actions = num_actions
        shape = Shape(num_obs - num_tasks, num_tasks, num_actions * bins_per_dim)
        self.network = make_side(network["name"], "critic", network["critic"], shape)
        self.register_buffer("bins", torch.linspace(-1.0, 1.0, bins_per_dim), persistent=False)
        project(self.network)

    def utilities(self, inputs: Tensor) -> Tensor:
        """Return (n, M, B) for network inputs (n, features + K)."""
        return self.network(inputs).unflatten(1, (self.num_actions, -1))

    def q_values(self, inputs: Tensor, chosen: Tensor) -> Tensor:
        """Return Q(s, a) (n,) for network inputs (n, features + K) and the indices (n, M) of the bins taken."""
        return self.utilities(inputs).gather(2, chosen.unsqueeze(2)).squeeze(2).mean(1)

    @torch.no_grad()
    def max_values(self, inputs: Tensor, chunk: int = 16384) -> Tensor:
        """Return max_a Q(s, a) (n,), a chunk at a time to bound the memory."""
        return torch.cat([self.utilities(rows).amax(2).mean(1) for rows in inputs.split(chunk)])

    @torch.no_grad()
    def greedy(self, obs: Tensor, task: Tensor) -> Tensor:
        """Return the indices (n, M) of the best bins for raw observations (n, features + K)."""
        return self.utilities(self.normalize_obs(obs, task)).argmax(2)

    def indices(self, actions: Tensor) -> Tensor:
        """Return the indices (n, M) of the bins that actions (n, M) are in."""
        return ((actions + 1.0) * (0.5 * (self.bins.numel() - 1))).round().long()

    def act(self, obs: Tensor, task: Tensor) -> Tensor:
        """The greedy action (n, M)."""
        return self.bins[self.greedy(obs, task)]


class MTPQN(Agent):
    """PQN (Gallici et al., 2024) over K tasks at once with bang-off-bang control (MTBench, appendix B and Table 5).

    Each epoch collects a rollout, computes Peng's Q(lambda) targets and passes over it ``mini_epochs`` times in minibatches
    stratified by task. The loss of each task has its own gradient, aggregated by the scheme ``balancing.critic``.

    Exploration: with probability epsilon an environment takes an action drawn uniformly, all dimensions at once. Epsilon and
    learning rate are functions of the frames alone.

    Differs from MTBench, whose lambda-returns run on into the next episode, whose time-outs count as terminations, and
    whose epsilon decays slower than it says by the factor ``horizon_length``. ``cfg/train/MTPQN.yaml`` lists the
    parameters.
    """

    name = "mt_pqn"
    settings = schema.MTPQN
    model_class = BangOffBangModel
    model: BangOffBangModel

    @classmethod
    def model_settings(cls, params: Mapping[str, Any]) -> dict[str, Any]:
        """See :class:`BangOffBangModel`."""
        return super().model_settings(params) | {"bins_per_dim": params["config"]["bins_per_dim"]}

    @classmethod
    def check_environments(cls, params: Mapping[str, Any], env: Mapping[str, Any], counts: Sequence[int]) -> None:
        """See :meth:`.agent.Agent.check_environments`."""
        check_minibatches(params["config"], counts)

    def build(self) -> None:
        """Make optimizer, side and minibatches."""
        config = self.config
        self.q_lambda = config["q_lambda"]
        self.mini_epochs_num = int(config["mini_epochs"])
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizers["critic"] = torch.optim.RAdam(trained, self.last_lr)
        network = self.model.network
        self.sides["critic"] = self.make_side("critic", network, owned_parameters(network))
        self.minibatches = StratifiedMinibatches(
            self.task_index.repeat(self.horizon_length), self.num_tasks, int(config["num_minibatches"])
        )
        self._step = 0  #: of the rollout being collected

    def epsilon(self, frame: int) -> float:
        """Share of random actions after ``frame`` environment steps."""
        config = self.config
        done = min(1.0, frame / (config["exploration_fraction"] * config["max_frames"]))
        return config["start_e"] + done * (config["end_e"] - config["start_e"])

    def learn(self) -> dict[str, Tensor | float]:
        """Collect one rollout and pass over it ``mini_epochs`` times."""
        if self.config["anneal_lr"]:
            left = max(0.0, 1.0 - self.frame / self.config["max_frames"])
            self.set_learning_rate(left * float(self.config["learning_rate"]))
        with self.stepping():
            rollout = self.collect()
        self.observer.after_steps()
        chosen = self.model.indices(rollout.actions)
        log: dict[str, list[Tensor]] = {}
        for mini_epoch in range(self.mini_epochs_num):
            if distributed.any_rank(bool(self._stop_signal)):
                raise StopRequest
            if mini_epoch == 0 or self.config["recompute_targets"]:
                targets = self.targets(rollout)
            for index, rows in enumerate(self.minibatches.passes(self.generators["minibatches"])):
                self._check_stop_alone()
                scalars = self.update(
                    rollout.inputs[rows], chosen[rows], targets[rows], diagnose=mini_epoch == index == 0
                )
                for name, value in scalars.items():
                    log.setdefault(name, []).append(value)
        for side in self.sides.values():
            side.after_epoch()
        # Only now, so that the inputs of a rollout are the same when it is collected and when it is learned from.
        self.model.update_statistics(rollout.obs, rollout.task)
        return {**self.means(log), "info/epsilon": self.epsilon(self.frame), "rewards/step": rollout.rewards.mean()}

    def collect(self) -> Rollout:
        """Step the environments through one rollout."""
        assert self.obs is not None
        self._step = 0
        rollout, self.obs = collect(self.step, self.act, self.model, self.obs, self.task_index, self.horizon_length)
        return rollout

    def act(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Explore: actions (N, M), and in place of log-probabilities, of which a rollout has room, zeros (N,)."""
        generator, best = self.generators["actions"], self.model.greedy(obs, self.task_index)
        epsilon = self.epsilon(self.frame + self._step * self.num_actors * distributed.size())
        self._step += 1
        draws = torch.randint(self.model.bins.numel(), best.shape, generator=generator, device=best.device)
        explores = torch.rand(len(best), 1, generator=generator, device=best.device) < epsilon
        return self.model.bins[torch.where(explores, draws, best)], torch.zeros_like(obs[:, 0])

    @torch.no_grad()
    def targets(self, rollout: Rollout) -> Tensor:
        """Return Peng's Q(lambda) (n,): ``G_t = r_t + gamma ((1 - lambda) max_a Q(s_t+1, a) + lambda G_t+1)``.

        That is the lambda-return of the state values max_a Q(s, a), which :func:`.gae` gives less the value of the state.
        With lambda = 0 it is MTBench's equation 4.
        """
        values, following = evaluate_states(rollout, lambda inputs, task: self.model.max_values(inputs))
        shape = rollout.rewards.shape
        ahead = gae(
            rollout.rewards, values.view(shape), following.view(shape), rollout.dones, self.gamma, self.q_lambda
        )
        return ahead.flatten() + values

    def update(self, inputs: Tensor, chosen: Tensor, targets: Tensor, diagnose: bool = False) -> dict[str, Tensor]:
        """Take one optimizer step on a minibatch of K equal slices; return scalars to log.

        Args:
            inputs: (n, features + K).
            chosen: (n, M) indices of the bins taken.
            targets: (n,).
            diagnose: log how unequal the task gradients are; it changes none.
        """
        scalars: dict[str, Tensor] = {}

        def losses_of() -> Tensor:
            q = self.model.q_values(inputs, chosen)
            weight = self.minibatches.weight
            losses = 0.5 * (weight * (q - targets).square().view_as(weight)).sum(1)
            scalars["losses/c_loss"] = losses.detach().mean()
            scalars["info/q_value"] = (weight * q.detach().view_as(weight)).sum(1).mean()
            return losses

        side = self.sides["critic"]
        self.optimizers["critic"].zero_grad(set_to_none=True)
        matrix = side.backward(losses_of, diagnose)
        if diagnose and matrix is not None:
            scalars["balancing/critic_norm_spread"] = diagnostics.norm_spread(matrix)
            scalars["balancing/critic_mean_cosine"] = diagnostics.mean_cosine(matrix)
        scalars |= self.optimize("critic")
        scalars = dict(scalars)  # what follows may run the forward pass again
        side.after_step()
        return scalars
