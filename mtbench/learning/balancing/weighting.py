"""The common face of all weightings and the registry they are found by."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from mtbench.learning.errors import unknown

REGISTRY: dict[str, type[Weighting]] = {}

W = TypeVar("W", bound="type[Weighting]")


class Weighting(ABC):
    """Chooses how much each task's gradient counts, from the Gram matrix alone.

    Calling it maps the Gram matrix ``G`` ``(K, K)`` of the per-task gradients to weights ``w`` ``(K,)``, float64 on the
    device of ``G``. The update direction is ``d = sum_i w_i g_i`` (:func:`~mtbench.learning.balancing.combine`).
    """

    def __call__(self, gram: Tensor) -> Tensor:
        if gram.ndim != 2 or gram.shape[0] != gram.shape[1] or gram.shape[0] == 0:
            raise ValueError(f"A Gram matrix is square, (K, K) with K >= 1; got {tuple(gram.shape)}.")
        return self.weights(gram.detach().to(torch.float64))

    @abstractmethod
    def weights(self, gram: Tensor) -> Tensor:
        """``(K, K)`` float64 -> ``(K,)`` float64 on the same device."""


def register(name: str) -> Callable[[W], W]:
    """Class decorator: make a :class:`Weighting` known to :func:`make_weighting` as ``name``."""

    def add(cls: W) -> W:
        if name in REGISTRY:
            raise ValueError(f"A weighting named '{name}' exists already: {REGISTRY[name].__name__}.")
        REGISTRY[name] = cls
        return cls

    return add


def make_weighting(name: str, *, generator: torch.Generator | None = None, **params: Any) -> Weighting:
    """The weighting registered as ``name``.

    ``generator`` is handed to weightings that draw random numbers and ignored by the others, so callers need not know
    which is which. ``params`` are the weighting's own parameters. Raises ``UserError`` for a name or a parameter that
    does not exist, saying which ones do.
    """
    if name not in REGISTRY:
        raise unknown("weighting", name, REGISTRY)
    cls = REGISTRY[name]
    accepted = set(inspect.signature(cls).parameters)
    if "generator" in accepted:
        params["generator"] = generator
    for param in params.keys() - accepted:
        raise unknown(f"parameter of weighting {name}", param, accepted - {"generator"})
    return cls(**params)
