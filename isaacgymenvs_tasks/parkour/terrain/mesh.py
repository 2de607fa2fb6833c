"""A height map as a triangle mesh."""

from __future__ import annotations

import numpy as np


def triangle_mesh(
    heights: np.ndarray, horizontal_scale: float, vertical_scale: float, slope_threshold: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Two triangles between every four cells, with a vertex at the middle of each cell.

    A slope steeper than the threshold becomes a vertical wall, as with legged_gym: its lower vertex moves under the upper.

    Args:
        heights: (n, m), in units of ``vertical_scale``.
        horizontal_scale, vertical_scale: metres.
        slope_threshold: rise over run; None leaves slopes as they are.

    Returns:
        vertices (n m, 3) float32, metres, in the frame of the map's corner, and triangles (2 (n - 1)(m - 1), 3) uint32,
        counter-clockwise from above.
    """
    z = heights.astype(np.float32) * np.float32(vertical_scale)
    vertices = np.empty((*z.shape, 3), np.float32)
    vertices[..., 2] = z
    for axis, place in enumerate(np.ogrid[: z.shape[0], : z.shape[1]]):
        vertices[..., axis] = (place + 0.5) * horizontal_scale
    if slope_threshold is not None:
        vertices[..., :2] += np.float32(horizontal_scale) * _shifts(z, slope_threshold * horizontal_scale)
    index = np.arange(z.size, dtype=np.uint32).reshape(z.shape)
    near, left, ahead, across = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    triangles = np.stack((near, across, left, near, ahead, across), -1)
    return vertices.reshape(-1, 3), triangles.reshape(-1, 3)


def _shifts(z: np.ndarray, most: float) -> np.ndarray:
    """(n, m, 2): by how many cells, -1, 0 or 1, a vertex moves towards a neighbour that is higher by more than ``most``.

    A vertex with no such neighbour along x or y moves towards a diagonal one. One between two walls stays.
    """
    around = np.pad(z, 1, mode="edge")
    n, m = z.shape

    def wall(i: int, j: int) -> np.ndarray:
        return (around[1 + i : 1 + i + n, 1 + j : 1 + j + m] - z > most).astype(np.int8)

    ahead, behind, left, right = wall(1, 0), wall(-1, 0), wall(0, 1), wall(0, -1)
    alone = (ahead | behind | left | right) == 0
    a, b, c, d = (alone * wall(i, j) for i in (1, -1) for j in (1, -1))
    return np.stack((ahead - behind + np.clip(a + b - c - d, -1, 1), left - right + np.clip(a - b + c - d, -1, 1)), -1)
