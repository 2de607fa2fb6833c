"""A transformer over returns, states and actions as a policy that remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtbench.data.windows import Windows
from mtbench.learning.networks.masked import MaskedLinear
from mtbench.learning.networks.model import PolicyModel
from mtbench.learning.networks.sequence import DecisionTransformer


@dataclass
class History:
    """What N environments did last: windows (N, C, ...), the newest step on the right, and what return is still wanted."""

    windows: Windows
    returns: Tensor  #: (N,) raw
    begun: Tensor  #: (N,) bool: the next state begins an episode


class SequenceModel(PolicyModel):
    """Acts on the last ``context`` steps of an episode, wanting the return that is its target minus what was earned.

    It is told rewards and beginnings by :meth:`observe`. Rows that begin forget what was before. Its memory is no part of a
    checkpoint: episodes begin anew with it.

    Args:
        num_obs: features + K.
        num_tasks: K.
        num_actions: size of an action.
        network: ``context`` C; ``prompt`` L; ``task_id``, whether states have the one-hot; ``return_scale``, what returns are
            divided by; ``masked``, whether tasks have masks; the others are of :class:`~.sequence.DecisionTransformer`.
        normalize_input: of the features, see :class:`~.model.PolicyModel`.

    Attributes:
        target: (K,) return wanted of an episode.
        prompt: one of each task, K windows of L steps, set by :meth:`set_prompts`.
    """

    target: Tensor

    def __init__(
        self, num_obs: int, num_tasks: int, num_actions: int, network: Mapping[str, Any], normalize_input: bool | str
    ) -> None:
        super().__init__(num_obs, num_tasks, num_actions, network, normalize_input)
        settings = dict(network)
        self.context, self.task_id = int(settings.pop("context")), bool(settings.pop("task_id"))
        self.return_scale = float(settings.pop("return_scale"))
        self.masked = bool(settings.pop("masked", False))
        self.features, self.num_actions = num_obs - num_tasks, num_actions
        linear = partial(MaskedLinear, num_tasks) if self.masked else nn.Linear
        inputs = num_obs if self.task_id else self.features
        self.network = DecisionTransformer(inputs, num_actions, linear=linear, **settings)
        self.register_buffer("target", torch.zeros(num_tasks))
        length = int(settings["prompt"])
        for name, part in self._empty(num_tasks, length)._asdict().items():
            self.register_buffer(f"prompt_{name}", part)
        self._history: History | None = None

    @property
    def prompt(self) -> Windows:
        """The prompt of each task."""
        return Windows(*(getattr(self, f"prompt_{name}") for name in Windows._fields))

    def set_prompts(self, prompts: Windows) -> None:
        """Show tasks by these K windows of L steps."""
        for name, part in prompts._asdict().items():
            getattr(self, f"prompt_{name}").copy_(part)

    def forward(self, windows: Windows, prompt: Windows, task: Tensor) -> Tensor:
        """Actions (B, C, actions) for raw windows and prompts of tasks (B,); with masks, K equal slices in task order."""
        shown = self._inputs(prompt, task) if self.network.prompt is not None else None
        return self.network(self._inputs(windows, task), shown)

    def _inputs(self, windows: Windows, task: Tensor) -> Windows:
        """Raw windows (B, C, ...) in the network's units."""
        batch, length, _ = windows.features.shape
        ids = task.repeat_interleave(length)
        obs = torch.cat((windows.features.flatten(0, 1), F.one_hot(ids, self.num_tasks).float()), 1)
        states = self.normalize_obs(obs, ids)
        states = states if self.task_id else states[:, : self.features]
        return windows._replace(returns=windows.returns / self.return_scale, features=states.view(batch, length, -1))

    def observe(self, rewards: Tensor, begun: Tensor) -> None:
        """See :meth:`.model.PolicyModel.observe`."""
        history = self._history
        if history is None or len(history.begun) != len(begun):
            self._history = None  # act() begins everywhere
            return
        history.returns = history.returns - rewards.to(history.returns)
        history.begun = begun.to(history.begun.device)

    @torch.no_grad()
    def act(self, obs: Tensor, task: Tensor) -> Tensor:
        """The action after what was observed so far, in the action space."""
        history = self._remember(obs, task)
        prompt = Windows(*(part[task] for part in self.prompt))
        training = self.training
        self.eval()
        actions = self._in_slices(history.windows, prompt, task)[:, -1]
        self.train(training)
        history.windows.actions[:, -1] = actions
        return actions

    def _remember(self, obs: Tensor, task: Tensor) -> History:
        """Put states in, after forgetting the past where an episode begins."""
        history = self._history
        if history is None or len(history.begun) != len(obs):
            empty = self._empty(len(obs), self.context, obs.device)
            begun = torch.ones(len(obs), dtype=torch.bool, device=obs.device)
            history = self._history = History(empty, torch.zeros(len(obs), device=obs.device), begun)
        begun, old = history.begun, history.windows
        history.returns = torch.where(begun, self.target[task], history.returns)
        step = torch.where(begun, 0, old.steps[:, -1] + 1)
        newest = Windows(
            history.returns,
            obs[:, : self.features],
            obs.new_zeros(len(obs), self.num_actions),
            step,
            torch.ones_like(begun),
        )
        parts = []
        for past, now in zip(old, newest, strict=True):
            rows = begun.view(-1, *[1] * (past.ndim - 1))
            kept = torch.where(rows, torch.zeros((), dtype=past.dtype, device=past.device), past[:, 1:])
            parts.append(torch.cat((kept, now.unsqueeze(1)), 1))
        history.windows = Windows(*parts)
        history.begun = torch.zeros_like(begun)
        return history

    def _in_slices(self, windows: Windows, prompt: Windows, task: Tensor) -> Tensor:
        """:meth:`forward` for rows in any order: with masks, they are put into K equal slices and back."""
        if not self.masked:
            return self(windows, prompt, task)
        counts = torch.bincount(task, minlength=self.num_tasks)
        width = int(counts.max())
        column = torch.arange(width, device=task.device)
        place = (counts.cumsum(0) - counts)[:, None] + column
        rows = task.argsort(stable=True)[place.clamp_max(len(task) - 1)].flatten()  # what is past a count is not used
        ids = torch.arange(self.num_tasks, device=task.device).repeat_interleave(width)
        out = self(*(Windows(*(part[rows] for part in each)) for each in (windows, prompt)), ids)
        used = (column < counts[:, None]).flatten()
        result = out.new_empty(len(task), *out.shape[1:])
        result[rows[used]] = out[used]
        return result

    def _empty(self, rows: int, length: int, device: torch.device | None = None) -> Windows:
        """Windows of padding."""
        return Windows(
            torch.zeros(rows, length, device=device),
            torch.zeros(rows, length, self.features, device=device),
            torch.zeros(rows, length, self.num_actions, device=device),
            torch.zeros(rows, length, dtype=torch.long, device=device),
            torch.zeros(rows, length, dtype=torch.bool, device=device),
        )
