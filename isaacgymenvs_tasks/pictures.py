"""Drawing without a display: what the pictures of all benchmarks have in common.

``MUJOCO_GL`` chooses between ``egl`` (the default where there is no display) and ``osmesa``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import imageio
import mujoco
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from isaacgymenvs_tasks.options import whole

COLUMNS = 10
BORDER = 3  #: pixels of a mark around a picture
HOLD = 2.0  #: s that a film stays on its last picture
AFTER = 0.5  #: s that a film goes on when all tasks are solved


#: Options of commands that film, as text.
FILM = {"width": "200", "fps": "20", "colours": "96"}


class Mark(NamedTuple):
    """What a picture says of its task: a caption and the colour of its frame, "" where there is nothing to say."""

    text: str = ""
    colour: str = ""


def mark(share: float, over: bool, parts: int = 1) -> Mark:
    """How a task goes, of which ``share`` in [0, 1] is done, in so many ``parts``, and whether its episode is ``over``."""
    count = f"{round(share * parts)}/{parts} " if parts > 1 else ""
    if share >= 1.0:
        return Mark(f"{count}solved", "#15803d")
    return Mark(f"{count}failed", "#c2260c") if over else Mark(count.strip(), "#4b5563" if count else "")


class Shot(Protocol):
    """A camera on the environment ``index``."""

    index: int

    def shoot(self) -> Image.Image:
        """The environment as it stands."""

    def close(self) -> None:
        """Free what draws."""


def add_ball(scene: mujoco.MjvScene, position: np.ndarray, radius: float, colour: np.ndarray) -> None:
    """Put a ball that is drawn and nothing else at a position (3,)."""
    ball = scene.geoms[scene.ngeom]
    mujoco.mjv_initGeom(ball, mujoco.mjtGeom.mjGEOM_SPHERE, np.full(3, radius), position, np.eye(3).ravel(), colour)
    scene.ngeom += 1


def title_height(width: int) -> int:
    """Pixels above a picture of this width, where its name stands."""
    return max(14, width // 24 * 2)  # even, as a film's sides must be


def mosaic(
    rows: Sequence[Sequence[Image.Image]],
    names: Sequence[str],
    marks: Sequence[Mark] | None = None,
    columns: int = COLUMNS,
) -> Image.Image:
    """One picture: the images of ``rows`` below one another, column by column under their names, so many ``columns``
    abreast; the images of the last row bear the ``marks``."""
    width, height = rows[0][0].size
    title = title_height(width)
    columns, block = min(columns, len(names)), len(rows) * height + title
    page = Image.new("RGB", (columns * width, -(-len(names) // columns) * block), "white")
    pen = ImageDraw.Draw(page)
    for k, name in enumerate(names):
        x, y = k % columns * width, k // columns * block
        pen.text((x + width // 2, y + title // 2), name, "black", _font(name, width - 4, title - 3), "mm")
        for j, row in enumerate(rows):
            page.paste(row[k], (x, y + title + j * height))
        if marks and marks[k].text:
            _draw_mark(pen, marks[k], (x, y + block - height, x + width - 1, y + block - 1), title)
    return page


def _draw_mark(pen: ImageDraw.ImageDraw, mark: Mark, box: tuple[int, int, int, int], size: int) -> None:
    """A frame inside ``box`` (left, top, right, bottom) and the caption in its lower left corner."""
    pen.rectangle(box, outline=mark.colour, width=BORDER)
    left, _, _, bottom = box
    font = _font(mark.text, box[2] - left - 8, size - 3)
    length = pen.textlength(mark.text, font)
    pen.rectangle((left, bottom - size, left + length + 8, bottom), fill=mark.colour)
    pen.text((left + 4, bottom - size // 2), mark.text, "white", font, "lm")


@lru_cache
def _font(text: str, width: int, size: int) -> Any:
    """Pillow's font, ``size`` pixels or as much smaller as ``text`` needs to be no longer than ``width`` pixels."""
    font = ImageFont.load_default(size)
    return font if size <= 7 or font.getlength(text) <= width else _font(text, width, size - 1)


def check_suffix(path: Path) -> None:
    """Raise a ValueError unless the file's name says that it is a picture or a film."""
    if path.suffix not in (".png", ".mp4", ".gif"):
        raise ValueError(f"out={path}: choose a name that ends with .mp4, .gif or .png")


def film_options(options: Mapping[str, str]) -> dict[str, int]:
    """Arguments of a benchmark's ``film`` from the options of a command.

    Raises:
        ValueError: one is no whole number, or none that makes sense.
    """
    width = whole(options, "width", 64, 1920) // 2 * 2
    return {"width": width, "fps": whole(options, "fps", 1, 60), "colours": whole(options, "colours", 8, 256)}


def film(
    env: Any,
    policy: Callable[[Any], Any],
    cameras: Sequence[Shot],
    reached: Callable[[Any, int], float],
    path: Path,
    parts: int = 1,
    fps: float = 20.0,
    colours: int = 96,
) -> None:
    """Write an episode of every task, side by side, in real time. A task is marked when it is solved, and stands still when
    its episode is over; the film ends when all are solved or over, with a held picture where what failed is marked too.

    Args:
        env: a :class:`~isaacgymenvs_tasks.vec_task.VecTask` at the start of its episodes.
        policy: environment -> actions.
        cameras: one a task.
        reached: (environment, index) -> share of its task that an environment has done in this episode.
        path: its suffix chooses MP4 or GIF.
        parts: how many parts a task has.
        fps: frames a second, about: a frame is a whole number of control steps.
        colours: of a GIF.
    """
    count, step_dt = len(cameras), env.step_dt
    every = max(1, round(1.0 / (fps * step_dt)))
    columns = count if count <= 5 else min(COLUMNS, -(-count // 2))
    shown: list[Image.Image] = [camera.shoot() for camera in cameras]
    share, going, frames = [0.0] * count, set(range(count)), []

    def look(end: bool = False) -> None:
        for k in going:
            shown[k], share[k] = cameras[k].shoot(), reached(env, cameras[k].index)
        marks = [mark(share[k], end or k not in going, parts) for k in range(count)]
        frames.append(mosaic([shown], env.task_names, marks, columns))

    left = env.max_episode_length - 1  # the last step would show the next episode's beginning
    for step in range(left):
        if step % every == 0:
            look()
        _, _, done, extras = env.step(policy(env))
        for k in [k for k in going if done[cameras[k].index]]:
            going.remove(k)
            share[k] = float(extras["finished"]["success"][cameras[k].index])
        solved = all(reached(env, cameras[k].index) >= 1.0 if k in going else share[k] >= 1.0 for k in range(count))
        left = min(left, step + 1 + round(AFTER / step_dt)) if solved else left
        if not going or step + 1 >= left:
            break
    look(end=True)
    for camera in cameras:
        camera.close()
    save_film(frames, path, every * step_dt, colours)


def sheet(
    env: Any,
    policy: Callable[[Any], Any],
    shoot: Callable[[int], Image.Image],
    reached: Callable[[Any, int], float],
) -> Image.Image:
    """The first environment of every task as it begins and, below, at its first success, or where it failed at the end of
    its episode; marks say which.

    Args:
        policy: environment -> actions.
        shoot: index of an environment -> its picture.
        reached: (environment, index) -> 1 once it has succeeded in this episode.
    """
    watched = [rows.start for rows in env.task_slices]
    env.reset()
    first = [shoot(index) for index in watched]
    last = list(first)
    waiting = set(range(env.num_tasks))
    for _ in range(env.max_episode_length - 1):  # the last step would show the next episode's beginning
        env.step(policy(env))
        for k in [k for k in waiting if bool(env.success_buf[watched[k]])]:
            last[k] = shoot(watched[k])
            waiting.remove(k)
    for k in waiting:
        last[k] = shoot(watched[k])
    marks = [mark(reached(env, index), over=True) for index in watched]
    return mosaic([first, last], env.task_names, marks)


def save_picture(page: Image.Image, path: Path) -> None:
    """Write a PNG of few colours, which is a third as large."""
    page.quantize(192, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(path, optimize=True)


def save_film(frames: Sequence[Image.Image], path: Path, seconds: float, colours: int) -> None:
    """Write pictures of one size, each shown for so many ``seconds``, the last one for HOLD, as an MP4 or GIF file."""
    if path.suffix == ".mp4":
        pictures = [np.asarray(frame) for frame in [*frames[:-1], *[frames[-1]] * round(HOLD / seconds)]]
        imageio.mimsave(path, pictures, fps=1.0 / seconds, macro_block_size=2)  # type: ignore[arg-type]
        return
    # One palette for all and no dithering: what does not move keeps its colour, and a frame stores only what moved.
    some = [*frames[:: max(1, len(frames) // 6)], frames[-1]]
    sample = Image.fromarray(np.concatenate([np.asarray(frame) for frame in some]))
    palette = sample.quantize(colours, Image.Quantize.FASTOCTREE)  # the others lose the few pixels of a red frame
    flat = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    ends = [
        round(100 * seconds * (k + 1)) * 10 for k in range(len(frames))
    ]  # ms; a GIF counts in hundredths of a second
    durations = [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
    durations[-1] = round(1000 * HOLD)
    flat[0].save(path, save_all=True, append_images=flat[1:], duration=durations, loop=0, optimize=False)
