"""Films of Parkour."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor

import isaacgymenvs_tasks
from isaacgymenvs_tasks import pictures
from isaacgymenvs_tasks.parkour import render
from isaacgymenvs_tasks.parkour.env import Parkour


def test_a_film_follows_the_first_robot_of_every_family(tmp_path: Path) -> None:
    settings = {"task.env.randomInitialProgress": False, "task.env.episodeLength": 10}
    env = isaacgymenvs_tasks.make("ParkourEasy", 4, task_id=["squeeze", "staircase_walking"], **settings)
    path = tmp_path / "x.gif"
    try:
        isaacgymenvs_tasks.film(env, lambda e: e.zero_actions(), path)
    except RuntimeError as error:
        pytest.skip(str(error))
    with Image.open(path) as picture:
        assert picture.n_frames == 6  # steps 0, 2, 4, 6, 8, and 9, the last before the next episode
        frame = np.asarray(picture.convert("RGB"))[20:]
    left, right = frame[:, :192], frame[:, 192:]
    assert left.std() > 10 and right.std() > 10 and np.abs(left.astype(int) - right).mean() > 1
    green = (frame[..., 1].astype(int) - frame[..., 0] > 40).sum()
    assert green > 10, "the goals"


def test_a_sheet_shows_where_a_robot_was_lost(tmp_path: Path) -> None:
    """One is dropped into the pit; its last picture is the one before the step that ended the episode."""
    settings = {"task.env.randomInitialProgress": False, "task.env.episodeLength": 40}
    env = isaacgymenvs_tasks.make("ParkourEasy", 2, task_id=["squeeze", "box_jump_even"], **settings)
    try:
        camera = render.Camera(env, 1, (192, 128), 2.0)
    except RuntimeError as error:
        pytest.skip(str(error))
    falling: list[np.ndarray] = []

    lost = False

    def act(env: Parkour) -> torch.Tensor:
        nonlocal lost
        step = int(env.progress_buf[1])
        lost |= bool(falling) and step < 12  # the next episode
        if step >= 12 and not lost:
            falling.append(np.asarray(camera.shoot()))
        if step == 12 and not lost:
            env._roots.copy_(env.root_states)
            env._roots[1, :3] = torch.tensor([4.0, 4.8, -0.1])  # above the pit, beside the boxes
            ids = torch.tensor([1], dtype=torch.int32)
            env.simulator.set_actors(env._roots, env._set_dofs.view(-1, 2), ids, ids[:0])
        return env.zero_actions()

    page = render.sheet(env, act)
    camera.close()
    title = pictures.title_height(192)
    assert page.size == (2 * 192, 4 * 128 + title) and len(falling) > 3
    inside = np.s_[3 : 128 - 2 * title, 3:-3]
    last = [np.asarray(page)[title + row * 128 :][:128, 192:] for row in (2, 3)]
    shown = last[1][inside]
    far = [np.abs(shown.astype(int) - picture[inside]).mean() for picture in falling]
    assert int(np.argmin(far)) == len(falling) - 1 and far[-1] < 0.1 < far[-2]
    red = np.abs(last[1][-2, 96].astype(int) - ImageColor.getrgb(pictures.mark(0.0, True).colour))
    assert red.max() < 8
