"""Isaac Gym's ``gymtorch``: between the handles that ``gymapi`` passes and torch tensors, without a copy."""

from __future__ import annotations

from collections.abc import Sequence

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

    @property
    def data_ptr(self) -> int:
        """The address again; a capsule of C in Isaac Gym."""
        return self.values.data_ptr()

    @property
    def own_data(self) -> bool:
        """Whether the memory goes with the handle; here it is a torch tensor's."""
        return False


def wrap_tensor(
    gym_tensor: Tensor, offsets: Sequence[int] | None = None, counts: Sequence[int] | None = None
) -> torch.Tensor:
    """The torch tensor over a handle's memory; ``refresh_*`` fills it in place.

    Where there is nothing, as in the DOF states of actors without DOFs, it is None, as in Isaac Gym: clients ask for that.

    Args:
        offsets: where to begin along each dimension; None: at 0.
        counts: how many entries to take along each dimension; None: all that follow.

    Raises:
        TypeError: it is not a handle.
    """
    if not isinstance(gym_tensor, Tensor):
        raise TypeError(f"wrap_tensor takes what gym.acquire_*_tensor returns, not a {type(gym_tensor).__name__}")
    values = gym_tensor.values
    if not values.numel():
        return None  # type: ignore[return-value]
    for axis, start in enumerate(offsets or [0] * values.ndim):
        values = values.narrow(axis, start, counts[axis] if counts else values.shape[axis] - start)
    return values


def unwrap_tensor(tensor: torch.Tensor | Tensor) -> Tensor:
    """A handle over a torch tensor's memory, which must be contiguous. Gradients stay outside.

    Raises:
        TypeError: it is not a torch tensor.
        ValueError: it is not contiguous.
    """
    if isinstance(tensor, Tensor):
        return tensor
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(
            f"gymtorch.unwrap_tensor takes a torch tensor, not a {type(tensor).__name__}; torch.as_tensor makes one"
        )
    if not tensor.is_contiguous():
        raise ValueError("unwrap_tensor takes a contiguous tensor; call .contiguous() first")
    return Tensor(tensor.detach())
