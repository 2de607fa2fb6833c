"""Gram matrices that weightings have trouble with."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

from mtbench.learning.balancing import REGISTRY, LossWeighting, Weighting, make_weighting

KINDS = ("random", "conflicting", "ill-scaled", "rank-deficient")
#: What a scheme cannot do without.
PARAMETERS: dict[str, dict[str, Any]] = {"krum": {"n_byzantine": 1}}
GRAMIAN = sorted(name for name, cls in REGISTRY.items() if issubclass(cls, Weighting))
FROM_LOSSES = sorted(name for name, cls in REGISTRY.items() if issubclass(cls, LossWeighting))


def gradients_of(kind: str, num_tasks: int, seed: int) -> np.ndarray:
    """Task gradients ``(K, P)``: independent; with a negative mean cosine; with norms over six decades; in K / 2 dimensions,
    where some cancel."""
    rng = np.random.default_rng(seed)
    dimension = max(1, num_tasks // 2) if kind == "rank-deficient" else 20 * num_tasks
    gradients = rng.standard_normal((num_tasks, dimension))
    if kind == "conflicting":
        gradients -= 0.9 * gradients.mean(0)
    if kind == "ill-scaled":
        exponents = rng.permutation(np.linspace(-3, 3, num_tasks))
        gradients *= 10.0 ** exponents[:, None]
    return gradients


def gram_of(gradients: np.ndarray) -> torch.Tensor:
    """``(K, K)`` float64."""
    return torch.from_numpy(gradients @ gradients.T)


def scheme(name: str, seed: int = 0) -> Any:
    """A new weighting with whatever parameters it needs."""
    return make_weighting(name, generator=torch.Generator().manual_seed(seed), **PARAMETERS.get(name, {}))


@st.composite
def gradient_matrices(draw: st.DrawFn, singular: bool = False, least: int = 2) -> np.ndarray:
    """Linearly independent task gradients with norms over up to sixteen decades and a shared component.

    ``singular``: fewer dimensions than tasks instead, so that the Gram matrix is rank-deficient.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    num_tasks = draw(st.integers(least, 12))
    dimension = draw(st.integers(1, num_tasks - 1)) if singular else draw(st.integers(2 * num_tasks, 60))
    shared = draw(st.sampled_from([0.0, 0.3, 1.0]))
    decades = draw(st.floats(0, 8))
    gradients = rng.standard_normal((num_tasks, dimension)) + shared * rng.standard_normal(dimension)
    return gradients * 10 ** rng.uniform(-decades, decades, (num_tasks, 1))
