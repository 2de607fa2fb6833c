"""Camera sensors: images of environments, drawn by MuJoCo's own renderer from the state as it stands.

A camera looks along x of its frame, z is up. Matrices are for row vectors, as Isaac Gym gives them: a point of the
environment times the view matrix is in the frame of OpenGL's camera, which looks along -z.
"""

from __future__ import annotations

import importlib
import math
import os
import sys
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np
import torch

from .pose_types import Quat, Transform, Vec3
from .viewer_types import CameraFollowMode, CameraProperties, ImageType

if TYPE_CHECKING:
    from .scene import Env
    from .simulation import Simulation

#: Renderers kept: each holds the meshes and height fields of one model in the graphics memory.
KEPT = 8
#: Metres between which images can have depth; planes nearer or farther lose precision.
NEAR, FAR = 1e-3, 1e4
#: Share of the light that does not come from the camera.
AMBIENT = 0.4


def make_renderer(model: mujoco.MjModel, width: int, height: int) -> Any:
    """MuJoCo's renderer for pictures of this size. ``MUJOCO_GL`` chooses between ``egl`` (the default where there is no
    display) and ``osmesa``.

    Raises:
        RuntimeError: there is no OpenGL to draw with.
    """
    from mujoco.rendering.classic import gl_context, renderer  # not before there is something to draw

    shown = any(os.environ.get(name) for name in ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY"))
    if sys.platform == "linux" and not shown:
        os.environ["MUJOCO_GL"] = "egl"  # MuJoCo reads it when it is imported, which has happened
        importlib.reload(gl_context)
        importlib.reload(renderer)
    try:
        return renderer.Renderer(model, height, width)
    except Exception as error:  # what is missing shows in many ways
        raise RuntimeError(
            f"drawing needs OpenGL, and MuJoCo cannot start it ({error}); install EGL (libegl1) or set MUJOCO_GL=osmesa"
        ) from error


@dataclass(eq=False)
class Camera:
    """A camera of an environment, free at ``pose`` or on a body (its handle), at ``pose`` of the body's frame."""

    env: Env
    props: CameraProperties
    pose: Transform = field(default_factory=Transform)
    body: int | None = None
    follow: CameraFollowMode = CameraFollowMode.FOLLOW_TRANSFORM
    images: dict[ImageType, torch.Tensor] = field(default_factory=dict)  #: those that were asked for

    def placed(self, sim: Simulation) -> Transform:
        """Its pose in the environment now."""
        if self.body is None:
            return self.pose
        x, y, z, *quat = sim.bodies.pose(self.env, self.body)
        body = Transform(Vec3(x, y, z), Quat(*quat))
        if self.follow == CameraFollowMode.FOLLOW_POSITION:
            return Transform(body.p + self.pose.p, self.pose.r)
        return body * self.pose

    def planes(self) -> tuple[float, float]:
        """Near and far plane, metres."""
        return max(self.props.near_plane, NEAR), min(self.props.far_plane, FAR)

    def view_matrix(self, sim: Simulation) -> np.ndarray:
        """(4, 4): the environment's frame to OpenGL's camera's, for row vectors."""
        pose = self.placed(sim)
        forward, left, up = (pose.r.rotate(axis) for axis in (Vec3(1, 0, 0), Vec3(0, 1, 0), Vec3(0, 0, 1)))
        axes = [-left, up, -forward]
        out = np.eye(4, dtype=np.float32)
        out[:3, :3] = np.array([[a.x, a.y, a.z] for a in axes]).T
        out[3, :3] = [-a.dot(pose.p) for a in axes]
        return out

    def projection_matrix(self) -> np.ndarray:
        """(4, 4): OpenGL's camera's frame to clip coordinates, for row vectors."""
        near, far = self.planes()
        out = np.zeros((4, 4), dtype=np.float32)
        out[0, 0] = 1.0 / math.tan(math.radians(self.props.horizontal_fov) / 2.0)
        out[1, 1] = out[0, 0] * self.props.width / self.props.height
        out[2, 2], out[2, 3] = -(far + near) / (far - near), -1.0
        out[3, 2] = -2.0 * far * near / (far - near)
        return out


#: What a pixel of each kind of image is.
SHAPES: dict[ImageType, tuple[tuple[int, ...], torch.dtype]] = {
    ImageType.IMAGE_COLOR: ((4,), torch.uint8),
    ImageType.IMAGE_DEPTH: ((), torch.float32),
    ImageType.IMAGE_SEGMENTATION: ((), torch.int32),
}


class Studio:
    """What draws the cameras of a simulation."""

    def __init__(self, sim: Simulation) -> None:
        if sim.device.type != "cpu" or sim.params.warp.enabled:
            raise NotImplementedError("cameras see the CPU engine's environments alone; use pipeline and device cpu")
        self.sim = sim
        self._renderers: OrderedDict[tuple[int, int, int], Any] = OrderedDict()

    def image(self, camera: Camera, kind: ImageType, early: bool = False) -> torch.Tensor:
        """The image of a kind as of the last :meth:`render`. If it is the first of its kind it is drawn now; with ``early``
        it is blank before the simulation is prepared, since clients ask for it while they create environments."""
        if kind == ImageType.IMAGE_OPTICAL_FLOW:
            raise NotImplementedError("cameras give colour, depth and segmentation, no optical flow")
        if kind not in camera.images:
            if early and not self.sim.prepared:
                shape, dtype = SHAPES[kind]
                camera.images[kind] = torch.zeros(camera.props.height, camera.props.width, *shape, dtype=dtype)
            else:
                camera.images[kind] = torch.from_numpy(self._draw(camera, [kind])[0])
        return camera.images[kind]

    def render(self, cameras: list[Camera]) -> None:
        """Draw all images that were asked for, into the same memory."""
        for camera in cameras:
            kinds = list(camera.images)
            for kind, image in zip(kinds, self._draw(camera, kinds), strict=True):
                camera.images[kind].copy_(torch.from_numpy(image))

    def close(self) -> None:
        for drawer in self._renderers.values():
            drawer.close()
        self._renderers.clear()

    def _renderer(self, model: mujoco.MjModel, width: int, height: int) -> Any:
        key = id(model), width, height
        if key not in self._renderers:
            if len(self._renderers) >= KEPT:
                self._renderers.popitem(last=False)[1].close()
            model.vis.global_.offwidth = max(model.vis.global_.offwidth, width)
            model.vis.global_.offheight = max(model.vis.global_.offheight, height)
            self._renderers[key] = make_renderer(model, width, height)
        self._renderers.move_to_end(key)
        return self._renderers[key]

    def _draw(self, camera: Camera, kinds: list[ImageType]) -> list[np.ndarray]:
        """Colour (h, w, 4) uint8; depth (h, w) float32, negative metres along the view, -inf where there is nothing;
        segmentation (h, w) int32."""
        if not kinds:
            return []
        sim, env, props = self.sim, camera.env, camera.props
        sim.prepare()
        sim._engine.forward()  # states that were set show at once
        model, data = sim.inspect(env.index)
        drawer = self._renderer(model, props.width, props.height)
        near, far = camera.planes()
        # The renderer computes depth from the model's planes.
        model.vis.map.znear, model.vis.map.zfar = near / model.stat.extent, far / model.stat.extent
        drawer.update_scene(data)
        self._aim(drawer.scene, camera, near, far)
        bodies = [(i, b) for i, actor in enumerate(env.actors) for b in range(len(actor.asset.body_names))]
        for geom in drawer.scene.geoms[: drawer.scene.ngeom]:
            if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM and (body := int(model.geom_bodyid[geom.objid])):
                color = env.colors.get(bodies[body - 1])
                if color is not None:
                    geom.matid, geom.rgba = -1, np.array([*color, 1.0], dtype=np.float32)
        out = []
        for kind in kinds:
            if kind == ImageType.IMAGE_COLOR:
                drawer.disable_depth_rendering()
                drawer.disable_segmentation_rendering()
                opaque = np.full((props.height, props.width, 1), 255, dtype=np.uint8)
                out.append(np.concatenate([drawer.render(), opaque], axis=2))
            elif kind == ImageType.IMAGE_DEPTH:
                drawer.enable_depth_rendering()
                out.append(_depth(drawer.render(), near, far))
            else:
                drawer.enable_segmentation_rendering()
                out.append(self._segments(model, env, bodies, drawer.render()))
        return out

    def _aim(self, scene: mujoco.MjvScene, camera: Camera, near: float, far: float) -> None:
        pose = camera.placed(self.sim)
        forward, up = pose.r.rotate(Vec3(1, 0, 0)), pose.r.rotate(Vec3(0, 0, 1))
        half = (
            near * math.tan(math.radians(camera.props.horizontal_fov) / 2.0) * camera.props.height / camera.props.width
        )
        for eye in scene.camera:  # one for each eye
            eye.pos = [pose.p.x, pose.p.y, pose.p.z]
            eye.forward, eye.up = [forward.x, forward.y, forward.z], [up.x, up.y, up.z]
            eye.frustum_near, eye.frustum_far = near, far
            eye.frustum_center, eye.frustum_width, eye.frustum_bottom, eye.frustum_top = 0.0, 0.0, -half, half
            eye.orthographic = 0
        for light in scene.lights[: scene.nlight]:
            if light.headlight:
                light.pos, light.dir = [pose.p.x, pose.p.y, pose.p.z], [forward.x, forward.y, forward.z]
                light.ambient, light.diffuse = [AMBIENT] * 3, [1.0 - AMBIENT] * 3

    @staticmethod
    def _segments(model: mujoco.MjModel, env: Env, bodies: list[tuple[int, int]], drawn: np.ndarray) -> np.ndarray:
        """Segmentation ids of bodies, or of their actors, from (h, w, 2) MuJoCo's ids and types; 0 for all else."""
        ids = np.zeros(model.ngeom + 1, dtype=np.int32)
        for geom, body in enumerate(model.geom_bodyid):
            if body:
                actor, k = bodies[body - 1]
                ids[geom] = env.segmentation.get((actor, k), env.actors[actor].segmentation_id)
        is_geom = drawn[..., 1] == mujoco.mjtObj.mjOBJ_GEOM
        return ids[np.where(is_geom, drawn[..., 0], model.ngeom)]


def _depth(rendered: np.ndarray, near: float, far: float) -> np.ndarray:
    """Negative depths, -inf where there is nothing. The renderer turns OpenGL's depth (1 at the near plane, 0 at the far one)
    into metres with coefficients that it rounds to float32, which spoils what is far: take that back and do it exactly."""
    n, f = np.float32(near), np.float32(far)
    c = np.float32(-0.5) * (-(f + n) / (f - n)) - np.float32(0.5)
    d = np.float32(-0.5) * (-(np.float32(2) * f * n) / (f - n))
    buffer = float(d) / rendered.astype(np.float64) - float(c)
    metres = near * far / (near + buffer * (far - near))
    return np.where(metres < 0.99 * far, -metres, -np.inf).astype(np.float32)


def looking_at(position: Vec3, target: Vec3, up: Vec3) -> Transform:
    """The pose of a camera at a position that looks at a target, with ``up`` upwards in its image.

    Raises:
        ValueError: both are the same place.
    """
    direction = target - position
    if direction.length() < 1e-9:
        raise ValueError("set_camera_location: the camera cannot look at where it is")
    x = direction.normalize()
    y = up.cross(x)
    if y.length() < 1e-6:  # straight up or down: any direction is as good
        y = Vec3(0, 1, 0).cross(x) if abs(x.y) < 0.9 else Vec3(1, 0, 0).cross(x)
    y = y.normalize()
    z = x.cross(y)
    quat = np.empty(4)
    mujoco.mju_mat2Quat(quat, np.array([[x.x, y.x, z.x], [x.y, y.y, z.y], [x.z, y.z, z.z]]).ravel())
    w, x_, y_, z_ = map(float, quat)
    return Transform(Vec3(position.x, position.y, position.z), Quat(x_, y_, z_, w))
