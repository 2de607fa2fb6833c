"""Pictures and films of Meta-World tasks, without a display.

    python -m isaacgymenvs_tasks.metaworld.render checkpoint=runs/NAME/nn/best.pth out=policy.gif
    python -m isaacgymenvs_tasks.metaworld.render [task=MT50] [tasks=reach,push] [out=docs/mt50.png] [seed=4]
        [width=200] [fps=20] [colours=96] [task.env.episodeLength=150]

A PNG shows every task as it begins and, below, at its first success or where it failed; an MP4 or GIF shows one episode of
each, side by side, and what is solved when it happens. The scripted experts act, or the policy of a checkpoint, on its own
tasks as its run had them. A GIF of MT10 has about 2 MB: ``width`` is that of a task's picture in pixels, ``colours`` of all
frames together. Drawing takes MuJoCo's renderer on the CPU engine's models.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import mujoco
import numpy as np
from PIL import Image

from isaacgymenvs_tasks import pictures
from isaacgymenvs_tasks.configuration import read_options, whole
from isaacgymenvs_tasks.metaworld.env import TABLE_TOP, MetaWorld
from isaacgymenvs_tasks.metaworld.experts import (
    EPISODE_LENGTH,
    Policy,
    choose,
    episode_length,
    expert_policy,
    make_env,
)
from isaacgymenvs_tasks.pictures import add_ball, make_renderer

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
        goal = self.env.goal[self.index].double().numpy() + np.array((0.0, 0.0, TABLE_TOP))
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
    return np.array((0.0, 0.0, TABLE_TOP)) + env.goal[index : index + 1].double().numpy()


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


def main(arguments: list[str]) -> None:
    from mtbench.evaluation.player import load_policy, mean_policy, own_env
    from mtbench.learning.errors import UserError

    defaults = {"out": "docs/mt50.png", "task": "MT50", "tasks": "", "checkpoint": "", "seed": "4"}
    options = read_options(arguments, {**defaults, **pictures.FILM, EPISODE_LENGTH: ""})
    path = Path(options["out"])
    try:
        pictures.check_suffix(path)
        look, settings = pictures.film_options(options), episode_length(options)
        if options["checkpoint"]:
            if options["tasks"]:
                raise ValueError("a checkpoint knows its tasks; leave tasks= out")
            names, model = load_policy(options["checkpoint"])
            env = own_env(options["checkpoint"], names, whole(options, "seed"), **settings)
            policy = mean_policy(model)
        else:
            names = choose(options)
            env = make_env(names, len(names), whole(options, "seed"), options["task"], **settings)
            policy = expert_policy(env)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".png":
            pictures.save_picture(sheet(env, policy), path)
        else:
            film(env, policy, path, **look)
    except (ValueError, RuntimeError, UserError) as error:
        raise SystemExit(str(error)) from error
    print(f"wrote {path}, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
