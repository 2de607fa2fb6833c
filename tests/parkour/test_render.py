"""Films of Parkour."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import isaacgymenvs_tasks


def test_a_film_follows_the_first_robot_of_every_family(tmp_path: Path) -> None:
    settings = {"task.env.randomInitialProgress": False, "task.env.episodeLength": 10}
    env = isaacgymenvs_tasks.make("ParkourEasy", 4, task_id=["squeeze", "staircase_walking"], **settings)
    path = tmp_path / "x.gif"
    try:
        isaacgymenvs_tasks.film(env, lambda e: e.zero_actions(), path)
    except RuntimeError as error:
        pytest.skip(str(error))
    with Image.open(path) as picture:
        assert picture.n_frames == 3
        frame = np.asarray(picture.convert("RGB"))[20:]
    left, right = frame[:, :192], frame[:, 192:]
    assert left.std() > 10 and right.std() > 10 and np.abs(left.astype(int) - right).mean() > 1
    green = (frame[..., 1].astype(int) - frame[..., 0] > 40).sum()
    assert green > 10, "the goals"
