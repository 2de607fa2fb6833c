"""Isaac Gym's ``gymtorch``: between the handles that ``gymapi`` passes and torch tensors, without a copy."""

from __future__ import annotations

import torch

#: ``from isaacgym.gymtorch import *`` must not replace a client's ``torch.Tensor``.
__all__ = ["torch", "unwrap_tensor", "wrap_tensor"]


class Tensor:
    """A handle to a buffer of the simulation."""

    def __init__(self, values: torch.Tensor) -> None:
        self.values = values

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape)

    @property
    def ndim(self) -> int:
        return self.values.ndim

    @property
    def dtype(self) -> torch.dtype:
        return self.values.dtype

    @property
    def device(self) -> torch.device:
        return self.values.device

    @property
    def data_address(self) -> int:
        return self.values.data_ptr()


def wrap_tensor(handle: Tensor) -> torch.Tensor:
    """The torch tensor over a handle's memory; ``refresh_*`` fills it in place."""
    return handle.values


def unwrap_tensor(tensor: torch.Tensor | Tensor) -> Tensor:
    """A handle over a torch tensor's memory, which must be contiguous."""
    if isinstance(tensor, Tensor):
        return tensor
    if not tensor.is_contiguous():
        raise ValueError("unwrap_tensor takes a contiguous tensor; call .contiguous() first")
    return Tensor(tensor)
