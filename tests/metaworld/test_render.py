"""Pictures and films without a display; skipped where MuJoCo finds no OpenGL."""

from __future__ import annotations

from pathlib import Path

import imageio
import numpy as np
import pytest
from PIL import Image

from isaacgymenvs_tasks import make
from isaacgymenvs_tasks.metaworld import render
from isaacgymenvs_tasks.metaworld.env import MetaWorld
from isaacgymenvs_tasks.metaworld.experts import expert_policy
from isaacgymenvs_tasks.pictures import TITLE

SETTINGS = {"task.env.randomInitialProgress": False, "task.env.episodeLength": 40}


@pytest.fixture(scope="module")
def env() -> MetaWorld:
    env = make("MT10", 4, task_id=["reach", "door_open"], **SETTINGS)
    env.reset()
    try:
        with render.Camera(env, 0):
            return env
    except RuntimeError as error:
        pytest.skip(str(error))


def test_a_camera_sees_the_environment_it_is_given(env: MetaWorld) -> None:
    """The safe fills a good part of the picture of door_open, and of no other; and the picture is not one colour."""
    blue = []
    for index in (0, 2):
        with render.Camera(env, index) as camera:
            picture = np.asarray(camera.shoot()).astype(int)
        assert picture.shape == (192, 240, 3) and picture.std() > 20
        blue.append(int((picture[..., 2] - picture[..., 0] > 15).sum()))
    assert blue[1] > 2000 > 10 * blue[0]


def test_a_sheet_shows_begin_and_success(env: MetaWorld) -> None:
    page = render.sheet(env, expert_policy(env))
    assert page.size == (2 * 240, 2 * 192 + TITLE)
    cells = [np.asarray(page.crop((0, y, 240, y + 192))) for y in (TITLE, TITLE + 192)]
    assert not np.array_equal(*cells)  # reach succeeded elsewhere than it began


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_film_moves_in_real_time(env: MetaWorld, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"film{suffix}"
    render.film(env, expert_policy(env), path)
    frames = imageio.mimread(path, memtest=False)
    assert len(frames) == 13 and not np.array_equal(frames[0], frames[-1])
    if suffix == ".mp4":
        assert imageio.get_reader(path).get_meta_data()["fps"] == pytest.approx(20.0, rel=0.01)


def test_command_line(tmp_path: Path, env: MetaWorld, capsys: pytest.CaptureFixture[str]) -> None:
    render.main(["tasks=reach", f"out={tmp_path / 'reach.png'}"])
    assert Image.open(tmp_path / "reach.png").size == (240, 2 * 192 + TITLE)
    for argument, words in [
        ("tasks=reahc", "did you mean"),
        ("out=x.avi", ".mp4"),
        ("checkpoint=none.pth", "none.pth"),
    ]:
        with pytest.raises(SystemExit) as failure:
            render.main([argument, *([] if argument.startswith("out") else [f"out={tmp_path / 'x.png'}"])])
        assert words in str(failure.value)
