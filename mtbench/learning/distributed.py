"""Several processes that learn as one: rl-games' ``multi_gpu`` under ``torchrun``.

Every process (rank) simulates environments of its own with seeds of its own; networks, optimizer, normalizers and
schedules stay identical on all, because everything they are updated with is summed over the ranks first. In a process that
was not started as one of several, every function here is the identity, so that callers need not ask.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")

#: Others wait while rank 0 evaluates, and while it compiles kernels for that.
_PATIENCE = timedelta(hours=2)
_group: dist.ProcessGroup | None = None


def local_rank() -> int:
    """Number of this process on its machine, which is the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def start() -> None:
    """Meet the other processes: gloo for tensors on a CPU, NCCL for those on a GPU."""
    global _group
    backend = "cpu:gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank() % torch.cuda.device_count())
        backend += ",cuda:nccl"
    dist.init_process_group(backend, timeout=_PATIENCE)
    _group = dist.group.WORLD


def stop() -> None:
    """Part from the other processes."""
    global _group
    if _group is not None:
        dist.destroy_process_group()
        _group = None


def rank() -> int:
    """Number of this process; rank 0 evaluates, prints and writes."""
    return 0 if _group is None else dist.get_rank(_group)


def size() -> int:
    """Number of processes."""
    return 1 if _group is None else dist.get_world_size(_group)


def total(values: Tensor) -> Tensor:
    """Sum over the ranks, in place; bit for bit the same on all."""
    if _group is not None:
        dist.all_reduce(values, group=_group)
    return values


def average(values: Tensor) -> Tensor:
    """Mean over the ranks, in place."""
    return values if _group is None else total(values).div_(size())


def largest(values: Tensor) -> Tensor:
    """Entry by entry the largest over the ranks, in place."""
    if _group is not None:
        dist.all_reduce(values, dist.ReduceOp.MAX, group=_group)
    return values


def any_rank(flag: bool) -> bool:
    """Whether ``flag`` is set on any rank. It travels between CPUs: no device waits for it."""
    return bool(total(torch.tensor(float(flag))))


def share(tensors: Iterable[Tensor]) -> None:
    """Overwrite tensors with those of rank 0."""
    if _group is not None:
        for tensor in tensors:
            dist.broadcast(tensor, 0, group=_group)


def from_first(value: T) -> T:
    """The plain value that rank 0 has."""
    values = [value]
    if _group is not None:
        dist.broadcast_object_list(values, 0, group=_group, device=torch.device("cpu"))
    return values[0]


def collect(state: Any) -> list[Any]:
    """On rank 0 the states of all ranks in their order, elsewhere an empty list. They travel by way of CPUs."""
    if _group is None:
        return [state]
    states: list[Any] | None = [None] * size() if rank() == 0 else None
    dist.gather_object(_to_cpu(state), states, group=_group)
    return states or []


def _to_cpu(state: Any) -> Any:
    if isinstance(state, Tensor):
        return state.cpu()
    if isinstance(state, dict):
        return {key: _to_cpu(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(_to_cpu(value) for value in state)
    return state
