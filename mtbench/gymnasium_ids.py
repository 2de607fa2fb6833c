"""Gymnasium's names of the benchmarks, which ``import mtbench`` registers.

    import gymnasium, mtbench
    envs = gymnasium.make_vec("mtbench/MT10-v1", num_envs=20)
    envs = gymnasium.make_vec("mtbench/MT1-v1", num_envs=20, task_name="pick-place")

Arguments are those of :class:`~isaacgymenvs_tasks.gymnasium_env.GymnasiumVectorEnv`. There are vector environments only:
``gymnasium.make`` has none to make.
"""

from __future__ import annotations

import gymnasium

TASK_SETS = (
    *("MT1", "MT10", "MT50", "MetaWorldMT1", "MetaWorldMT10", "MetaWorldMT25", "MetaWorldMT50"),
    *("ParkourFlat", "ParkourEasy", "ParkourHard", "ParkourHardCL"),
)


def register_all() -> None:
    """Register ``mtbench/<task set>-v1`` for every task set; what is registered already stays."""
    for name in TASK_SETS:
        id = f"mtbench/{name}-v1"
        if id not in gymnasium.registry:
            entry = "isaacgymenvs_tasks.gymnasium_env:GymnasiumVectorEnv"
            gymnasium.register(id, vector_entry_point=entry, kwargs={"task": name})
