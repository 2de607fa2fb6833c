"""A stand-in for a CUDA graph on the CPU: records the operations of a part and runs them again on the same memory; and the
random episodes on which recorded and eager steps are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

#: What makes a CPU wait for a GPU, or copies from one to the other.
WAITING = (
    "aten.nonzero",
    "aten._local_scalar_dense",
    "aten.is_nonzero",
    "aten.masked_select",
    "aten.equal.",
    "aten.unique",
    "aten.lift_fresh",
    "aten._assert_async",
)


class _Mode(TorchDispatchMode):
    """Keeps the operations it sees, those that wait, and how to undo what they write."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple, dict, Any]] = []
        self.waits: list[str] = []
        self.undo: list[tuple[Any, torch.Tensor]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        indices = args[1] if str(func).startswith(("aten.index.", "aten.index_put")) else ()
        if str(func).startswith(WAITING) or any(i is not None and i.dtype == torch.bool for i in indices):
            self.waits.append(str(func))
        for argument, value in zip(func._schema.arguments, args, strict=False):
            if argument.alias_info is not None and argument.alias_info.is_write:
                self.undo += [(t, t.clone()) for t in tree_leaves(value)]
        for value in kwargs.values():
            if isinstance(value, torch.Generator):
                self.undo.append((value, value.get_state()))
        out = func(*args, **kwargs)
        self.calls.append((func, args, kwargs, out))
        return out


@contextmanager
def no_waiting() -> Iterator[list[str]]:
    """The operations inside that would make the host wait for a GPU."""
    with _Mode() as mode:
        yield mode.waits


class EmulatedGraph:
    """Recording leaves no trace in memory that existed before; replaying runs tensor operations only, no Python."""

    def __init__(self) -> None:
        self._mode = _Mode()

    def rehearse(self) -> AbstractContextManager[list[str]]:
        return no_waiting()

    @contextmanager
    def record(self) -> Iterator[None]:
        try:
            with self._mode:
                yield
            assert not self._mode.waits, self._mode.waits
        finally:
            for target, value in reversed(self._mode.undo):
                if isinstance(target, torch.Generator):
                    target.set_state(value)
                else:
                    target.copy_(value)

    def replay(self) -> None:
        for func, args, kwargs, out in self._mode.calls:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(out), tree_leaves(again), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


def random_actions(env: Any, steps: int) -> list[torch.Tensor]:
    """The same for any environment of as many robots, (num_envs, 4) each."""
    generator = torch.Generator().manual_seed(5)
    return [2.0 * torch.rand(env.num_envs, 4, generator=generator) - 1.0 for _ in range(steps)]


def roll(env: Any, steps: int) -> list[torch.Tensor]:
    """Everything that a reset and so many steps of random actions return."""
    out = [env.reset()["obs"]]
    for action in random_actions(env, steps):
        obs, reward, done, extras = env.step(action)
        out += [obs["obs"], reward, done, extras["final_obs"], *extras["finished"].values()]
    return out
