"""Descriptors of tensors, which do not keep them alive."""

import weakref
from typing import Any

import torch


class Descriptor:
    def __init__(self, tensor: torch.Tensor) -> None:
        owner = tensor if tensor._base is None else tensor._base
        self._owner, self._where = weakref.ref(owner), (tensor.data_ptr(), tensor.shape, tensor.dtype)
        self._view = (tensor.size(), tensor.stride(), tensor.storage_offset())

    def read(self) -> torch.Tensor:
        """A copy of what is there now."""
        owner = self._owner()
        assert owner is not None, "the tensor was garbage-collected before the call"
        return owner.as_strided(*self._view).detach().clone()


def wrap_tensor(gym_tensor: Any) -> torch.Tensor:
    return gym_tensor.buffer


def unwrap_tensor(torch_tensor: torch.Tensor) -> Descriptor:
    assert isinstance(torch_tensor, torch.Tensor), f"unwrap_tensor takes a torch tensor, not {type(torch_tensor)}"
    assert torch_tensor.is_contiguous(), "unwrap_tensor takes a contiguous tensor"
    return Descriptor(torch_tensor)
