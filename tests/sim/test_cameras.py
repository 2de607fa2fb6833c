"""Camera sensors against the geometry of what they see."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from mtbench.sim import gymapi, gymtorch
from mtbench.sim.cameras import make_renderer
from tests.sim.world import World

W, H = 80, 60


@pytest.fixture
def world(tmp_path) -> World:
    w = World(tmp_path, gravity=0.0)
    box = w.gym.create_box(w.sim, 0.2, 0.4, 0.2, w.options())
    w.gym.create_actor(w.gym.create_env(w.sim, gymapi.Vec3(), gymapi.Vec3(), 1), box, gymapi.Transform(), "a", 0, 0, 7)
    w.prepare()
    try:
        make_renderer(w.sim.inspect(0)[0], 8, 8).close()
    except RuntimeError as error:
        pytest.skip(str(error))
    return w


def camera(w: World, fov: float = 90.0) -> tuple[gymapi.Env, int]:
    props = gymapi.CameraProperties()
    props.width, props.height, props.horizontal_fov, props.enable_tensors = W, H, fov, True
    env = w.sim.envs[0]
    return env, w.gym.create_camera_sensor(env, props)


def test_a_box_in_front(world):
    """From 2 m before its face, a box 0.4 m wide and 0.2 m high takes 0.4 / (2 * 2) of the width at 90 degrees."""
    g = world.gym
    env, c = camera(world)
    g.set_camera_location(c, env, gymapi.Vec3(-2.1, 0, 0), gymapi.Vec3(0, 0, 0))
    g.set_rigid_body_color(env, 0, 0, gymapi.MESH_VISUAL, gymapi.Vec3(1, 0, 0))
    depth = gymtorch.wrap_tensor(g.get_camera_image_gpu_tensor(world.sim, env, c, gymapi.IMAGE_DEPTH))
    assert depth.shape == (H, W) and depth[0, 0] == -math.inf
    seen = np.isfinite(depth.numpy())
    assert seen.any(0).sum() == pytest.approx(0.4 / 4 * W, abs=1) and seen.any(1).sum() == pytest.approx(
        0.2 / 4 * W, abs=1
    )
    np.testing.assert_allclose(depth.numpy()[seen], -2.0, rtol=1e-4)
    colour = g.get_camera_image(world.sim, env, c, gymapi.IMAGE_COLOR)
    assert colour.dtype == np.uint8 and colour.shape == (H, 4 * W)
    red, green, _, alpha = np.moveaxis(colour.reshape(H, W, 4)[seen], -1, 0)
    assert (red.astype(int) > green.astype(int) + 30).all() and (alpha == 255).all()
    segments = g.get_camera_image(world.sim, env, c, gymapi.IMAGE_SEGMENTATION)
    assert (segments == np.where(seen, 7, 0)).all() and segments.dtype == np.uint32
    g.set_rigid_body_segmentation_id(env, 0, 0, 9)
    assert g.get_rigid_body_segmentation_id(env, 0, 0) == 9
    g.render_all_camera_sensors(world.sim)
    assert g.get_camera_image(world.sim, env, c, gymapi.IMAGE_SEGMENTATION).max() == 9
    # images change when they are rendered, not when the world does
    state = world.root.clone()
    state[0, 0] = 0.5
    world.set_roots(state)
    assert depth[seen].max() == pytest.approx(-2.0, rel=1e-4)
    g.render_all_camera_sensors(world.sim)
    assert depth[H // 2, W // 2].item() == pytest.approx(-2.5, rel=1e-4)


def test_matrices_bring_points_back(world):
    """Every pixel's depth, unprojected as Isaac Gym's clients do, lies on the box; also with a rolled camera."""
    g = world.gym
    env, c = camera(world, 60.0)
    turn = gymapi.Quat.from_euler_zyx(0.4, 0.5, 0.9)
    at = turn.rotate(gymapi.Vec3(-1.5, 0.02, 0.05))
    g.set_camera_transform(c, env, gymapi.Transform(at, turn))
    depth = g.get_camera_image(world.sim, env, c, gymapi.IMAGE_DEPTH)
    back = np.linalg.inv(g.get_camera_view_matrix(world.sim, env, c))
    projection = g.get_camera_proj_matrix(world.sim, env, c)
    v, u = np.nonzero(np.isfinite(depth))
    z = depth[v, u]
    x = -(u + 0.5 - W / 2) / W * z * 2 / projection[0, 0]
    y = (v + 0.5 - H / 2) / H * z * 2 / projection[1, 1]
    points = np.stack([x, y, z, np.ones_like(z)], axis=1) @ back
    assert len(points) > 50
    distance = np.abs(points[:, :3]) - np.array([0.1, 0.2, 0.1])  # from the faces; the largest is on one
    np.testing.assert_allclose(distance.max(axis=1), 0.0, atol=2e-3)
    clip = np.array([points[0, 0], points[0, 1], points[0, 2], 1.0]) @ np.linalg.inv(back) @ projection
    assert clip[0] / clip[3] == pytest.approx((u[0] + 0.5) / W * 2 - 1, abs=1e-3)


def test_a_camera_on_a_body(world):
    g = world.gym
    env, c = camera(world)
    local = gymapi.Transform(gymapi.Vec3(-1.1, 0, 0))
    g.attach_camera_to_body(c, env, 0, local, gymapi.FOLLOW_TRANSFORM)
    state = world.root.clone()
    state[0, :7] = state.new_tensor([0.3, -0.2, 0.5, 0, 0, math.sin(0.4), math.cos(0.4)])  # 0.8 rad about z
    world.set_roots(state)
    g.render_all_camera_sensors(world.sim)
    depth = g.get_camera_image(world.sim, env, c, gymapi.IMAGE_DEPTH)
    assert depth[H // 2, W // 2] == pytest.approx(-1.0, rel=1e-4)
    place = g.get_camera_transform(world.sim, env, c).p
    assert (place.x, place.y) == pytest.approx((0.3 - 1.1 * math.cos(0.8), -0.2 - 1.1 * math.sin(0.8)), abs=1e-5)
    g.attach_camera_to_body(c, env, 0, local, gymapi.FOLLOW_POSITION)
    place = g.get_camera_transform(world.sim, env, c).p
    assert (place.x, place.y, place.z) == pytest.approx((-0.8, -0.2, 0.5), abs=1e-5)
    path = world.tmp_path / "image.png"
    g.write_camera_image_to_file(world.sim, env, c, gymapi.IMAGE_COLOR, str(path))
    assert Image.open(path).size == (W, H)
    g.destroy_camera_sensor(world.sim, env, c)
    with pytest.raises(ValueError, match="no camera with handle 0"):
        g.get_camera_image(world.sim, env, c, gymapi.IMAGE_COLOR)


def test_what_is_refused(world):
    env, c = camera(world)
    with pytest.raises(NotImplementedError, match="no optical flow"):
        world.gym.get_camera_image(world.sim, env, c, gymapi.IMAGE_OPTICAL_FLOW)
    with pytest.raises(ValueError, match="cannot look at where it is"):
        world.gym.set_camera_location(c, env, gymapi.Vec3(1, 1, 1), gymapi.Vec3(1, 1, 1))
    with pytest.raises(ValueError, match="between 0 and 180 degrees"):
        camera(world, 180.0)


def test_other_engines_say_so(tmp_path):
    w = World(tmp_path, engine="warp")
    env = w.gym.create_env(w.sim, gymapi.Vec3(), gymapi.Vec3(), 1)
    with pytest.raises(NotImplementedError, match="CPU engine"):
        w.gym.create_camera_sensor(env, gymapi.CameraProperties())


def test_image_tensors_are_had_while_environments_are_created(world, tmp_path):
    """Before ``prepare_sim`` they are blank; what was created after them is there, and drawing fills the same memory."""
    w = World(tmp_path, gravity=0.0)
    box = w.gym.create_box(w.sim, 0.2, 0.4, 0.2, w.options())
    images = []
    for k in range(2):
        env = w.gym.create_env(w.sim, gymapi.Vec3(), gymapi.Vec3(), 2)
        _, c = camera(w)
        w.gym.set_camera_location(c, w.sim.envs[0], gymapi.Vec3(-2.1, 0, 0), gymapi.Vec3(0, 0, 0))
        for kind in (gymapi.IMAGE_COLOR, gymapi.IMAGE_DEPTH, gymapi.IMAGE_SEGMENTATION):
            images.append(
                gymtorch.wrap_tensor(w.gym.get_camera_image_gpu_tensor(w.sim, w.sim.envs[0], c, kind)).squeeze()
            )
        w.gym.create_actor(env, box, gymapi.Transform(), "a", k, 0, 7)
    assert [tuple(i.shape) for i in images[:3]] == [(H, W, 4), (H, W), (H, W)] and not any(i.any() for i in images)
    w.prepare()
    w.gym.render_all_camera_sensors(w.sim)
    for colour, depth, segments in (images[:3], images[3:]):
        assert (colour[..., 3] == 255).all() and segments.max() == 7
        assert depth[H // 2, W // 2] == pytest.approx(-2.0, rel=1e-4) and depth[0, 0] == -math.inf
