"""Every architecture in miniature."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtbench.learning.networks import ActorCritic, make_network

FEATURES, ACTIONS = 6, 3
TASKS = ("first", "second", "third", "fourth", "fifth")

_MLP = {"units": [16, 12], "activation": "elu"}
_MOORE = {
    "experts": 3, "layers": 3, "width": 16, "activation": "relu", "mixing": ["linear", "tanh"], "task_units": [8],
    "task_bias": False, "multi_head": False,
}  # fmt: skip
_CARE = {
    "experts": 3, "layers": 2, "width": 8, "temperature": 1.0, "attention_units": [10, 10], "context_units": [10, 8],
    "units": [16, 12], "activation": "relu", "multi_head": False,
}  # fmt: skip
_SOFT = {
    "modules": 2, "layers": 4, "width": 12, "activation": "relu", "state_units": [16, 16], "task_units": [8],
}  # fmt: skip

#: variant -> (name, settings of a side)
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "mlp": ("mlp", _MLP),
    "multihead": ("mlp", {**_MLP, "multi_head": True}),
    "embedding": ("mlp", {**_MLP, "task_embedding": 5}),
    "moore": ("moore", _MOORE),
    "moore-m": ("moore", {**_MOORE, "multi_head": True, "task_bias": True}),
    "care": ("care", _CARE),
    "care-m": ("care", {**_CARE, "multi_head": True}),
    "paco": ("paco", {"sets": 4, "layers": 3, "width": 12, "activation": "relu"}),
    "soft_modularization": ("soft_modularization", _SOFT),
    "simbav2": ("simbav2", {"width": 12, "blocks": 2}),
    "bro": ("bro", {"width": 12, "blocks": 2, "activation": "relu"}),
    "residual_mlp": ("residual_mlp", {"width": 12, "blocks": 2, "activation": "elu"}),
}


def write_embeddings(directory: Path, tasks: Sequence[str] = TASKS) -> str:
    """Write a file of random task embeddings, as ``embed_tasks`` does, and return its path."""
    path = directory / "embeddings.npz"
    vectors = np.random.default_rng(0).normal(size=(len(tasks), 7)).astype(np.float16)
    np.savez(path, names=list(tasks), vectors=vectors)
    return str(path)


def build(variant: str, directory: Path, layer_norm: bool = False, num_tasks: int = len(TASKS)) -> ActorCritic:
    """Build a variant; ``directory`` is for the embeddings that CARE reads."""
    name, settings = VARIANTS[variant]
    if name == "care":
        settings = {**settings, "tasks": TASKS[:num_tasks], "embeddings": write_embeddings(directory)}
    side = {**settings, "layer_norm": layer_norm and name != "simbav2"}
    return make_network(
        name, actor=side, critic=side, num_inputs=FEATURES + num_tasks, num_tasks=num_tasks, num_actions=ACTIONS
    )
