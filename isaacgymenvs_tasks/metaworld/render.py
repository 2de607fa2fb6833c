"""Pictures and films of Meta-World tasks, without a display (``mtbench render``).

Drawing takes MuJoCo's renderer on the CPU engine's models.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from types import TracebackType
from typing import Any

import mujoco
import numpy as np
from PIL import Image

from isaacgymenvs_tasks import pictures
from isaacgymenvs_tasks.metaworld.env import MetaWorld
from isaacgymenvs_tasks.metaworld.experts import Policy
from isaacgymenvs_tasks.metaworld.tables import TABLE_TOP
from isaacgymenvs_tasks.pictures import add_ball
from mtbench.sim.cameras import make_renderer

GOAL_COLOUR = np.array([0.1, 0.75, 0.2, 0.45], np.float32)
BACKGROUND = 255


class Camera:
    """Looks at one environment: the robot, the scene and, as a green ball, the goal.

    Args:
        env: on the CPU engine.
        index: which of its environments.
        size: (width, height) of the pictures in pixels.

    Raises:
        RuntimeError: there is no OpenGL to draw with.
    """

    def __init__(self, env: MetaWorld, index: int, size: tuple[int, int] = (240, 192)) -> None:
        self.env, self.index, self.size = env, index, size
        model, _ = env.sim.inspect(index)
        model.vis.headlight.ambient[:], model.vis.headlight.diffuse[:] = 0.35, 0.6
        model.geom_rgba[model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE, 3] = 0.0  # the floor would fill the picture
        self.camera = mujoco.MjvCamera()
        self.camera.azimuth, self.camera.elevation, self.camera.distance = 60.0, -28.0, 1.15
        self.camera.lookat[:] = 0.0, 0.03, TABLE_TOP + 0.13
        self.option = mujoco.MjvOption()
        self.option.geomgroup[3] = 1  # the fingers have shapes for contact only
        self.renderer = make_renderer(model, 2 * size[0], 2 * size[1])

    def __enter__(self) -> Camera:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free what draws."""
        self.renderer.close()

    def shoot(self) -> Image.Image:
        """The environment as it stands."""
        _, data = self.env.sim.inspect(self.index)
        self.renderer.update_scene(data, self.camera, self.option)
        scene = self.renderer.scene
        goal = self.env.goal[self.index].double().cpu().numpy() + np.array((0.0, 0.0, TABLE_TOP))
        add_ball(scene, goal, 0.02, GOAL_COLOUR)
        picture = self.renderer.render().copy()
        self.renderer.enable_depth_rendering()
        picture[self.renderer.render() > 10.0] = BACKGROUND
        self.renderer.disable_depth_rendering()
        return Image.fromarray(picture).resize(self.size, Image.Resampling.LANCZOS)


def sheet(env: MetaWorld, policy: Policy) -> Image.Image:
    """The first environment of every task, see :func:`isaacgymenvs_tasks.pictures.sheet`."""
    return pictures.sheet(env, policy, lambda index: _shoot(env, index), reached)


def reached(env: MetaWorld, index: int) -> float:
    """1 once an environment has succeeded in this episode, before that 0."""
    return float(env.episode_success[index])


def goals(env: MetaWorld, index: int) -> np.ndarray:
    """(1, 3) m, the goal of an environment."""
    return np.array((0.0, 0.0, TABLE_TOP)) + env.goal[index : index + 1].double().cpu().numpy()


def view(env: MetaWorld, index: int) -> tuple[np.ndarray, np.ndarray]:
    """(3,) m, where to look from and at what: the middle of the table."""
    return np.array((0.9, 1.1, TABLE_TOP + 0.8)), np.array((0.0, 0.0, TABLE_TOP + 0.1))


def film(env: MetaWorld, policy: Policy, path: Path, width: int = 200, **options: Any) -> None:
    """Write one episode of the first environment of every task, side by side, in pictures ``width`` pixels wide; see
    :func:`isaacgymenvs_tasks.pictures.film` for the ``options``."""
    env.reset()
    cameras = [Camera(env, rows.start, (width, width * 2 // 5 * 2)) for rows in env.task_slices]
    pictures.film(env, policy, cameras, reached, path, **options)


def _shoot(env: MetaWorld, index: int) -> Image.Image:
    with Camera(env, index) as camera:
        return camera.shoot()


if __name__ == "__main__":
    runpy.run_module("mtbench.commands.render", run_name="__main__")
