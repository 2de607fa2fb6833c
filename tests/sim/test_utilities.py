"""Isaac Gym's helper modules: terrains, lines, command line, and what counts as a number."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
import torch

from mtbench.sim import gymapi, gymtorch, gymutil, terrain_utils, torch_utils
from mtbench.sim.ground import from_triangles
from mtbench.sim.terrain_utils import SubTerrain
from tests.sim.world import ARM


def tile(width: int = 80, length: int = 60) -> SubTerrain:
    return SubTerrain("t", width, length, vertical_scale=0.005, horizontal_scale=0.1)


def test_star_import_leaves_torch_tensor_alone():
    names: dict = {}
    exec("from torch import Tensor\nfrom isaacgym_gymtorch import *".replace("isaacgym_", "mtbench.sim."), names)
    assert names["Tensor"] is torch.Tensor and names["wrap_tensor"] is gymtorch.wrap_tensor


def test_slopes():
    heights = terrain_utils.sloped_terrain(tile(), slope=0.5).height_field_raw
    assert heights.dtype == np.int16 and heights.shape == (80, 60)
    np.testing.assert_allclose(heights[:, 7] * 0.005, 0.5 * 0.1 * np.arange(80), atol=0.005)
    pyramid = terrain_utils.pyramid_sloped_terrain(tile(80, 80), slope=0.4, platform_size=2.0).height_field_raw
    platform = pyramid[30:51, 30:51]
    assert (platform == pyramid.max()).all() and pyramid[0, 40] == 0
    pit = terrain_utils.pyramid_sloped_terrain(tile(80, 80), slope=-0.4, platform_size=2.0).height_field_raw
    np.testing.assert_array_equal(pit, -pyramid)


def test_stairs():
    stairs = terrain_utils.stairs_terrain(tile(), step_width=0.5, step_height=0.1).height_field_raw
    np.testing.assert_array_equal(stairs[:, 3], 20 * (np.arange(80) // 5 + 1))
    pyramid = terrain_utils.pyramid_stairs_terrain(tile(80, 80), 0.5, -0.1, platform_size=3.0).height_field_raw
    steps = np.minimum(np.arange(80), 79 - np.arange(80)) // 5
    expected = -20 * np.minimum(np.minimum(steps[:, None], steps[None]), 5)
    np.testing.assert_array_equal(pyramid, expected)  # five steps of 0.5 m a side leave 3 m
    with pytest.raises(ValueError, match=r"0\.05 m is narrower"):
        terrain_utils.pyramid_stairs_terrain(tile(), 0.05, 0.1)


def test_random_heights_and_obstacles():
    np.random.seed(3)
    rough = terrain_utils.random_uniform_terrain(tile(), -0.05, 0.05, 0.025, downsampled_scale=0.2).height_field_raw
    assert (
        set(np.unique(rough[[0, -1]][:, [0, -1]])) <= {-10, -5, 0, 5, 10} and abs(rough).max() <= 10 and rough.std() > 1
    )
    fine = terrain_utils.random_uniform_terrain(tile(), -0.05, 0.05, 0.025).height_field_raw
    assert set(np.unique(fine)) == {-10, -5, 0, 5, 10}
    blocks = terrain_utils.discrete_obstacles_terrain(tile(80, 80), 0.2, 0.5, 1.5, 40, platform_size=2.0)
    assert set(np.unique(blocks.height_field_raw)) == {-40, -20, 0, 20, 40}
    assert (blocks.height_field_raw[30:50, 30:50] == 0).all()
    stones = terrain_utils.stepping_stones_terrain(tile(), 0.5, 0.2, 0.0, platform_size=1.0, depth=-2).height_field_raw
    share = (stones == 0).mean()
    assert set(np.unique(stones)) == {-400, 0} and 0.4 < share < 0.65  # (5 / 7)^2 of the ground, and the platform
    waves = terrain_utils.wave_terrain(tile(60, 60), num_waves=2, amplitude=1.0).height_field_raw
    turn = 2 * np.pi * 2 / 60
    np.testing.assert_allclose(
        waves, 100 * (np.cos(turn * np.arange(60))[None] + np.sin(turn * np.arange(60))[:, None]), atol=1
    )


def test_triangles_of_a_height_field():
    heights = np.random.default_rng(0).integers(-20, 20, (6, 5)).astype(np.int16)
    vertices, triangles = terrain_utils.convert_heightfield_to_trimesh(heights, 0.25, 0.01)
    assert vertices.shape == (30, 3) and triangles.shape == (40, 3)
    assert vertices.dtype == np.float32 and triangles.dtype == np.uint32
    np.testing.assert_allclose(vertices[:, 2].reshape(6, 5), heights * 0.01, atol=1e-6)
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    area = np.cross(b - a, c - a)[:, 2] / 2
    assert (area > 0).all() and area.sum() == pytest.approx(5 * 4 * 0.25**2)


def test_the_ground_of_triangles_is_that_of_the_heights():
    heights = np.random.default_rng(1).integers(-20, 20, (40, 30)).astype(np.int16)
    vertices, triangles = terrain_utils.convert_heightfield_to_trimesh(heights, 0.1, 0.01)
    large = np.array([[-1, -1, -1], [6, -1, -1], [-1, 6, -1]], dtype=np.float32)  # below all of it, and much larger
    vertices = np.concatenate([vertices, large])
    triangles = np.concatenate([triangles, [[1200, 1201, 1202]]])
    ground = from_triangles(vertices.ravel(), triangles.ravel(), gymapi.Transform(), 1.0)
    corner = round(1 / ground.step[0])
    measured = ground.heights[corner : corner + 79, corner : corner + 59]
    np.testing.assert_allclose(measured[::2, ::2], 0.01 * heights, atol=1e-5)
    between = 0.005 * (heights[:-1].astype(float) + heights[1:])  # the middle of edges along x
    np.testing.assert_allclose(measured[1::2, ::2], between, atol=1e-5)
    diagonal = 0.005 * (heights[:-1, :-1].astype(float) + heights[1:, 1:])  # and of the diagonals
    np.testing.assert_allclose(measured[1::2, 1::2], diagonal, atol=1e-5)
    assert ground.heights[0, 0] == -1.0


def test_steep_slopes_become_walls():
    heights = np.zeros((6, 4), dtype=np.int16)
    heights[3:] = 100  # a step of 1 m over 0.25 m
    vertices, _ = terrain_utils.convert_heightfield_to_trimesh(heights, 0.25, 0.01, slope_threshold=1.5)
    x = vertices[:, 0].reshape(6, 4)
    np.testing.assert_allclose(x[:, 0], [0, 0.25, 0.75, 0.75, 1.0, 1.25])  # the foot moved under the edge
    gentle, _ = terrain_utils.convert_heightfield_to_trimesh(heights, 0.25, 0.01, slope_threshold=5.0)
    np.testing.assert_allclose(gentle[:, 0].reshape(6, 4)[:, 0], 0.25 * np.arange(6))


def test_lines_to_draw():
    pose = gymapi.Transform(gymapi.Vec3(1, 2, 3), gymapi.Quat.from_axis_angle(gymapi.Vec3(0, 0, 1), np.pi / 2))
    axes = gymutil.AxesGeometry(0.5, pose)
    ends = axes.vertices()[:, 1]
    np.testing.assert_allclose([list(v) for v in ends], [[1, 2.5, 3], [0.5, 2, 3], [1, 2, 3.5]], atol=1e-6)
    sphere = gymutil.WireframeSphereGeometry(0.3, 6, 8, color=(0, 1, 0))
    points = sphere.vertices()
    radius = np.sqrt(points["x"] ** 2 + points["y"] ** 2 + points["z"] ** 2)
    np.testing.assert_allclose(radius, 0.3, atol=1e-6)
    assert len(sphere.colors()) == sphere.num_lines() and points.shape == (sphere.num_lines(), 2)
    box = gymutil.WireframeBoxGeometry(1, 2, 3)
    segments = np.array([list(v) for v in box.vertices().ravel()]).reshape(-1, 2, 3)
    lengths = sorted(np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1))
    np.testing.assert_allclose(lengths, [1] * 4 + [2] * 4 + [3] * 4)
    bounds = gymutil.WireframeBBoxGeometry(np.array([[0, 0, 0], [1, 1, 2]])).vertices()
    assert bounds["z"].max() == 2 and bounds["x"].min() == 0
    gym = gymapi.acquire_gym()
    gymutil.draw_lines(axes, gym, None, None, pose)
    gymutil.draw_line(gymapi.Vec3(), gymapi.Vec3(1, 0, 0), gymapi.Vec3(1, 1, 1), gym, None, None)


class Arrow(gymutil.LineGeometry):
    """Lines as a client writes them: its own arrays, and no call of ours to make them."""

    def __init__(self, pose=None):
        verts = np.empty((2, 2), gymapi.Vec3.dtype)
        verts[0][0], verts[0][1] = (0, 0, 0), (1, 0, 0)
        verts[1][0], verts[1][1] = (1, 0, 0), (0.9, 0.1, 0)
        self.verts = verts if pose is None else pose.transform_points(verts)
        self._colors = np.empty(2, gymapi.Vec3.dtype)
        self._colors.fill((1, 0, 0))

    def vertices(self):
        return self.verts

    def colors(self):
        return self._colors


class Drawn:
    """What a viewer is given."""

    def add_lines(self, viewer, env, count, vertices, colors):
        self.lines = count, np.array(vertices.tolist()), np.array(colors.tolist())


def test_a_clients_own_lines():
    pose = gymapi.Transform(gymapi.Vec3(1, 2, 3), gymapi.Quat.from_axis_angle(gymapi.Vec3(0, 0, 1), np.pi / 2))
    arrow, drawn = Arrow(gymapi.Transform(gymapi.Vec3(0, 0, 1))), Drawn()
    gymutil.draw_lines(arrow, drawn, None, None, pose)
    count, vertices, colors = drawn.lines
    assert count == arrow.num_lines() == 2 and colors.tolist() == [[1, 0, 0]] * 2
    expected = [[[1, 2, 4], [1, 3, 4]], [[1, 3, 4], [0.9, 2.9, 4]]]
    np.testing.assert_allclose(vertices, expected, atol=1e-6)
    still = arrow.instance_verts()
    still["z"] = 9.0
    assert (arrow.vertices()["z"] == 1.0).all()  # a copy
    gymutil.draw_line(gymapi.Vec3(1, 2, 3), gymapi.Vec3(4, 5, 6), gymapi.Vec3(0, 1, 0), drawn, None, None)
    assert drawn.lines[1].tolist() == [[[1, 2, 3], [4, 5, 6]]] and drawn.lines[2].tolist() == [[0, 1, 0]]
    with pytest.raises(TypeError, match="abstract"):
        gymutil.LineGeometry()


def test_the_gpu_pipeline_needs_physics_on_a_gpu(monkeypatch: pytest.MonkeyPatch):
    for pipeline in ("gpu", "GPU", "cuda"):
        monkeypatch.setattr(sys, "argv", ["x", "--sim_device", "cpu", "--pipeline", pipeline])
        with pytest.warns(
            UserWarning, match="--pipeline gpu needs physics on a GPU, not --sim_device cpu; the pipeline"
        ):
            args = gymutil.parse_arguments()
        assert (args.pipeline, args.use_gpu_pipeline, args.use_gpu) == ("cpu", False, False)
    monkeypatch.setattr(sys, "argv", ["x", "--sim_device", "cuda:1", "--pipeline", "gpu"])
    args = gymutil.parse_arguments()
    assert (args.pipeline, args.use_gpu_pipeline, args.compute_device_id) == ("gpu", True, 1)
    monkeypatch.setattr(sys, "argv", ["x", "--pipeline", "tpu"])
    with pytest.raises(SystemExit):
        gymutil.parse_arguments()


def test_settings_of_a_simulation():
    params = gymapi.SimParams()
    config = {"dt": "0.01", "gravity": [0, 1, -2], "up_axis": 1, "use_gpu_pipeline": 0}
    config["physx"] = {"num_threads": 3.0, "contact_collection": 1, "rest_offset": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gymutil.parse_sim_config(config, params)
    assert (params.dt, params.gravity, params.up_axis) == (0.01, gymapi.Vec3(0, 1, -2), gymapi.UP_AXIS_Z)
    assert (params.physx.num_threads, params.physx.contact_collection) == (3, gymapi.CC_LAST_SUBSTEP)
    unknown = {"substep": 5, "physx": {"gpu": True, "num_threads": 1}, "terrain": "plane", "substeps": 4}
    with pytest.warns(UserWarning) as said:
        gymutil.parse_sim_config(unknown, params)
    left_out = "substep (did you mean substeps?), gpu (did you mean use_gpu?), terrain"
    assert [str(w.message) for w in said] == [f"parse_sim_config leaves out what Isaac Gym does not have: {left_out}"]
    assert (params.substeps, params.physx.num_threads, params.dt) == (4, 1, 0.01)
    sim = type("sim", (), {"dt": 0.02, "physx": type("physx", (), {"num_threads": 7})})  # classes, as clients keep them
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gymutil.parse_sim_config(vars(sim), params)
    assert (params.dt, params.physx.num_threads) == (0.02, 7)


def test_command_line(monkeypatch: pytest.MonkeyPatch):
    flags = [
        {"name": "--headless", "action": "store_true", "default": False, "help": "the client's own"},
        {"name": "--task", "type": str, "default": "walk"},
        {"name": "--sizes", "type": int, "nargs": "+", "default": [1]},
    ]
    monkeypatch.setattr(sys, "argv", ["x", "--headless", "--sizes", "2", "3", "--num_threads", "4"])
    args = gymutil.parse_arguments(description="client", custom_parameters=flags)
    assert args.headless and args.task == "walk" and args.sizes == [2, 3] and args.num_threads == 4
    assert args.physics_engine == gymapi.SIM_PHYSX and args.sim_device_type == "cpu" and not args.use_gpu_pipeline
    gymutil.parse_arguments(headless=True, custom_parameters=flags)  # both bring the flag: the client's counts
    monkeypatch.setattr(sys, "argv", ["x"])
    assert not hasattr(gymutil.parse_arguments(), "headless")
    monkeypatch.setattr(sys, "argv", ["x", "--nographics"])
    assert gymutil.parse_arguments(no_graphics=True).headless
    with pytest.raises(ValueError, match="no name"):
        gymutil.parse_arguments(custom_parameters=[{"type": int}])


@pytest.mark.parametrize(
    "value", [2, np.float32(2), np.int64(2), np.array([2.0]), np.array([[2]]), torch.tensor(2.0), torch.tensor([[2]])]
)
def test_one_number_of_any_kind(make_world, value):
    w = make_world()
    vector = gymapi.Vec3(value, value, 1)
    assert (vector.x, vector.y) == (2.0, 2.0) and type(vector.x) is float
    pose = gymapi.Transform()
    pose.p.z = value
    options = w.options(density=value)
    assert type(pose.p.z) is float and options.density == 2.0
    box = w.gym.create_box(w.sim, value, value, value, options)
    env = w.gym.create_env(w.sim, gymapi.Vec3(), gymapi.Vec3(), 1)
    handle = w.gym.create_actor(env, box, pose, "box", value, 0)
    shapes = w.gym.get_actor_rigid_shape_properties(env, handle)
    shapes[0].friction = value * 0.25
    w.gym.set_actor_rigid_shape_properties(env, handle, shapes)
    assert w.gym.get_actor_rigid_shape_properties(env, handle)[0].friction == 0.5
    camera = gymapi.CameraProperties()
    camera.width = value
    assert camera.width == 2 and type(camera.width) is int
    with pytest.raises(TypeError, match=r"RigidShapeProperties\.friction is a number, not"):
        shapes[0].friction = torch.zeros(3)
    with pytest.raises(TypeError, match=r"CameraProperties\.width is an integer, not 2\.5"):
        camera.width = 2.5


def test_quat_apply_takes_flat_quaternions_with_stacked_vectors():
    n, p = 3, 5
    quats = torch.nn.functional.normalize(torch.randn(n, 4), dim=-1)
    points = torch.randn(n, p, 3)
    expected = torch.stack([torch_utils.quat_apply(quats[i].expand(p, 4), points[i]) for i in range(n)])
    repeated = quats.repeat(1, p)
    torch.testing.assert_close(torch_utils.quat_apply(repeated.reshape(n * p, 4), points), expected)
    torch.testing.assert_close(torch_utils.quat_apply(quats[:, None], points), expected)


def test_helpers_compile():
    """Clients call them from their own ``torch.jit.script`` functions."""
    for (
        name
    ) in "normalize quat_mul quat_apply quat_rotate quat_rotate_inverse quat_conjugate quat_unit quat_axis".split():
        torch.jit.script(getattr(torch_utils, name))
    for (
        name
    ) in "quat_from_angle_axis normalize_angle tf_inverse tf_apply tf_vector tf_combine get_basis_vector".split():
        torch.jit.script(getattr(torch_utils, name))
    for (
        name
    ) in "get_euler_xyz quat_from_euler_xyz torch_rand_float torch_random_dir_2 tensor_clamp scale unscale".split():
        torch.jit.script(getattr(torch_utils, name))
    directions = torch.jit.script(torch_utils.torch_random_dir_2)((7, 1), "cpu")
    torch.testing.assert_close(directions.norm(dim=1), torch.ones(7))
    signs = torch.jit.script(torch_utils.copysign)(2.0, torch.tensor([-3.0, 4.0]))
    assert signs.tolist() == [-2.0, 2.0]


def test_without_a_viewer(make_world):
    w = make_world()
    with pytest.warns(UserWarning, match="no viewer"):
        viewer = w.gym.create_viewer(w.sim, gymapi.CameraProperties())
    assert viewer is None
    w.gym.subscribe_viewer_keyboard_event(viewer, gymapi.KEY_ESCAPE, "QUIT")
    w.gym.viewer_camera_look_at(viewer, None, gymapi.Vec3(1, 1, 1), gymapi.Vec3())
    assert not w.gym.query_viewer_has_closed(viewer) and w.gym.query_viewer_action_events(viewer) == []
    w.gym.draw_viewer(viewer, w.sim, True)
    w.gym.clear_lines(viewer)
    w.gym.destroy_viewer(viewer)


def test_randomization(make_world):
    """Schedules run from no change to the whole range; buckets round down; each kind of properties has its calls."""
    np.random.seed(0)
    p = {
        "range": [2.0, 4.0],
        "distribution": "uniform",
        "operation": "scaling",
        "schedule": "linear",
        "schedule_steps": 10,
    }
    sample = gymutil.generate_random_samples
    assert (sample(p, 100, 0) == 1.0).all()
    half, whole = sample(p, 1000, 5), sample(p, 1000, 99)
    assert 1.5 <= half.min() < 1.55 and 2.45 < half.max() <= 2.5 and whole.min() >= 2.0 and whole.max() > 3.95
    normal = {"range": [0.5, 0.1], "distribution": "gaussian", "operation": "additive"}
    assert sample(normal, 4000, 0).mean() == pytest.approx(0.5, abs=0.01)
    assert sample(normal, 4000, 0).std() == pytest.approx(0.1, rel=0.1)
    late = normal | {"schedule": "constant", "schedule_steps": 3}
    assert (
        (sample(late, 5, 2) == 0.0).all() and sample(late, 5, 3).all() and sample(late, 1, 2, extern_sample=7.0) == 0.0
    )
    log = sample({"range": [0.1, 10.0], "distribution": "loguniform", "operation": "scaling"}, 4000, 0)
    assert np.median(log) == pytest.approx(1.0, rel=0.2)
    assert gymutil.get_bucketed_val(3.2, p | {"num_buckets": 4}) == 3.0
    with pytest.raises(ValueError, match="operation is additive or scaling"):
        sample(p | {"operation": "times"}, 1, 0)

    w = make_world()
    env = w.env((w.mjcf(ARM, fix_base_link=True), (0, 0, 1), "arm"))
    getters, setters = gymutil.get_property_getter_map(w.gym), gymutil.get_property_setter_map(w.gym)
    assert getters.keys() == setters.keys() == gymutil.get_default_setter_args(w.gym).keys()
    dofs = getters["dof_properties"](env, 0)
    gymutil.apply_random_samples(dofs, {"damping": np.array([1.0, 2.0, 3.0])}, "damping", p, 99)
    assert (dofs["damping"] >= [2, 4, 6]).all() and (dofs["damping"] <= [4, 8, 12]).all()
    body = getters["rigid_body_properties"](env, 0)[0]
    gymutil.apply_random_samples(body, {"mass": 3.0}, "mass", p | {"num_buckets": 2}, 99, extern_sample=2.5)
    assert body.mass == 3.0  # 7.5 is beyond the last bucket, from 3 to 4
    params = getters["sim_params"](w.sim)
    gymutil.apply_random_samples(params, {"gravity": gymapi.Vec3(0, 0, -9.81)}, "gravity", p, 99)
    assert -4 * 9.81 <= params.gravity.z <= -2 * 9.81
    many = {"friction": {"num_buckets": 400}, "restitution": {"num_buckets": 400}}
    with pytest.raises(ValueError, match="buckets of friction"):
        gymutil.check_buckets(w.gym, [env], {"actor_params": {"arm": {"rigid_shape_properties": many}}})
