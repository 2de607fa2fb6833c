"""One side of the agent, actor or critic: per-task losses in, ``.grad`` out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from mtbench.learning import distributed
from mtbench.learning.agents.gradients import PerTaskTape, assign_flat
from mtbench.learning.balancing import Mean, Weighting, combine, gram


class Side:
    """Aggregate the task gradients of one network by a weighting of their Gram matrix.

    With several ranks the per-task gradients (K, P) are averaged over them before the Gram matrix is formed: weights are
    not linear in the gradients, so this alone gives the weights and the update of one process with all samples. It sends
    K times the numbers of a plain average, which is what the mean sends.

    Args:
        network: the parameters that tasks share.
        owned: parameters whose rows belong to one task; they take their own gradient of the mean loss.
        weighting: Gram matrix -> weights. The mean needs no Gram matrix and takes one plain backward pass.

    Attributes:
        weights: (K,) of the last pass that had a Gram matrix.
    """

    weights: Tensor

    def __init__(self, network: nn.Module, owned: Sequence[nn.Parameter], weighting: Weighting) -> None:
        self.owned = list(owned)
        self.weighting = weighting
        self.plain = isinstance(weighting, Mean)
        self.tape = PerTaskTape(network, self.owned)

    def backward(self, losses_of: Callable[[], Tensor], diagnose: bool = False) -> Tensor | None:
        """Run the forward pass ``losses_of`` -> (K,), set the gradients, and return the Gram matrix (K, K) if there is
        one.

        ``diagnose`` asks for the Gram matrix of plain means too; the gradients set are the same with and without.
        """
        if self.plain and not diagnose:
            losses_of().mean().backward()
            self._average_over_ranks()
            return None
        with self.tape:
            losses = losses_of()
        gradients, owned = self.tape.gradients(losses, self.owned, retain_graph=self.plain)
        matrix = gram(distributed.average(gradients))
        self.weights = self.weighting(matrix)
        if self.plain:
            losses.mean().backward()
            self._average_over_ranks()
            return matrix
        assign_flat(self.tape.parameters, combine(self.weights, gradients))
        for parameter, gradient in zip(self.owned, owned, strict=True):
            parameter.grad = distributed.average(gradient / losses.numel())
        return matrix

    def _average_over_ranks(self) -> None:
        if distributed.size() == 1:
            return
        learned = [p for p in (*self.tape.parameters, *self.owned) if p.grad is not None]
        flat = torch.cat([p.grad.flatten() for p in learned if p.grad is not None])
        assign_flat(learned, distributed.average(flat))
