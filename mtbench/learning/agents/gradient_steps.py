"""Optimizer steps: gradients clipped as a whole or by side, and a step left out where they are not finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from mtbench.learning.agents.sides import Side
from mtbench.learning.networks.base import project


class GradientSteps:
    """Takes the steps of an agent's optimizers.

    Args:
        model: projected after each step, where its networks bound their parameters.
        optimizers: by name; filled by the agent.
        sides: by name; filled by the agent.
        device: of the networks.

    Attributes:
        counts: (2,) int64, steps since somebody set it to zero, and those left out.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizers: Mapping[str, torch.optim.Optimizer],
        sides: Mapping[str, Side],
        device: torch.device,
    ) -> None:
        self.model, self.optimizers, self.sides = model, optimizers, sides
        self.counts = torch.zeros(2, dtype=torch.long, device=device)

    def optimize(self, name: str, grad_norm: float | Mapping[str, float] | None) -> dict[str, Tensor]:
        """Clip the gradients that one optimizer sees, take its step and project what is bounded; return scalars to log.

        A step whose gradients are not finite is left out, and counted.

        Args:
            name: of the optimizer.
            grad_norm: the limit of their norm, one number for all of them or one a side; None: not clipped.
        """
        scalars, norms = {}, []
        if grad_norm is not None:
            for of, (parameters, limit) in self._limits(name, grad_norm).items():
                norms.append(torch.nn.utils.clip_grad_norm_(parameters, limit))
                scalars[f"info/{of}grad_norm"] = norms[-1]
                scalars[f"info/{of}grad_clip_fraction"] = (norms[-1] > limit).float()
        self.take_step(name, norms)
        project(self.model)
        return scalars

    def take_step(self, name: str, norms: Sequence[Tensor] = ()) -> None:
        """Take an optimizer's step, unless a gradient is not finite. ``norms``: of all of them, where they are known."""
        optimizer = self.optimizers[name]
        if not norms:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            norms = [torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])]
        bad = ~torch.stack(list(norms)).isfinite().all()
        self.counts += torch.stack((torch.ones_like(bad), bad))
        if optimizer.defaults.get("fused"):
            optimizer.found_inf = bad.float()  # type: ignore[attr-defined]  # a fused step looks at it on the device
            optimizer.step()
        elif not bool(bad):
            optimizer.step()

    def _limits(self, name: str, grad_norm: float | Mapping[str, float]) -> dict[str, tuple[list[nn.Parameter], float]]:
        """What of an optimizer shares a limit, and the limit, by the prefix it is logged under."""
        if isinstance(grad_norm, Mapping):
            sides = [name] if name in self.sides else list(self.sides)
            return {f"{side}_": (self.sides[side].parameters, float(grad_norm[side])) for side in sides}
        parameters = [p for group in self.optimizers[name].param_groups for p in group["params"]]
        return {"" if len(self.optimizers) == 1 else f"{name}_": (parameters, float(grad_norm))}
