"""Isaac Gym's ``rlgpu``: tasks compiled from C++. There are none here; many clients import the module and never call it."""

from __future__ import annotations

from typing import Any, NoReturn


def create_task_cpu(*args: Any) -> NoReturn:
    """Refused.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError(
        "rlgpu has no tasks compiled from C++; create the client's task of Python (task_type=Python)"
    )


create_task_gpu = create_task_cpu
