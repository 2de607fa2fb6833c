"""PPO that starts from a cloned policy and is reminded of it for a while."""

from __future__ import annotations

import torch
from torch import Tensor

from mtbench.data.windows import WindowSampler
from mtbench.learning.agents import settings as schema
from mtbench.learning.agents.mt_ppo import MTPPO
from mtbench.learning.agents.mtbc import clone_inputs, cloning_losses
from mtbench.learning.agents.rollout import Rollout, Targets
from mtbench.learning.errors import UserError
from mtbench.learning.offline.data_env import read_data


class MTPPOBC(MTPPO):
    """MT-PPO whose actor's losses have ``bc_coef`` times those of behaviour cloning, task by task, a coefficient that fades
    linearly to 0 over ``bc_frames`` frames; after that, and with ``bc_coef=0``, it is MT-PPO.

    Meant with ``pretrained=`` a run of MTBC: a new critic's first advantages would undo what was cloned.
    """

    name = "mt_ppo_bc"
    settings = schema.MTPPOBC

    def build(self) -> None:
        """Make what MT-PPO has, and the sampler."""
        super().build()
        self.sampler: WindowSampler | None = None
        if self.config["bc_coef"]:
            data = read_data(self.config["data"], self.config["env_config"]["task"], float(self.config["part"]))
            sizes = data.observations.shape[1] + self.num_tasks, data.actions.shape[1]
            if sizes != (self.model_config["num_obs"], self.model_config["num_actions"]):
                raise UserError(f"dataset '{data.path}' has other observations or actions than {self.config['name']}")
            self.sampler = WindowSampler(data, self._device)
        self._cloned = torch.zeros(0)

    @property
    def coefficient(self) -> float:
        """What cloning counts in this epoch."""
        left = 1.0 - self.frame / int(self.config["bc_frames"])
        return float(self.config["bc_coef"]) * max(left, 0.0)

    def policy_means(self, inputs: Tensor) -> Tensor:
        """Of a minibatch, after the demonstrations went through the actor with it: layers that run once have their task
        gradients in one product."""
        if self.sampler is None or not self.coefficient:
            return super().policy_means(inputs)
        per_task = int(self.config["bc_batch"])
        windows, _ = self.sampler.draw(per_task, 1, self.generators["minibatches"])
        task = torch.arange(self.num_tasks, device=self._device).repeat_interleave(per_task)
        shown = clone_inputs(self.model, windows, task)
        slices = [x.unflatten(0, (self.num_tasks, -1)) for x in (inputs, shown)]
        means = self.model.network.actor(torch.cat(slices, 1).flatten(0, 1)).unflatten(0, (self.num_tasks, -1))
        own, cloned = means.split([slices[0].shape[1], per_task], 1)
        self._cloned = cloning_losses(self.model, cloned.flatten(0, 1), windows)
        return own.flatten(0, 1)

    def actor_losses(
        self, mean: Tensor, rollout: Rollout, targets: Targets, rows: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See :meth:`.mt_ppo.MTPPO.actor_losses`."""
        losses, scalars = super().actor_losses(mean, rollout, targets, rows)
        if self.sampler is None or not self.coefficient:
            return losses, scalars
        return losses + self.coefficient * self._cloned, scalars | {"losses/bc_loss": self._cloned.detach().mean()}
