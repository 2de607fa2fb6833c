"""Decision transformers over many tasks: MTDT, Prompt-DT, and HarmoDT with a mask for every task."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mtbench.data.windows import Windows
from mtbench.learning.agents import settings as schema
from mtbench.learning.agents.gradients import PerTaskTape
from mtbench.learning.agents.offline import Offline
from mtbench.learning.errors import UserError
from mtbench.learning.networks.masked import get_masks, masked_layers, put_masks, set_masking
from mtbench.learning.networks.sequence_model import SequenceModel
from mtbench.learning.offline import harmony


class DecisionTransformerAgent(Offline):
    """Predict actions from the steps before and the return that followed (Chen et al., 2021): with the task's one-hot in the
    state, MTDT; with a prompt instead, ``prompt`` last steps of another good trajectory of the task, Prompt-DT (Xu et al.,
    2022).

    An episode is acted in with the task's ``target_quantile`` of returns times ``target_factor`` as wanted return, and with
    the prompt of its best trajectory. In training, prompts are of the best ``prompt_share`` of trajectories, and never of
    the one the window is of. (The authors' released code prompts training windows with their own trajectory.)
    ``cfg/train/MTDT.yaml`` lists the parameters.
    """

    name = "decision_transformer"
    settings: ClassVar[type[schema.Learner]] = schema.DecisionTransformer
    model_class = SequenceModel
    model: SequenceModel

    @property
    def policy_network(self) -> nn.Module:
        """The transformer."""
        return self.model.network

    def build(self) -> None:
        """Make sampler, optimizer, targets and prompts."""
        self.context = self.model.context
        super().build()
        here, data = self.config["env_config"]["task"]["env"], self.data.about
        for key, name in (("reward", "reward"), ("episode_length", "episodeLength")):
            if key in data and here.get(name, data[key]) != data[key]:
                raise UserError(
                    f"dataset '{self.config['data']}' has returns of {name}={data[key]}, and what is asked for them would be "
                    f"evaluated with {name}={here[name]}; choose the dataset's, or train=MTBC, which learns without returns"
                )
        quantile, factor = float(self.config["target_quantile"]), float(self.config["target_factor"])
        for k, name in enumerate(self.task_names):
            returns = torch.from_numpy(self.data.of_task(name)["return"].copy())
            self.model.target[k] = factor * returns.quantile(quantile)
        self.pool = self.sampler.best(float(self.config["prompt_share"]))
        self.model.set_prompts(self._prompts(torch.arange(self.num_tasks), self.pool[:, 0]))

    def _prompts(self, task: Tensor, episode: Tensor) -> Windows:
        """The last L steps of these tasks' (B,) episodes (B,)."""
        last = self.sampler.lengths[task, episode] - 1
        length = self.model.prompt.steps.shape[1]
        return self.sampler.at(task, episode, last, length)

    def draw(self) -> tuple[Windows, Tensor, Windows]:  # type: ignore[override]
        """Windows, their episodes, and prompts for them."""
        windows, episode = super().draw()
        generator = self.generators["minibatches"]
        task, width = self.task.cpu(), self.pool.shape[1]
        own = self.pool[task] == episode[:, None]
        keys = torch.zeros(own.shape)
        if width > 1:
            keys = torch.rand(own.shape, generator=generator, device=generator.device).cpu() + 2.0 * own
        prompt = self.pool[task, keys.argmin(1)]
        return windows, episode, self._prompts(task, prompt)

    def losses(self, batch: Any) -> Tensor:
        """Mean squared error of the actions of all steps that are no padding."""
        windows, _, prompt = batch
        error = (self.model(windows, prompt, self.task) - windows.actions).square().mean(-1)
        return self.per_task_mean(error, windows.valid.float())


class HarmoDT(DecisionTransformerAgent):
    """Prompt-DT in which task i uses the weights of the transformer's layers that its mask has, of which every
    ``harmony.interval`` updates some are exchanged; see :mod:`mtbench.learning.offline.harmony`.

    ``harmony.variant``: ``F`` (Fisher information) and ``M`` (magnitude) say what is important; ``R`` leaves the random masks
    as they are, a control (the paper has it, its released code does not). The whole training exchanges ``harmony.exchanged``
    of the weights of a task.
    """

    name = "harmo_dt"
    settings = schema.HarmoDT

    def build(self) -> None:
        """Draw the masks, and make what compares gradients."""
        super().build()
        network, settings = self.model.network, self.config["harmony"]
        layers = masked_layers(network)
        if not self.config["pretrained"]:
            generator = torch.Generator().manual_seed(int(self.generators["balancing"].initial_seed()))
            put_masks(network, harmony.random_masks(layers, float(settings["density"]), generator))
        self.tape = PerTaskTape(nn.ModuleList(layers))
        limits = [self.config["max_frames"], (self.config["max_epochs"] or 0) * self.frames_per_epoch or None]
        frames = min((limit for limit in limits if limit is not None), default=0)
        self.total_updates = max(frames // self.batch_size, 1)
        interval = int(settings["interval"])
        size = sum(layer.weight.numel() for layer in layers)
        # the cosine's mean is a half
        self.most = 2.0 * float(settings["exchanged"]) * size / max(self.total_updates // interval, 1)

    def before_update(self) -> None:
        """Exchange weights if it is time."""
        settings = self.config["harmony"]
        if settings["variant"] == "R" or self.updates == 0 or self.updates % int(settings["interval"]):
            return
        count = harmony.swaps(min(self.updates / self.total_updates, 1.0), self.most)
        if count:
            self.exchange(count)

    def exchange(self, count: int) -> None:
        """Let every mask give up and take ``count`` weights."""
        network, settings = self.model.network, self.config["harmony"]
        batch, training = self.draw(), self.model.training
        self.model.eval()
        masked, unmasked = self._gradients(batch, True), self._gradients(batch, False)
        self.model.train(training)
        weights = torch.cat([layer.weight.detach().flatten() for layer in masked_layers(network)])
        matter = harmony.importance(settings["variant"], masked, weights)
        scores = harmony.harmony(masked, matter, float(settings["weight"]))
        put_masks(network, harmony.update_masks(get_masks(network), scores, unmasked, count))

    def _gradients(self, batch: tuple[Windows, Tensor, Windows], masking: bool) -> Tensor:
        """Each task's gradient of the masked layers' weights (K, P), with masks or without."""
        set_masking(self.model.network, masking)
        with self.tape:
            losses = self.losses(batch)
        gradients, _ = self.tape.gradients(losses)
        set_masking(self.model.network, True)
        parts = gradients.split([p.numel() for p in self.tape.parameters], 1)
        return torch.cat([part for part, p in zip(parts, self.tape.parameters, strict=True) if p.ndim == 2], 1)
