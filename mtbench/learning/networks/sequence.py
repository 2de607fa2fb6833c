"""A causal transformer over returns, states and actions (Chen et al., 2021), with an optional prompt (Xu et al., 2022)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtbench.data.windows import Windows

Linear = Callable[[int, int], nn.Module]  #: (inputs, outputs) -> a linear layer
STD = 0.02  #: of initial weights, as in GPT-2


class TimeTable(nn.Module):
    """A learned vector for every step of an episode: (B, C) long -> (B, C, width)."""

    def __init__(self, steps: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(STD * torch.randn(steps, width))

    def forward(self, steps: Tensor) -> Tensor:
        return self.weight[steps.clamp_max(len(self.weight) - 1)]

    def task_gradients(self, inputs: Tensor, flow: Tensor, out: Sequence[Tensor]) -> None:
        """Write the per-task gradients, see :mod:`mtbench.learning.agents.gradients`: inputs (K, m, C), flow
        (K, m, C, width)."""
        tasks, (rows, width) = len(inputs), self.weight.shape
        index = inputs.clamp_max(rows - 1).flatten(1).unsqueeze(-1).expand(-1, -1, width)
        out[0].zero_()
        out[0].view(tasks, rows, width).scatter_add_(1, index, flow.flatten(1, 2))


class Tokens(nn.Module):
    """Windows -> interleaved tokens (B, 3 C, width): return, state and action of each step, each with its time.

    Without ``returns`` there are two a step, state and action.
    """

    def __init__(self, inputs: int, actions: int, width: int, max_steps: int, returns: bool = True) -> None:
        super().__init__()
        self.returns = nn.Linear(1, width) if returns else None
        self.states = nn.Linear(inputs, width)
        self.actions = nn.Linear(actions, width)
        self.time = TimeTable(max_steps, width)
        self.kinds = 3 if returns else 2

    def forward(self, windows: Windows) -> Tensor:
        time = self.time(windows.steps)
        kinds = [self.states(windows.features) + time, self.actions(windows.actions) + time]
        if self.returns is not None:
            kinds.insert(0, self.returns(windows.returns.unsqueeze(-1)) + time)
        return torch.stack(kinds, 2).flatten(1, 2)


class Block(nn.Module):
    """Attention and an MLP, each behind a LayerNorm and added to what comes in."""

    def __init__(self, width: int, heads: int, dropout: float, linear: Linear) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend, self.merge = linear(width, 3 * width), linear(width, width)
        self.expand, self.contract = linear(width, 4 * width), linear(4 * width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map (B, T, width); ``mask`` (B, 1, T, T) bool says who sees whom."""
        batch, length, width = x.shape
        shape = batch, length, 3, self.heads, width // self.heads
        query, key, value = self.attend(self.norm1(x)).view(shape).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        seen = F.scaled_dot_product_attention(query, key, value, mask, dropout)
        x = x + self._drop(self.merge(seen.transpose(1, 2).reshape(batch, length, width)))
        return x + self._drop(self.contract(F.relu(self.expand(self.norm2(x)))))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training) if self.dropout else x


class DecisionTransformer(nn.Module):
    """Actions from the past: at every step of a window, what is done in its state, seen the returns and states up to it and
    the actions before it.

    Args:
        inputs: numbers of a state.
        actions: numbers of an action.
        width, layers, heads: of the transformer.
        max_steps: of an episode.
        returns: whether it sees returns to go.
        prompt: steps of a prompt, which has embeddings of its own; 0: none.
        dropout: of attention, projections and embeddings.
        linear: makes the linear layers of the blocks.
    """

    def __init__(
        self,
        inputs: int,
        actions: int,
        width: int,
        layers: int,
        heads: int,
        max_steps: int,
        returns: bool = True,
        prompt: int = 0,
        dropout: float = 0.0,
        linear: Linear = nn.Linear,
    ) -> None:
        super().__init__()
        self.tokens = Tokens(inputs, actions, width, max_steps, returns)
        self.prompt = Tokens(inputs, actions, width, max_steps, returns) if prompt else None
        self.norm, self.last_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width, heads, dropout, linear) for _ in range(layers))
        self.head = nn.Linear(width, actions)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=STD)
                nn.init.zeros_(module.bias)

    def forward(self, windows: Windows, prompt: Windows | None = None) -> Tensor:
        """Actions (B, C, actions) in (-1, 1), for windows and, with a prompt, B of those."""
        x, valid = self.tokens(windows), windows.valid
        skipped = 0
        if self.prompt is not None:
            assert prompt is not None
            x, valid = torch.cat((self.prompt(prompt), x), 1), torch.cat((prompt.valid, valid), 1)
            skipped = self.prompt.kinds * prompt.valid.shape[1]
        mask = attention_mask(valid.repeat_interleave(self.tokens.kinds, 1))
        x = self.norm(x)
        for block in self.blocks:
            x = block(x, mask)
        states = self.last_norm(x)[:, skipped + self.tokens.kinds - 2 :: self.tokens.kinds]
        return self.head(states).tanh()


def attention_mask(valid: Tensor) -> Tensor:
    """(B, 1, T, T) bool: a token sees the valid ones up to itself, and itself, so that no row of padding is empty."""
    length = valid.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=valid.device).tril()
    itself = torch.eye(length, dtype=torch.bool, device=valid.device)
    return (causal & valid[:, None, :] | itself)[:, None]
