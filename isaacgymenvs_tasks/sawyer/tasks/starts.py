"""What many resets compute. Arrays are (n, 3), (n, 2) or (n,)."""

from __future__ import annotations

import numpy as np

from isaacgymenvs_tasks.sawyer.scene import Scene

Arrays = dict[str, np.ndarray]


def at_height(xy: np.ndarray, z: np.ndarray | float) -> np.ndarray:
    """(n, 3) from the first two columns of ``xy`` and a height."""
    return np.column_stack((xy[:, :2], np.broadcast_to(z, len(xy))))


def span(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distance between points (n, 2 or 3)."""
    return np.linalg.norm(a - b, axis=1)


def lift(obj: np.ndarray, goal: np.ndarray, height: np.ndarray, by: float) -> Arrays:
    """V1's numbers for picking up: ``height`` of the object, ``lift`` to which it must rise, and ``far``, its way to the goal
    from there, to which V1 adds the lift itself."""
    top = height + by
    return {"height": height, "lift": top, "far": span(at_height(obj, top), goal) + top}


def put_free(scene: Scene, position: np.ndarray) -> None:
    """Set the free body behind the arm's and fingers' joints down, at rest but as it is turned."""
    scene.put(position, still=(9, 15))
