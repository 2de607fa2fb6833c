"""Height fields and triangle meshes: things rest on them where they should, whole or through a window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isaacgymenvs_tasks.parkour.terrain import triangle_mesh
from mtbench.sim import gymapi
from mtbench.sim.ground import HeightMap, from_triangles
from tests.sim.world import World

RADIUS = 0.1


def samples(n: int = 60, m: int = 40) -> np.ndarray:
    """A hill whose height says where you are: (n, m) int16, units of 5 mm, x slow."""
    x, y = np.mgrid[:n, :m]
    return np.rint((0.2 * x / n + 0.5 * y / m + 0.2) / 0.005).astype(np.int16)


def field(heights: np.ndarray, x: float = 0.0, y: float = 0.0) -> gymapi.HeightFieldParams:
    params = gymapi.HeightFieldParams()
    params.nbColumns, params.nbRows = heights.shape
    params.column_scale, params.row_scale, params.vertical_scale = 0.1, 0.2, 0.005
    params.transform.p = gymapi.Vec3(x, y, -0.3)
    return params


def mesh(vertices: np.ndarray, triangles: np.ndarray) -> gymapi.TriangleMeshParams:
    params = gymapi.TriangleMeshParams()
    params.nb_vertices, params.nb_triangles = len(vertices), len(triangles)
    return params


@pytest.mark.parametrize("kind", ["heights", "window", "triangles"])
def test_a_ball_rests_on_the_ground(tmp_path: Path, kind: str) -> None:
    world = World(tmp_path, dt=0.005)
    heights = samples()
    places = torch.tensor([(-1.5, 2.0), (1.0, 6.1), (3.5, 0.5)])
    if kind == "triangles":
        vertices, triangles = triangle_mesh(heights, 0.1, 0.005)
        vertices[:, 1] *= 2.0
        vertices -= np.array([0.05 + 2.0, 0.1 + 0.0, 0.3], np.float32)
        world.gym.add_triangle_mesh(world.sim, vertices.ravel(), triangles.ravel(), mesh(vertices, triangles))
    else:
        world.gym.add_heightfield(world.sim, heights.ravel(), field(heights, x=-2.0))
    ball = world.gym.create_sphere(world.sim, RADIUS, world.options())
    heights_there, slope = ground_below(heights, places)
    for (x, y), z in zip(places.tolist(), heights_there.tolist(), strict=True):
        env = world.env((ball, (x, y, z + RADIUS + 0.02)))
        if kind == "window":
            world.gym.set_env_ground(env, x - 1.0, y - 1.0, 2.0, 2.0)
    world.prepare()
    world.step(60)
    gap = world.root[:, 2] - ground_below(heights, world.root)[0] - RADIUS / slope
    assert gap.abs().max() < 0.004
    assert (world.root[:, :2] - places).norm(dim=1).max() < 0.1  # it begins to roll


def ground_below(heights: np.ndarray, root: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Height of the (nearly plane) hill below, and the cosine of its slope."""
    n, m = heights.shape
    x, y = (root[:, 0] + 2.0) / 0.1, root[:, 1] / 0.2
    rise = np.array([0.2 / n / 0.1, 0.5 / m / 0.2])
    return 0.2 * x / n + 0.5 * y / m + 0.2 - 0.3, float(1 / np.sqrt(1 + (rise**2).sum()))


def test_windows_share_one_structure_and_hold_their_part(tmp_path: Path) -> None:
    world = World(tmp_path)
    heights = np.random.default_rng(0).integers(-40, 40, (60, 40)).astype(np.int16)
    world.gym.add_heightfield(world.sim, heights.ravel(), field(heights))
    ball = world.gym.create_sphere(world.sim, RADIUS, world.options())
    corners = [(0.0, 0.0), (1.0, 2.0), (5.0, 7.0)]  # the last one reaches over the edge: its part moves inwards
    for x, y in corners:
        world.gym.set_env_ground(world.env((ball, (x, y, 1.0))), x, y, 1.5, 2.0)
    world.prepare()
    assert len({env.structure() for env in world.sim.envs}) == 1
    for k, (i, j) in enumerate([(0, 0), (10, 10), (44, 29)]):
        model, _ = world.sim.inspect(k)
        assert (model.hfield_ncol[0], model.hfield_nrow[0]) == (16, 11)
        rx, ry, span, _ = model.hfield_size[0]
        stored = model.hfield_data.reshape(11, 16).T * span + model.geom_pos[0, 2]
        np.testing.assert_allclose(stored, 0.005 * heights[i : i + 16, j : j + 11] - 0.3, atol=1e-5)
        np.testing.assert_allclose(model.geom_pos[0, :2], [0.1 * i + rx, 0.2 * j + ry], atol=1e-6)
    with pytest.raises(RuntimeError, match="after prepare_sim"):
        world.gym.set_env_ground(world.sim.envs[0], 0.0, 0.0, 1.0, 1.0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_triangles_are_measured_exactly(seed: int) -> None:
    """Random triangles, small and large, against the plane of the highest one over each point."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 1, (6, 3, 3)) * [1.0, 1.0, 0.5]
    corners[3:] = corners[3:, :1] + 0.08 * (corners[3:] - corners[3:, :1])
    vertices = corners.reshape(-1, 3).astype(np.float32)
    found = from_triangles(vertices, np.arange(18).reshape(6, 3), gymapi.Transform(), 1.0)
    low = vertices.min(0)
    for i in range(found.heights.shape[0]):
        for j in range(found.heights.shape[1]):
            p = low[:2] + 0.05 * np.array([i, j])
            best, sure = float(low[2]), True
            for a, b, c in vertices.reshape(6, 3, 3).astype(float):
                u, v = np.linalg.solve(np.stack((b - a, c - a), 1)[:2], p - a[:2])
                sure &= min(abs(u), abs(v), abs(1 - u - v)) > 1e-4
                if min(u, v, 1 - u - v) >= 0:
                    best = max(best, a[2] + u * (b - a)[2] + v * (c - a)[2])
            if sure:
                assert abs(found.heights[i, j] - best) < 1e-4


def test_what_cannot_be_a_ground_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    heights = samples()
    with pytest.raises(ValueError, match="60 columns and 40 rows cannot have 7"):
        world.gym.add_heightfield(world.sim, heights.ravel()[:7], field(heights))
    turned = field(heights)
    turned.transform.r = gymapi.Quat(0.0, 0.0, 0.5, 1.0)
    with pytest.raises(ValueError, match="not turn it"):
        world.gym.add_heightfield(world.sim, heights.ravel(), turned)
    wall = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    with pytest.raises(ValueError, match="seen from above"):
        world.gym.add_triangle_mesh(world.sim, wall.ravel(), np.arange(3, dtype=np.uint32), mesh(wall, wall))
    assert HeightMap(np.zeros((3, 3), np.float32), (0, 0, 0), (1, 1), 1.0).span[1] > 0
