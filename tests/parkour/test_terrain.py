"""Terrains: every family can be passed at every difficulty, by a checker that knows what cannot; the grid, mesh and blocks
made of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isaacgymenvs_tasks.parkour.terrain import TERRAINS, Limits, TerrainSpec, Tile, blocks, build, sheet, triangle_mesh
from isaacgymenvs_tasks.parkour.terrain.feasibility import problems
from isaacgymenvs_tasks.parkour.terrain.tile import CELL, MIDDLE, NUM_GOALS, PIT, SHAPE

# x of the last goal at MTBench's levels 0 and 9, from running its generators. agility_poles leaves the tile at level 0.
LAST_GOAL = {
    "jump_on_and_off_box": (15.7, 14.5),
    "forward_ramp_lips": (13.7, 13.7),
    "sphere_bump_lips": (17.0, 13.8),
    "forward_ramp_no_lips": (10.5, 10.8),
    "flush_a_frame": (14.4, 14.1),
    "sphere_bump": (16.6, 13.8),
    "box_jump_even": (10.8, 11.7),
    "box_jump_uneven": (12.1, 12.4),
    "flat_circle_jump": (8.1, 12.9),
    "bump_jump": (9.7, 11.6),
    "sideways_ramp": (10.2, 11.1),
    "stepping_stones_cylinder": (6.3, 5.7),
    "stepping_stones_randomly_arranged": (6.7, 6.4),
    "staircase_walking_full_width": (15.75, 13.0),
    "staircase_walking": (5.5, 5.2),
    "staircase_climbing": (11.5, 11.2),
    "staircase_spiral": (5.1, 5.4),
    "squeeze": (8.0, 9.8),
    "agility_poles": (17.25, 12.0),
    "balance_beam": (8.2, 12.7),
    "flat": (16.0, 16.0),
}
# Lowest and highest value of a tile's highest point at levels 0 and 9, from the same; wider for stairs, where many draws
# add up.
TOPS = {
    "jump_on_and_off_box": (0.30, 0.35, 0.68, 0.73),
    "forward_ramp_lips": (0.31, 0.40, 0.49, 0.60),
    "sphere_bump_lips": (0.35, 0.40, 0.71, 0.81),
    "forward_ramp_no_lips": (0.20, 0.32, 0.40, 0.56),
    "flush_a_frame": (0.31, 0.41, 0.52, 0.63),
    "sphere_bump": (0.24, 0.29, 0.52, 0.57),
    "flat_circle_jump": (0.09, 0.19, 0.16, 0.28),
    "bump_jump": (0.08, 0.12, 0.13, 0.19),
    "sideways_ramp": (0.05, 0.05, 0.28, 0.50),
    "staircase_walking_full_width": (0.78, 0.99, 1.15, 1.80),
    "staircase_walking": (0.18, 0.24, 0.94, 1.32),
    "staircase_climbing": (1.5, 2.0, 2.5, 3.1),
    "staircase_spiral": (0.65, 0.65, 2.6, 3.25),
    "squeeze": (0.7, 0.7, 0.7, 0.7),
    "agility_poles": (1.0, 1.0, 1.0, 1.0),
}
ALL = pytest.mark.parametrize("spec", TERRAINS.values(), ids=TERRAINS)


def generate(spec: TerrainSpec, difficulty: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    return spec.generate(difficulty, np.random.default_rng((seed, spec.task_id)))


def test_the_families_are_those_of_mtbench():
    assert [spec.task_id for spec in TERRAINS.values()] == list(range(21))
    assert list(TERRAINS) == list(LAST_GOAL)


@ALL
@settings(max_examples=6, deadline=None)
@given(difficulty=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_can_be_passed(spec, difficulty, seed):
    heights, goals = generate(spec, difficulty, seed)
    assert heights.shape == SHAPE and heights.dtype == np.float32
    assert goals.shape == (NUM_GOALS, 3) and goals.dtype == np.float32
    assert (heights[: round(1.5 / CELL)] == 0).all()  # where the robot begins
    assert problems(heights, goals, spec.limits_at(difficulty)) == []


@ALL
def test_the_same_seed_gives_the_same_terrain(spec):
    first, again, other = (generate(spec, 0.7, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    fixed = spec.name in ("agility_poles", "balance_beam")  # nothing to draw
    assert fixed == all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@ALL
def test_figures_of_the_reference(spec):
    for difficulty, x, tops in zip((0.0, 1.0), LAST_GOAL[spec.name], (slice(0, 2), slice(2, 4)), strict=True):
        terrains = [generate(spec, difficulty, seed) for seed in range(15)]
        assert np.median([goals[-1, 0] for _, goals in terrains]) == pytest.approx(x, abs=0.3)
        if spec.name in TOPS:
            low, high = TOPS[spec.name][tops]
            assert all(low - 0.006 <= heights.max() <= high + 0.006 for heights, _ in terrains)


GROWING = """jump_on_and_off_box forward_ramp_lips sphere_bump_lips forward_ramp_no_lips box_jump_even box_jump_uneven
    flat_circle_jump bump_jump sideways_ramp staircase_walking_full_width staircase_walking staircase_climbing
    staircase_spiral""".split()


@pytest.mark.parametrize("name", GROWING)
def test_the_hardest_asks_for_more_than_the_easiest(name):
    """A robot that can do the moves of difficulty 0, and no more, does not get over a terrain of difficulty 1."""
    spec = TERRAINS[name]
    for seed in range(4):
        assert problems(*generate(spec, 1.0, seed), spec.limits_at(0)) != []


def test_narrow_families_narrow():
    """Width of the beam and of the gates, and distance of the poles, at difficulty 0 and 1."""
    beams = [generate(TERRAINS["balance_beam"], difficulty, 1)[0][80] > PIT for difficulty in (0.0, 1.0)]
    assert [CELL * int(beam.sum()) for beam in beams] == pytest.approx([0.7, 0.4])
    for difficulty, openings in ((0.0, {10, 12}), (1.0, {6, 8})):
        for seed in range(5):
            heights, goals = generate(TERRAINS["squeeze"], difficulty, seed)
            for x, y, _ in goals[1:7]:
                row, j = heights[Tile.index(x)] < 0.5, int(Tile.index(y))
                right, left = np.flatnonzero(~row[:j])[-1], np.flatnonzero(~row[j:])[0] + j
                assert left - right - 1 in openings
    apart = [generate(TERRAINS["agility_poles"], d, 0)[1][2:8, 0] for d in (0.0, 1.0)]
    assert np.diff(apart[0])[:4] == pytest.approx(2.15) and np.diff(apart[1])[:4] == pytest.approx(1.4)


def flat() -> tuple[np.ndarray, np.ndarray]:
    goals = np.zeros((NUM_GOALS, 3))
    goals[:, 0], goals[:, 1] = np.linspace(2, 16, NUM_GOALS), MIDDLE
    return np.zeros(SHAPE), goals


def test_the_checker_accepts_what_fits():
    heights, goals = flat()
    assert problems(heights, goals, Limits()) == []
    heights[100:108] = PIT  # 0.4 m
    assert problems(heights, goals, Limits(gap=0.4)) == []
    heights[108:140] = 0.3
    assert problems(heights, goals, Limits(gap=0.4, climb=0.3, drop=0.3)) != []  # z of a goal is not that of the ground
    goals[2, 2] = 0.3
    assert problems(heights, goals, Limits(gap=0.4, climb=0.3, drop=0.3)) == []


@pytest.mark.parametrize(
    ("cells", "height", "limits"),
    [
        (np.s_[90:94, :], 1.0, Limits(climb=0.5, drop=0.5)),  # a wall
        (np.s_[90:94, 20:60], 1.0, Limits()),  # a wall as wide as the corridor
        (np.s_[90:101, :], PIT, Limits(gap=0.4)),  # a pit of 0.55 m
        (np.s_[90:, :], 0.3, Limits(climb=0.2, drop=0.5)),  # a step up
        (np.s_[90:, :], -0.3, Limits(climb=0.5, drop=0.2)),  # a step down
        (np.s_[90:100, :], PIT, Limits()),  # a pit where nobody jumps
    ],
)
def test_the_checker_rejects(cells, height, limits):
    heights, goals = flat()
    heights[cells] = height
    goals[:, 2] = heights[Tile.index(goals[:, 0]), Tile.index(goals[:, 1])]
    found = problems(heights, goals, limits)
    assert found == ["goal 2 cannot be reached from goal 1"]


def test_the_checker_rejects_narrow_gates_and_walls_on_beams():
    heights, goals = flat()
    heights[90:110, :37], heights[90:110, 43:] = 0.7, 0.7  # 0.3 m
    assert problems(heights, goals, Limits()) == []
    heights[90:110, 37] = 0.7
    assert problems(heights, goals, Limits()) != []
    heights, goals = flat()
    heights[60:300, :36], heights[60:300, 44:] = PIT, PIT
    assert problems(heights, goals, Limits(gap=0.5)) == []
    heights[90:93, 36:44] = 1.0
    assert problems(heights, goals, Limits(gap=0.5)) != []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda heights, goals: goals.__setitem__((3, 0), 17.9), "outside"),
        (lambda heights, goals: heights.__setitem__(np.s_[150:170], PIT), "above the pit"),
        (lambda heights, goals: heights.__setitem__(np.s_[150:170], 0.2), "at height"),
        (lambda heights, goals: heights.__setitem__(np.s_[161:], 0.2), "on an edge"),
    ],
)
def test_the_checker_rejects_goals_where_no_foot_can_stand(change, sentence):
    heights, goals = flat()
    change(heights, goals)
    assert sentence in problems(heights, goals, Limits(climb=1.0, drop=1.0, gap=1.0))[0]


def test_a_goal_moves_to_a_foothold_and_not_far():
    tile = Tile()
    for k in range(NUM_GOALS):
        tile.goal(2.0 + k)
    tile.heights[60:, :] = PIT
    tile.heights[61:, :] = 0.0  # a crack at x = 3.0
    goals = tile.ground_goals()
    assert goals[1, 0] == pytest.approx(2.925) and goals[2, 0] == 4.0
    tile.heights[60:75, :] = PIT
    tile.goals[1] = (3.4, MIDDLE)
    with pytest.raises(ValueError, match="goal 1 is further than"):
        tile.ground_goals()
    with pytest.raises(ValueError, match="9 goals"):
        tile.goal(1.0)
        tile.ground_goals()
    with pytest.raises(ValueError, match="between 0 and 1"):
        TERRAINS["flat"].generate(1.1, np.random.default_rng(0))


def test_grid():
    families = [TERRAINS[name] for name in ("squeeze", "balance_beam", "squeeze")]
    grid = build(families, [0.0, 1.0], seed=5, rows=4, cols=3, rough=False)
    edge = round(grid.border / CELL)
    assert grid.heights.dtype == np.int16 and grid.heights.shape == (2 * edge + 4 * 360, 2 * edge + 3 * 80)
    assert grid.names == ("squeeze", "balance_beam", "squeeze")
    np.testing.assert_array_equal(grid.difficulties, [0, 0, 1, 1])
    np.testing.assert_allclose(grid.origins[2, 1], [37.0, 6.0, 0.0])
    assert (grid.heights[:edge] == 0).all() and (grid.heights[:, -edge:] == 0).all()
    tiles = grid.heights[edge:-edge, edge:-edge].reshape(4, 360, 3, 80).transpose(0, 2, 1, 3) * grid.vertical_scale
    for r in range(4):
        for c in range(3):
            tile = tiles[r, c]
            rim = np.concatenate([tile[:2].ravel(), tile[-2:].ravel(), tile[:, :2].ravel(), tile[:, -2:].ravel()])
            np.testing.assert_allclose(rim, 0.495)
            local = grid.goals[r, c] - [18.0 * r, 4.0 * c, 0.0]
            limits = families[c].limits_at(grid.difficulties[r])
            assert problems(tile, local, limits) == []
    assert not np.array_equal(tiles[0, 0], tiles[0, 2]) and not np.array_equal(tiles[0, 0], tiles[1, 0])
    alone = build([TERRAINS["squeeze"]], [0.0, 1.0], seed=5, rows=4, cols=2, rough=False)
    np.testing.assert_allclose(alone.goals[:, 1] + [0.0, 4.0, 0.0], grid.goals[:, 2])  # whatever stands beside it


def test_roughness():
    grid = build([TERRAINS["flat"]], [0.0], seed=1, rows=2, cols=1)
    edge = round(grid.border / CELL)
    tile = grid.heights[edge + 2 : edge + 358, edge + 2 : edge + 78] * grid.vertical_scale
    assert 0.015 < np.abs(tile).max() <= 0.0401 and 0.005 < tile.std() < 0.02 and abs(tile.mean()) < 0.002
    goals = grid.goals[0, 0]
    ground = grid.heights[edge + Tile.index(goals[:, 0]), edge + Tile.index(goals[:, 1])] * grid.vertical_scale
    np.testing.assert_allclose(goals[:, 2], ground, atol=grid.vertical_scale / 2 + 1e-6)


@pytest.mark.parametrize(("rows", "cols", "difficulties"), [(1, 1, [0.0]), (2, 2, []), (2, 2, [0.0, 0.5, 1.0])])
def test_a_grid_that_does_not_fit(rows, cols, difficulties):
    with pytest.raises(ValueError, match="do not fit"):
        build([TERRAINS["flat"], TERRAINS["squeeze"]], difficulties, 0, rows, cols)


def signed_area(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = (vertices[triangles[:, k], :2].astype(np.float64) for k in range(3))
    return ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2


@ALL
def test_mesh(spec):
    """It covers the map once, whatever moves; walls are vertical; and slopes stay."""
    heights, _ = generate(spec, 1.0, 2)
    units = np.rint(heights / 0.005).astype(np.int16)
    plain, triangles = triangle_mesh(units, CELL, 0.005)
    np.testing.assert_allclose(plain[:, 2].reshape(SHAPE), heights, atol=0.0026)
    np.testing.assert_allclose(plain[-1, :2], [17.975, 3.975], atol=1e-5)
    assert triangles.shape == (2 * 359 * 79, 3) and triangles.dtype == np.uint32
    assert (signed_area(plain, triangles) > 0).all()
    moved, _ = triangle_mesh(units, CELL, 0.005, slope_threshold=1.5)
    np.testing.assert_array_equal(moved[:, 2], plain[:, 2])
    assert signed_area(moved, triangles).sum() == pytest.approx(359 * 79 * CELL**2, rel=1e-4)
    shifted = np.abs(moved - plain).max(1) > 1e-6
    assert shifted.any() == (
        np.abs(np.diff(heights, axis=0)).max() > 0.08 or np.abs(np.diff(heights, axis=1)).max() > 0.08
    )
    assert np.abs(moved - plain)[:, :2].max() <= CELL + 1e-5


def test_walls_of_the_mesh_are_vertical():
    """A box of 10 x 6 cells: its walls stand at the middles of its outermost cells, also at the corners."""
    heights = np.zeros((30, 20))
    heights[10:20, 8:14] = 0.5
    vertices, triangles = triangle_mesh(heights, CELL, 1.0, slope_threshold=1.5)
    corner = vertices[triangles]
    rise = np.ptp(corner[..., 2], axis=1)
    assert set(np.round(np.unique(rise), 6)) == {0.0, 0.5}
    np.testing.assert_allclose(signed_area(vertices, triangles)[rise > 0], 0.0, atol=1e-6)
    a, b, c = (corner[rise > 0, k].astype(np.float64) for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    assert area == pytest.approx(2 * (9 + 5) * CELL * 0.5, rel=1e-4)
    unmoved, _ = triangle_mesh(heights, CELL, 1.0, slope_threshold=20.0)
    np.testing.assert_array_equal(unmoved, triangle_mesh(heights, CELL, 1.0)[0])


@ALL
def test_blocks_make_the_same_ground(spec):
    tolerance = 0.03
    heights, _ = generate(spec, 1.0, 7)
    for sloped in (False, True):
        found = blocks.blocks(heights, tolerance, sloped)
        made = blocks.surface(found, heights.shape)
        assert ((made > PIT) == (heights > PIT)).all()
        assert np.abs(made - heights).max() <= (2 if sloped else 1) * tolerance + 1e-4
        assert sloped or not found[:, 5:].any()


def test_blocks_are_few():
    count = {
        name: len(blocks.blocks(generate(TERRAINS[name], 1.0, 0)[0], 1e-3)) for name in TERRAINS if "bump" not in name
    }
    assert count["flat"] == 1 and count["balance_beam"] <= 3 and count["jump_on_and_off_box"] == 7
    assert count["forward_ramp_lips"] == 7 and count["sideways_ramp"] == 8 and count["squeeze"] == 13
    heights = generate(TERRAINS["forward_ramp_lips"], 1.0, 0)[0]
    assert np.abs(blocks.surface(blocks.blocks(heights, 1e-3), SHAPE) - heights).max() < 1e-4


def test_sheet(tmp_path, capsys):
    path = tmp_path / "sheet.png"
    sheet.draw([TERRAINS["squeeze"], TERRAINS["staircase_spiral"]], 1.0, 0, path)
    from PIL import Image

    picture = np.asarray(Image.open(path).convert("RGB"))
    assert picture.shape[1] > 1000 and picture.std() > 20
    for argument, sentence in (
        ("dificulty=0", "options are"),
        ("difficulty=2", "between 0 and 1"),
        ("out=a.gif", ".png"),
    ):
        with pytest.raises(SystemExit, match=sentence):
            sheet.main([argument])
