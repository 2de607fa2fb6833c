"""Drawing without a display: what the pictures of all benchmarks have in common.

``MUJOCO_GL`` chooses between ``egl`` (the default where there is no display) and ``osmesa``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import imageio
import mujoco
import numpy as np
from PIL import Image, ImageDraw

COLUMNS = 10
TITLE = 16  #: pixels above each picture


class Shot(Protocol):
    """A camera on one environment."""

    def shoot(self) -> Image.Image:
        """The environment as it stands."""

    def close(self) -> None:
        """Free what draws."""


def add_ball(scene: mujoco.MjvScene, position: np.ndarray, radius: float, colour: np.ndarray) -> None:
    """Put a ball that is drawn and nothing else at a position (3,)."""
    ball = scene.geoms[scene.ngeom]
    mujoco.mjv_initGeom(ball, mujoco.mjtGeom.mjGEOM_SPHERE, np.full(3, radius), position, np.eye(3).ravel(), colour)
    scene.ngeom += 1


def mosaic(
    rows: Sequence[Sequence[Image.Image]], names: Sequence[str], solved: Sequence[bool] | None = None
) -> Image.Image:
    """One picture: the images of ``rows`` below one another, column by column under their names, COLUMNS abreast; the
    names of the ``solved`` are green."""
    width, height = rows[0][0].size
    columns, block = min(COLUMNS, len(names)), len(rows) * height + TITLE
    page = Image.new("RGB", (columns * width, -(-len(names) // columns) * block), "white")
    pen = ImageDraw.Draw(page)
    for k, name in enumerate(names):
        x, y = k % columns * width, k // columns * block
        pen.text((x + 4, y + 1), name, fill="green" if solved and solved[k] else "black", font_size=13)
        for j, row in enumerate(rows):
            page.paste(row[k], (x, y + TITLE + j * height))
    return page


def film(
    env: Any,
    policy: Callable[[Any], Any],
    cameras: Sequence[Shot],
    solved: Callable[[], Sequence[bool]],
    path: Path,
    every: int = 3,
) -> None:
    """Write an episode of every task, side by side, in real time.

    Args:
        env: a :class:`~isaacgymenvs_tasks.vec_task.VecTask` at the start of its episodes.
        policy: environment -> actions.
        cameras: one a task.
        solved: which tasks have succeeded so far; their names turn green.
        path: its suffix chooses MP4 or GIF.
        every: control steps for one frame.
    """
    frames = []
    for step in range(env.max_episode_length - 1):
        if step % every == 0:
            frames.append(np.asarray(mosaic([[camera.shoot() for camera in cameras]], env.task_names, solved())))
        env.step(policy(env))
    for camera in cameras:
        camera.close()
    rate = 1.0 / (env.sim_params.dt * env.control_freq_inv * every)
    if path.suffix == ".gif":
        imageio.mimsave(path, frames, duration=1000.0 / rate, loop=0)  # type: ignore[arg-type]
    else:
        imageio.mimsave(path, frames, fps=rate, macro_block_size=16)  # type: ignore[arg-type]
