"""Films and pictures of a Go1, without a display: the first robot of every terrain family, its next goals as green balls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from PIL import Image

from isaacgymenvs_tasks import pictures
from isaacgymenvs_tasks.metaworld.experts import Policy
from isaacgymenvs_tasks.parkour.env import Parkour
from isaacgymenvs_tasks.parkour.terrain.tile import NUM_GOALS
from mtbench.sim.cameras import make_renderer

GOAL_COLOUR = np.array([0.1, 0.75, 0.2, 0.8], np.float32)

Seen = tuple[mujoco.MjData, np.ndarray]  #: a robot's state and its goals (n, 3) m


class Camera:
    """Follows one robot from its right side.

    Args:
        env: on the CPU engine.
        index: which of its environments.
        size: (width, height) of the pictures in pixels.
        distance: from the robot, m.
    """

    def __init__(self, env: Parkour, index: int, size: tuple[int, int], distance: float = 2.6) -> None:
        self.env, self.index = env, index
        model, _ = env.sim.inspect(index)
        model.vis.headlight.ambient[:], model.vis.headlight.diffuse[:] = 0.45, 0.6
        model.geom_rgba[0] = 0.83, 0.84, 0.86, 1.0  # the ground
        self.camera = mujoco.MjvCamera()
        self.camera.distance, self.camera.azimuth, self.camera.elevation = distance, 60.0, -25.0
        self.option = mujoco.MjvOption()
        self.option.geomgroup[3] = 0
        self.renderer = make_renderer(model, *size)

    def look(self) -> Seen:
        """What there is to draw now, for a picture that may be wanted later."""
        return self.env.sim.inspect(self.index)[1], goals(self.env, self.index)

    def shoot(self, seen: Seen | None = None) -> Image.Image:
        """The robot where it is, or was when it was ``seen``."""
        data, ahead = seen or self.look()
        self.camera.lookat[:] = data.qpos[:3]
        self.renderer.update_scene(data, self.camera, self.option)
        for goal in ahead:
            pictures.add_ball(self.renderer.scene, goal, 0.06, GOAL_COLOUR)
        return Image.fromarray(self.renderer.render().copy())

    def close(self) -> None:
        """Free what draws."""
        self.renderer.close()


def reached(env: Parkour, index: int) -> float:
    """Share of its goals that a robot has reached in this episode."""
    return float(env.success_buf[index])


def goals(env: Parkour, index: int) -> np.ndarray:
    """(n, 3) m, what a robot is to reach, the next one first."""
    return env.goals[index, int(env.goal_index[index]) :].double().cpu().numpy()


def view(env: Parkour, index: int) -> tuple[np.ndarray, np.ndarray]:
    """(3,) m, where to look from and at what: after the robot."""
    at = env.root_states[index, :3].double().cpu().numpy()
    return at + np.array((-1.2, -2.2, 1.3)), at


def sheet(env: Parkour, policy: Policy, pictures_each: int = 4) -> Image.Image:
    """The first robot of every family at equal times of its episode, one below the other, the last where it ended; a mark
    says how many of the eight goals it has reached."""
    env.reset()
    cameras = [Camera(env, rows.start, (192, 128), 2.0) for rows in env.task_slices]
    length = env.max_episode_length
    times = {length * (2 * j + 1) // (2 * pictures_each) for j in range(pictures_each - 1)}
    last, share, going = [camera.shoot() for camera in cameras], [0.0] * len(cameras), set(range(len(cameras)))
    shown: list[list[Image.Image]] = []
    for step in range(length - 1):  # the last step would show the next episode's beginning
        seen = {k: cameras[k].look() for k in going}
        if step in times:
            for k in going:
                last[k] = cameras[k].shoot(seen[k])
            shown.append(list(last))
        _, _, done, extras = env.step(policy(env))
        for k in [k for k in going if done[cameras[k].index]]:
            going.remove(k)
            last[k] = cameras[k].shoot(seen[k])  # before the step that ended it: after it, a new one has begun
            share[k] = float(extras["finished"]["success"][cameras[k].index])
    for k in going:
        last[k], share[k] = cameras[k].shoot(), reached(env, cameras[k].index)
    for camera in cameras:
        camera.close()
    marks = [pictures.mark(part, over=True, parts=NUM_GOALS) for part in share]
    return pictures.mosaic([*shown, last], env.task_names, marks)


def film(env: Parkour, policy: Policy, path: Path, width: int = 192, **options: Any) -> None:
    """Write one episode of the first robot of every family, side by side, in pictures ``width`` pixels wide; see
    :func:`isaacgymenvs_tasks.pictures.film` for the ``options``."""
    env.reset()
    cameras = [Camera(env, rows.start, (width, width * 3 // 8 * 2)) for rows in env.task_slices]
    pictures.film(env, policy, cameras, reached, path, parts=NUM_GOALS, **options)
