"""What rewards see of the batch, cut into blocks of neighbouring environments once instead of in every step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


class Columns:
    """Tensors over the batch with addresses of their own, so that views of them last: to cut fourteen of them into fifty
    parts takes milliseconds.

    Args:
        columns: (num_envs, ...) by name; they are copied.
    """

    def __init__(self, columns: Mapping[str, Tensor]) -> None:
        self._columns = {
            name: torch.empty(values.shape, dtype=values.dtype, device=values.device)
            for name, values in columns.items()
        }
        self.fill(columns)

    def __getitem__(self, name: str) -> Tensor:
        return self._columns[name]

    @torch.inference_mode()
    def fill(self, columns: Mapping[str, Tensor]) -> None:
        """Take over the values of this moment."""
        for name, values in columns.items():
            self._columns[name].copy_(values)

    def parts(self, counts: Sequence[int], but: str = "") -> list[dict[str, Tensor]]:
        """Views of the columns (all ``but`` one), by block: ``counts`` environments each."""
        columns = {name: values for name, values in self._columns.items() if name != but}
        split = [values.split(list(counts)) for values in columns.values()]
        return [dict(zip(columns, rows, strict=True)) for rows in zip(*split, strict=True)]
