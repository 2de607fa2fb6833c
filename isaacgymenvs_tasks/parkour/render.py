"""Films and pictures of a Go1, without a display: the first robot of every terrain family, its next goals as green balls."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
from PIL import Image

from isaacgymenvs_tasks import pictures
from isaacgymenvs_tasks.metaworld.experts import Policy
from isaacgymenvs_tasks.parkour.env import Parkour
from isaacgymenvs_tasks.parkour.terrain.tile import NUM_GOALS
from mtbench.sim.cameras import make_renderer

GOAL_COLOUR = np.array([0.1, 0.75, 0.2, 0.8], np.float32)


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

    def shoot(self) -> Image.Image:
        """The robot where it is."""
        _, data = self.env.sim.inspect(self.index)
        self.camera.lookat[:] = data.qpos[:3]
        self.renderer.update_scene(data, self.camera, self.option)
        for goal in goals(self.env, self.index):
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
    return env.goals[index, int(env.goal_index[index]) :].double().numpy()


def view(env: Parkour, index: int) -> tuple[np.ndarray, np.ndarray]:
    """(3,) m, where to look from and at what: after the robot."""
    at = env.root_states[index, :3].double().numpy()
    return at + np.array((-1.2, -2.2, 1.3)), at


def sheet(env: Parkour, policy: Policy, pictures_each: int = 4) -> Image.Image:
    """The first robot of every family at equal times of its episode, one below the other, the last where it ended; names say
    how many of the eight goals it has reached."""
    env.reset()
    first = [rows.start for rows in env.task_slices]
    cameras = [Camera(env, index, (192, 128), 2.0) for index in first]
    shown: list[list[Image.Image]] = []
    last = [camera.shoot() for camera in cameras]
    count, going = [0] * len(first), set(range(len(first)))
    every = env.max_episode_length // (pictures_each * 10)
    for step in range(env.max_episode_length - 1):
        if step % every == 0:
            for k in going:
                last[k], count[k] = cameras[k].shoot(), int(env.goal_index[first[k]])
        if step % (10 * every) == 5 * every:
            shown.append(list(last))
        _, _, done, extras = env.step(policy(env))
        for k in [k for k in going if done[first[k]]]:
            going.remove(k)
            count[k] = round(NUM_GOALS * float(extras["finished"]["success"][first[k]]))
    for camera in cameras:
        camera.close()
    names = [f"{name[:24]} {n}/{NUM_GOALS}" for name, n in zip(env.task_names, count, strict=True)]
    return pictures.mosaic([*shown[: pictures_each - 1], last], names)


def film(env: Parkour, policy: Policy, path: Path, every: int = 3) -> None:
    """Write one episode of the first robot of every family, side by side; a name turns green when all goals are reached."""
    env.reset()
    first = [rows.start for rows in env.task_slices]
    cameras = [Camera(env, index, (192, 144)) for index in first]
    pictures.film(env, policy, cameras, lambda: [reached(env, i) >= 1.0 for i in first], path, every)
