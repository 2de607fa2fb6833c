"""Pictures and films of Meta-World tasks, without a display.

    python -m isaacgymenvs_tasks.metaworld.render [tasks=reach,push] [checkpoint=runs/NAME/nn/best.pth] [out=docs/mt50.png]

A PNG shows every task as it begins and, below, at its first success; an MP4 or GIF shows one episode of each, side by
side. The scripted experts act, or the policy of a checkpoint (on its own tasks). Drawing takes MuJoCo's renderer on the
CPU engine's models.
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
from isaacgymenvs_tasks.configuration import read_options
from isaacgymenvs_tasks.metaworld.env import TABLE_TOP, MetaWorld
from isaacgymenvs_tasks.metaworld.experts import Policy, expert_policy, make_env
from isaacgymenvs_tasks.pictures import add_ball, mosaic
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
        goal = self.env.goal[self.index].double().numpy() + np.array((0.0, 0.0, TABLE_TOP))
        add_ball(scene, goal, 0.02, GOAL_COLOUR)
        picture = self.renderer.render().copy()
        self.renderer.enable_depth_rendering()
        picture[self.renderer.render() > 10.0] = BACKGROUND
        self.renderer.disable_depth_rendering()
        return Image.fromarray(picture).resize(self.size, Image.Resampling.LANCZOS)


def sheet(env: MetaWorld, policy: Policy) -> Image.Image:
    """The first environment of every task as it begins and, below, at its first success (or again the beginning)."""
    watched = [rows.start for rows in env.task_slices]
    env.reset()
    first = [_shoot(env, index) for index in watched]
    last = list(first)
    waiting = set(range(env.num_tasks))
    for _ in range(env.max_episode_length - 1):
        env.step(policy(env))
        for k in [k for k in waiting if bool(env.success_buf[watched[k]])]:
            last[k] = _shoot(env, watched[k])
            waiting.remove(k)
    return mosaic([first, last], env.task_names)


def reached(env: MetaWorld, index: int) -> float:
    """1 once an environment has succeeded in this episode, before that 0."""
    return float(env.episode_success[index])


def goals(env: MetaWorld, index: int) -> np.ndarray:
    """(1, 3) m, the goal of an environment."""
    return np.array((0.0, 0.0, TABLE_TOP)) + env.goal[index : index + 1].double().numpy()


def view(env: MetaWorld, index: int) -> tuple[np.ndarray, np.ndarray]:
    """(3,) m, where to look from and at what: the middle of the table."""
    return np.array((0.9, 1.1, TABLE_TOP + 0.8)), np.array((0.0, 0.0, TABLE_TOP + 0.1))


def film(env: MetaWorld, policy: Policy, path: Path, every: int = 3) -> None:
    """Write one episode of the first environment of every task, side by side, in real time, one frame for ``every``
    control steps; a task's name turns green when it succeeded. The suffix of ``path`` chooses MP4 or GIF."""
    env.reset()
    cameras = [Camera(env, rows.start, (160, 128)) for rows in env.task_slices]

    pictures.film(env, policy, cameras, lambda: [reached(env, camera.index) > 0 for camera in cameras], path, every)


def _shoot(env: MetaWorld, index: int) -> Image.Image:
    with Camera(env, index) as camera:
        return camera.shoot()


def main(arguments: list[str]) -> None:
    from isaacgymenvs_tasks.metaworld.scenes import TASKS
    from mtbench.evaluation.player import load_policy, mean_policy
    from mtbench.learning.errors import UserError

    options = read_options(arguments, {"out": "docs/mt50.png", "tasks": "", "seed": "4", "checkpoint": ""})
    path = Path(options["out"])
    if path.suffix not in (".png", ".mp4", ".gif"):
        raise SystemExit(f"out={path}: choose a name that ends with .png, .mp4 or .gif")
    policy: Any = None
    names = options["tasks"].split(",") if options["tasks"] else list(TASKS)
    try:
        if options["checkpoint"]:
            if options["tasks"]:
                raise ValueError("a checkpoint knows its tasks; leave tasks= out")
            names, model = load_policy(options["checkpoint"])
            policy = mean_policy(model)
        env = make_env(names, len(names), int(options["seed"]))
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".png":
            sheet(env, policy or expert_policy(env)).quantize(192).save(path, optimize=True)
        else:
            film(env, policy or expert_policy(env), path)
    except (ValueError, RuntimeError, UserError) as error:
        raise SystemExit(str(error)) from error
    print(f"wrote {path}, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
