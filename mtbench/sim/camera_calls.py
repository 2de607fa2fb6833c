"""The calls of ``gymapi.Gym`` about camera sensors."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from .arguments import checked
from .cameras import Camera, looking_at
from .checks import check_pose, check_vector
from .datatypes import UpAxis
from .gymtorch import Tensor
from .handles import actor_of, body_of, call, index_of, simulation, within
from .pose_types import Transform, Vec3
from .viewer_types import CameraFollowMode, CameraProperties, ImageType

if TYPE_CHECKING:
    from .scene import Env
    from .simulation import Simulation as Sim


@checked
class CameraCalls:
    """Cameras, on the CPU engine. Handles count within the environment."""

    def create_camera_sensor(self, env: Env, properties: CameraProperties) -> int:
        """A camera at the environment's origin, looking along x; its handle."""
        if not 0.0 < properties.horizontal_fov < 180.0 or min(properties.width, properties.height) < 1:
            raise ValueError(
                "gym.create_camera_sensor: a camera has pixels, and a field of view between 0 and 180 degrees, not "
                f"{properties.width} x {properties.height} and {properties.horizontal_fov}"
            )
        if not properties.near_plane < properties.far_plane:
            planes = f"{properties.near_plane} and {properties.far_plane}"
            raise ValueError(f"gym.create_camera_sensor: the near plane is nearer than the far plane, not {planes} m")
        simulation(env).studio()  # says at once where there are no cameras
        env.cameras.append(Camera(env, copy.copy(properties)))
        return len(env.cameras) - 1

    def destroy_camera_sensor(self, sim: Sim, env: Env, handle: int) -> None:
        _camera(env, handle)
        env.cameras[index_of(handle)] = None  # other handles stay

    def set_camera_location(self, handle: int, env: Env, position: Vec3, target: Vec3) -> None:
        """Put the camera at a position of the environment, looking at another. It leaves the body it was on."""
        camera = _camera(env, handle)
        check_vector(position, "a camera's position")
        check_vector(target, "a camera's target")
        z_up = simulation(env).params.up_axis == UpAxis.UP_AXIS_Z
        camera.pose, camera.body = looking_at(position, target, Vec3(0, 0, 1) if z_up else Vec3(0, 1, 0)), None

    def set_camera_transform(self, handle: int, env: Env, pose: Transform) -> None:
        """Put the camera at a pose of the environment: it looks along x, z is up. It leaves the body it was on."""
        camera = _camera(env, handle)
        check_pose(pose, "a camera's pose")
        camera.pose, camera.body = copy.deepcopy(pose), None

    def attach_camera_to_body(
        self, handle: int, env: Env, body: int, local_pose: Transform, follow: CameraFollowMode
    ) -> None:
        """Let the camera go with a body (its handle), at a pose of the body's frame; with ``FOLLOW_POSITION`` it does not
        turn with it."""
        camera = _camera(env, handle)
        body_of(env, body)
        check_pose(local_pose, "a camera's pose on a body")
        camera.pose, camera.body = copy.deepcopy(local_pose), index_of(body)
        camera.follow = CameraFollowMode(index_of(follow))

    def get_camera_transform(self, sim: Sim, env: Env, handle: int) -> Transform:
        return copy.deepcopy(_camera(env, handle).placed(sim))

    def get_camera_view_matrix(self, sim: Sim, env: Env, handle: int) -> np.ndarray:
        """(4, 4) for row vectors: points of the environment to the frame of OpenGL's camera, which looks along -z."""
        return _camera(env, handle).view_matrix(sim)

    def get_camera_proj_matrix(self, sim: Sim, env: Env, handle: int) -> np.ndarray:
        """(4, 4) for row vectors, OpenGL's."""
        return _camera(env, handle).projection_matrix()

    def render_all_camera_sensors(self, sim: Sim) -> None:
        """Draw the images that were asked for, as the environments are now."""
        cameras = [camera for env in sim.envs for camera in env.cameras if camera is not None]
        if cameras:
            sim.studio().render(cameras)

    def start_access_image_tensors(self, sim: Sim) -> None:
        """Images are complete when ``render_all_camera_sensors`` returns."""

    def end_access_image_tensors(self, sim: Sim) -> None:
        """Nothing to hand back."""

    def get_camera_image(self, sim: Sim, env: Env, handle: int, kind: ImageType) -> np.ndarray:
        """A copy of an image: colour (height, width * 4) uint8, depth (height, width) float32 or segmentation (height, width)
        uint32. Depth is negative metres along the view, -inf where there is nothing."""
        image = sim.studio().image(_camera(env, handle), ImageType(index_of(kind))).numpy().copy()
        if kind == ImageType.IMAGE_COLOR:
            return image.reshape(len(image), -1)
        return image.view(np.uint32) if kind == ImageType.IMAGE_SEGMENTATION else image

    def get_camera_image_gpu_tensor(self, sim: Sim, env: Env, handle: int, kind: ImageType) -> Tensor:
        """An image that ``render_all_camera_sensors`` fills: colour (height, width, 4) uint8, depth (height, width) float32,
        segmentation (height, width) int32. It is on the CPU, and zero if asked for before the simulation is prepared."""
        return Tensor(sim.studio().image(_camera(env, handle), ImageType(index_of(kind)), early=True))

    def write_camera_image_to_file(self, sim: Sim, env: Env, handle: int, kind: ImageType, filename: str) -> None:
        """A PNG: colours; depth in millimetres or segmentation ids as 16-bit grey."""
        image = sim.studio().image(_camera(env, handle), ImageType(index_of(kind))).numpy()
        if kind == ImageType.IMAGE_COLOR:
            Image.fromarray(image).save(filename, "PNG")
        else:
            values = -1000.0 * image if kind == ImageType.IMAGE_DEPTH else image
            Image.fromarray(np.clip(np.nan_to_num(values), 0, 65535).astype(np.uint16)).save(filename, "PNG")

    def get_rigid_body_segmentation_id(self, env: Env, handle: int, body: int) -> int:
        """The body's own, or its actor's."""
        actor = actor_of(env, handle)
        body = within(body, len(actor.asset.body_names), f"rigid bodies of actor {actor.name!r}")
        return env.segmentation.get((index_of(handle), body), actor.segmentation_id)

    def set_rigid_body_segmentation_id(self, env: Env, handle: int, body: int, segmentation_id: int) -> None:
        actor = actor_of(env, handle)
        body = within(body, len(actor.asset.body_names), f"rigid bodies of actor {actor.name!r}")
        env.segmentation[index_of(handle), body] = index_of(segmentation_id)


def _camera(env: Env, handle: int) -> Camera:
    camera = env.cameras[index_of(handle)] if 0 <= index_of(handle) < len(env.cameras) else None
    if camera is None:
        raise ValueError(f"{call()}: environment {env.index} has no camera with handle {handle}")
    return camera
