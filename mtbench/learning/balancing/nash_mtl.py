"""Nash-MTL: multi-task learning as a bargaining game (Navon et al., 2022)."""

from __future__ import annotations

from torch import Tensor

from mtbench.schema import NotNegative

from .fairgrad import FairGrad
from .weighting import register


@register("nash_mtl")
class NashMTL(FairGrad):
    """Nash bargaining over the update, ``G w = 1/w``: FairGrad with ``alpha = 1`` (TOPPO paper, Remark C.1), whose solver it
    uses, with the direction, of norm ``sqrt(K)``, cut to ``max_norm`` as in the authors' release.

    Args:
        max_norm: longest direction; 0: any.
    """

    def __init__(self, max_norm: NotNegative = 1.0) -> None:
        super().__init__()
        if not max_norm >= 0:
            raise ValueError(f"Nash-MTL needs max_norm >= 0, got {max_norm}.")
        self.max_norm = max_norm

    def weights(self, gram: Tensor) -> Tensor:
        weights = super().weights(gram)
        if self.max_norm == 0:
            return weights
        norm = (weights @ gram @ weights).clamp_min(0.0).sqrt()
        return weights * (self.max_norm / norm).clamp_max(1.0)
