"""Equal weights."""

from __future__ import annotations

import torch
from torch import Tensor

from .weighting import Weighting, register


@register("mean")
class Mean(Weighting):
    """``w_i = 1 / K``: the plain average of the task gradients, which is what a joint loss over all tasks does."""

    def weights(self, gram: Tensor) -> Tensor:
        return torch.full_like(gram[0], 1.0 / gram.shape[0])
