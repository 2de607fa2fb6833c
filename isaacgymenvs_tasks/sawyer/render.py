"""Films and pictures of official tasks, without a display: the first environment of every task, its goal as a green ball."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from PIL import Image

from isaacgymenvs_tasks import pictures
from isaacgymenvs_tasks.metaworld.experts import Policy
from isaacgymenvs_tasks.sawyer import wheel
from isaacgymenvs_tasks.sawyer.env import OfficialMetaWorld
from mtbench.sim.cameras import make_renderer

GOAL_COLOUR = np.array([0.1, 0.75, 0.2, 0.6], np.float32)
CAMERA = "corner2"  #: of the package's models; others are topview, corner, corner3, corner4 and behindGripper


class Camera:
    """Looks at one environment through a camera of the package's model, textures and all.

    The environment steps a model without what is only drawn, so its coordinates are shown by the whole one.

    Args:
        index: which of the environments.
        size: (width, height) of the pictures in pixels.
        camera: its name in the model.

    Raises:
        RuntimeError: there is no OpenGL to draw with.
    """

    def __init__(self, env: OfficialMetaWorld, index: int, size: tuple[int, int], camera: str = CAMERA) -> None:
        self.env, self.index, self.camera = env, index, camera
        spec = env.specs[int(env.task_index[index])]
        self.model = wheel.load(spec.file, drawn=True)
        self.data = mujoco.MjData(self.model)
        self.renderer = make_renderer(self.model, *size)

    def shoot(self) -> Image.Image:
        """The environment as it stands."""
        stepped, state = self.env.physics.inspect(self.index)
        own = self.model.body_pos.copy()
        self.model.body_pos[:] = stepped.body_pos
        self.data.qpos[:], self.data.mocap_pos[:] = state.qpos, state.mocap_pos
        mujoco.mj_forward(self.model, self.data)
        self.model.body_pos[:] = own  # the model is shared
        self.renderer.update_scene(self.data, self.camera)
        pictures.add_ball(self.renderer.scene, goals(self.env, self.index)[0], 0.02, GOAL_COLOUR)
        # The package's cameras hang upside down.
        return Image.fromarray(self.renderer.render()[::-1].copy())

    def close(self) -> None:
        """Free what draws."""
        self.renderer.close()


def reached(env: OfficialMetaWorld, index: int) -> float:
    """1 once an environment has succeeded in this episode, before that 0."""
    return float(env.episode_success[index])


def goals(env: OfficialMetaWorld, index: int) -> np.ndarray:
    """(1, 3) m, the goal of an environment."""
    return env.goal[index : index + 1].double().cpu().numpy()


def view(env: OfficialMetaWorld, index: int) -> tuple[np.ndarray, np.ndarray]:
    """(3,) m, where to look from and at what: the middle of the table."""
    return np.array((1.1, 0.2, 0.9)), np.array((0.0, 0.65, 0.1))


def film(env: OfficialMetaWorld, policy: Policy, path: Path, width: int = 200, **options: Any) -> None:
    """Write one episode of the first environment of every task, side by side, in pictures ``width`` pixels wide; see
    :func:`isaacgymenvs_tasks.pictures.film` for the ``options``."""
    env.reset()
    cameras = [Camera(env, rows.start, (width, width * 2 // 5 * 2)) for rows in env.task_slices]
    pictures.film(env, policy, cameras, reached, path, **options)


def sheet(env: OfficialMetaWorld, policy: Policy) -> Image.Image:
    """The first environment of every task, see :func:`isaacgymenvs_tasks.pictures.sheet`."""

    def shoot(index: int) -> Image.Image:
        camera = Camera(env, index, (240, 192))
        picture = camera.shoot()
        camera.close()
        return picture

    return pictures.sheet(env, policy, shoot, reached)
