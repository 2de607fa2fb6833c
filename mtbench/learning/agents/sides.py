"""One side of the agent, actor or critic: per-task losses in, ``.grad`` out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mtbench.learning import distributed
from mtbench.learning.agents.gradients import PerTaskTape, assign_flat
from mtbench.learning.balancing import LossWeighting, Mean, Weighting, combine, gram


class Side:
    """Aggregate the task gradients of one network by a weighting of their Gram matrix, or of the losses.

    With several ranks the per-task gradients (K, P) are averaged over them before the Gram matrix is formed: weights are
    not linear in the gradients, so this alone gives the weights and the update of one process with all samples. It sends
    K times the numbers of a plain average, which is what the mean sends. Losses that decide weights are averaged too.

    Args:
        network: the parameters that tasks share.
        owned: parameters whose rows belong to one task; they take their own gradient of the mean loss.
        weighting: Gram matrix or losses -> weights. The mean and weightings of losses need no Gram matrix and take one
            plain backward pass.

    Attributes:
        weights: (K,) of the last pass that was diagnosed or had a Gram matrix.
    """

    weights: Tensor

    def __init__(self, network: nn.Module, owned: Sequence[nn.Parameter], weighting: Weighting | LossWeighting) -> None:
        self.owned = list(owned)
        self.weighting = weighting
        self.plain = isinstance(weighting, Mean | LossWeighting)
        self.tape = PerTaskTape(network, self.owned)
        self._evaluate: tuple[Callable[[], Tensor], Tensor] | None = None

    @property
    def parameters(self) -> list[nn.Parameter]:
        """All that this side trains, shared and owned."""
        return [*self.tape.parameters, *self.owned]

    def backward(self, losses_of: Callable[[], Tensor], diagnose: bool = False) -> Tensor | None:
        """Run the forward pass ``losses_of`` -> (K,), set the gradients, and return the Gram matrix (K, K) if there is
        one.

        ``diagnose`` asks for the Gram matrix of plain backward passes too; the gradients set are the same with and without.
        """
        if self.plain and not diagnose:
            self._backward(losses_of, losses_of())
            return None
        with self.tape:
            losses = losses_of()
        gradients, owned = self.tape.gradients(losses, self.owned, retain_graph=self.plain)
        matrix = gram(distributed.average(gradients))
        if isinstance(self.weighting, Weighting):
            if self.weighting.wants_losses:
                self.weighting.see_losses(distributed.average(losses.detach().clone()))
            self.weights = self.weighting(matrix)
        if self.plain:
            self._backward(losses_of, losses)
        else:
            assign_flat(self.tape.parameters, combine(self.weights, gradients))
            for parameter, gradient in zip(self.owned, owned, strict=True):
                parameter.grad = distributed.average(gradient / losses.numel())
        return matrix

    def _backward(self, losses_of: Callable[[], Tensor], losses: Tensor) -> None:
        """Set the gradients by a single backward pass."""
        if isinstance(self.weighting, LossWeighting):
            self._backward_weighted(losses_of, losses, self.weighting)
        else:
            losses.mean().backward()
        if distributed.size() > 1:
            learned = [p for p in self.parameters if p.grad is not None]
            flat = torch.cat([p.grad.flatten() for p in learned if p.grad is not None])
            assign_flat(learned, distributed.average(flat))

    def _backward_weighted(self, losses_of: Callable[[], Tensor], losses: Tensor, weighting: LossWeighting) -> None:
        before = distributed.average(losses.detach().clone())
        # The owned parameters come after the network, so that their own backward pass is a short one.
        owned = torch.autograd.grad(losses.mean(), self.owned, retain_graph=True) if self.owned else ()
        self.weights = weighting(before)
        (self.weights @ losses).backward()
        for parameter, gradient in zip(self.owned, owned, strict=True):
            parameter.grad = gradient
        if weighting.wants_step:
            self._evaluate = losses_of, before

    @torch.no_grad()
    def after_step(self) -> None:
        """Show the weighting what the optimizer step did to the losses of this minibatch, if it wants to know."""
        if self._evaluate is not None:
            assert isinstance(self.weighting, LossWeighting)
            losses_of, before = self._evaluate
            self.weighting.after_step(before, distributed.average(losses_of()))
            self._evaluate = None

    def after_epoch(self) -> None:
        """Tell the weighting that a rollout has been learned from."""
        if isinstance(self.weighting, LossWeighting):
            self.weighting.after_epoch()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the weighting, and whose it is."""
        return {"scheme": type(self.weighting).__name__, "state": self.weighting.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`; a weighting of another kind starts anew."""
        if state["scheme"] == type(self.weighting).__name__ and state["state"]:
            self.weighting.load_state_dict(state["state"])
