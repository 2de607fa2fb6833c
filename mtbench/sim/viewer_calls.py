"""The calls of ``gymapi.Gym`` that draw in a window. There is no window: ``create_viewer`` returns None, as Isaac Gym does
without a display, and the others do nothing when they are given it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .arguments import checked
from .checks import check_vector, warn
from .datatypes import INVALID_HANDLE
from .handles import actor_of, index_of, within
from .pose_types import Transform, Vec3
from .viewer_types import ActionEvent, CameraProperties, Int2, KeyboardInput, MeshType, MouseInput, Vec2, Viewer

if TYPE_CHECKING:
    from .scene import Env
    from .simulation import Simulation as Sim


@checked
class ViewerCalls:
    """Windows, lines and colours."""

    def create_viewer(self, sim: Sim, properties: CameraProperties) -> Viewer | None:
        """None, with a warning: there is no window. ``create_camera_sensor`` renders images."""
        warn(
            "gym.create_viewer: there is no window, so there is no viewer (None); run the client headless, "
            "or render images with create_camera_sensor"
        )
        return None

    def destroy_viewer(self, viewer: Viewer | None) -> None:
        """Nothing to close."""

    def draw_viewer(self, viewer: Viewer | None, sim: Sim, render_collision: bool = True) -> None:
        """Nothing to draw in."""

    def poll_viewer_events(self, viewer: Viewer | None) -> None:
        """No window, no events."""

    def query_viewer_has_closed(self, viewer: Viewer | None) -> bool:
        """False: what was never open has not been closed, so that a loop on it runs."""
        return False

    def query_viewer_action_events(self, viewer: Viewer | None) -> list[ActionEvent]:
        return []

    def subscribe_viewer_keyboard_event(self, viewer: Viewer | None, key: KeyboardInput, action: str) -> None:
        """No keys are pressed."""

    def subscribe_viewer_mouse_event(self, viewer: Viewer | None, button: MouseInput, action: str) -> None:
        """No buttons are pressed."""

    def viewer_camera_look_at(self, viewer: Viewer | None, env: Env | None, position: Vec3, target: Vec3) -> None:
        """No camera to turn."""

    def get_viewer_camera_handle(self, viewer: Viewer | None) -> int:
        return INVALID_HANDLE

    def get_viewer_camera_transform(self, viewer: Viewer | None, env: Env | None) -> Transform:
        return Transform()

    def get_viewer_mouse_position(self, viewer: Viewer | None) -> Vec2:
        return Vec2()

    def get_viewer_size(self, viewer: Viewer | None) -> Int2:
        return Int2()

    def add_lines(
        self, viewer: Viewer | None, env: Env | None, num_lines: int, vertices: np.ndarray, colors: np.ndarray
    ) -> None:
        """Lines show in a window only."""

    def clear_lines(self, viewer: Viewer | None) -> None:
        """There are none."""

    def draw_env_rigid_contacts(
        self, viewer: Viewer | None, env: Env, color: Vec3, scale: float, square_root: bool
    ) -> None:
        """Contacts show in a window only."""

    def draw_env_soft_contacts(
        self, viewer: Viewer | None, env: Env, color: Vec3, scale: float, square_root: bool, tetrahedra: bool
    ) -> None:
        """There are no soft bodies."""

    def step_graphics(self, sim: Sim) -> None:
        """Poses are read when a camera is rendered."""

    def sync_frame_time(self, sim: Sim) -> None:
        """No viewer, no real time to wait for."""

    def set_light_parameters(self, sim: Sim, light: int, intensity: Vec3, ambient: Vec3, direction: Vec3) -> None:
        """Images have MuJoCo's light."""

    def create_texture_from_file(self, sim: Sim, filename: str) -> int:
        """A handle, with a warning: images show colours, no textures."""
        return _new_texture(sim)

    def create_texture_from_buffer(self, sim: Sim, width: int, height: int, buffer: np.ndarray) -> int:
        """As :meth:`create_texture_from_file`."""
        return _new_texture(sim)

    def free_texture(self, sim: Sim, texture: int) -> None:
        """Nothing is held."""

    def set_rigid_body_texture(self, env: Env, handle: int, body: int, mesh_type: MeshType, texture: int) -> None:
        """Textures are not drawn."""
        env.textures[_body(env, handle, body)] = index_of(texture)

    def get_rigid_body_texture(self, env: Env, handle: int, body: int, mesh_type: MeshType) -> int:
        return env.textures.get(_body(env, handle, body), INVALID_HANDLE)

    def reset_actor_materials(self, env: Env, handle: int, mesh_type: MeshType) -> None:
        """Forget colours that ``set_rigid_body_color`` gave."""
        for key in [k for k in env.colors if k[0] == index_of(handle)]:
            del env.colors[key]

    def set_rigid_body_color(self, env: Env, handle: int, body: int, mesh_type: Any, color: Vec3) -> None:
        """The colour of a body's shapes in images of cameras."""
        check_vector(color, "a colour")
        env.colors[_body(env, handle, body)] = float(color.x), float(color.y), float(color.z)

    def get_rigid_body_color(self, env: Env, handle: int, body: int, mesh_type: Any) -> Vec3:
        """The colour that was set, or white."""
        return Vec3(*env.colors.get(_body(env, handle, body), (1.0, 1.0, 1.0)))


def _body(env: Env, handle: int, body: int) -> tuple[int, int]:
    """(actor, body within it), which are there."""
    actor = actor_of(env, handle)
    return index_of(handle), within(body, len(actor.asset.body_names), f"rigid bodies of actor {actor.name!r}")


def _new_texture(sim: Sim) -> int:
    warn("textures are not drawn: images show colours alone")
    sim.textures += 1
    return sim.textures - 1
