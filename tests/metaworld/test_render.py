"""Pictures and films without a display; skipped where MuJoCo finds no OpenGL."""

from __future__ import annotations

from pathlib import Path

import imageio
import numpy as np
import pytest
import torch
from PIL import Image, ImageColor, ImageDraw

from isaacgymenvs_tasks import make
from isaacgymenvs_tasks.metaworld import render
from isaacgymenvs_tasks.metaworld.env import MetaWorld
from isaacgymenvs_tasks.metaworld.experts import Policy, expert_policy
from isaacgymenvs_tasks.pictures import BORDER, HOLD, mark, save_film, title_height
from mtbench.commands.render import main

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


def lift(env: MetaWorld) -> torch.Tensor:
    """Up and away, which solves nothing."""
    return torch.tensor([0.0, 0.0, 1.0, 0.0]).expand(env.num_envs, 4)


def with_lift(env: MetaWorld, expert: Policy) -> Policy:
    """The expert for the first task, :func:`lift` for the second."""

    def act(env: MetaWorld) -> torch.Tensor:
        return torch.cat((expert(env)[env.task_slices[0]], lift(env)[env.task_slices[1]]))

    return act


def seen(picture: Image.Image, box: tuple[int, int, int, int]) -> str:
    """Which mark frames the picture in ``box``."""
    left, _, right, bottom = box
    at = picture.convert("RGB").getpixel(((left + right) // 2, bottom - 2))
    near = {name: sum(abs(a - b) for a, b in zip(at, colour, strict=True)) for name, colour in COLOURS.items()}
    name, distance = min(near.items(), key=lambda item: item[1])
    return name if distance < 40 else "none"


COLOURS = {name: ImageColor.getrgb(mark(share, True).colour) for name, share in (("solved", 1.0), ("failed", 0.0))}


def test_a_sheet_shows_begin_and_success_or_where_it_failed(env: MetaWorld) -> None:
    begun = env.generator.get_state()
    page = render.sheet(env, with_lift(env, expert_policy(env)))
    title = title_height(240)
    assert page.size == (2 * 240, 2 * 192 + title)
    boxes = [(x, title + 192, x + 240, title + 384) for x in (0, 240)]
    assert [seen(page, box) for box in boxes] == ["solved", "failed"]
    # The same episode by hand: what failed is shown as it stands at the end.
    env.generator.set_state(begun)
    env.reset()
    act = with_lift(env, expert_policy(env))
    for _ in range(env.max_episode_length - 1):
        env.step(act(env))
    with render.Camera(env, 2) as camera:
        end = np.asarray(camera.shoot())
    inside = np.s_[BORDER : 192 - 2 * title, BORDER : 240 - BORDER]
    shown = np.asarray(page.crop(boxes[1]))
    assert np.array_equal(shown[inside], end[inside])
    begin = np.asarray(page.crop((240, title, 480, title + 192)))
    assert (np.abs(begin.astype(int) - shown).sum(-1) > 30)[inside].mean() > 0.02, "the arm has moved"


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_film_moves_in_real_time_and_says_how_it_went(env: MetaWorld, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"film{suffix}"
    render.film(env, with_lift(env, expert_policy(env)), path, width=160)
    frames = [Image.fromarray(frame[..., :3]) for frame in imageio.mimread(path, memtest=False)]
    boxes = [(x, 0, x + 160, 128 + title_height(160)) for x in (0, 160)]
    marks = [[seen(frame, box) for box in boxes] for frame in frames]
    first = marks.index(["solved", "none"])  # in the frame where it happens, and from then on
    assert 0 < first < 13 and marks[:first] == first * [["none", "none"]]
    assert marks[first:13] == (13 - first) * [["solved", "none"]]
    assert set(map(tuple, marks[13:])) == {("solved", "failed")}
    if suffix == ".mp4":
        assert imageio.get_reader(path).get_meta_data()["fps"] == pytest.approx(20.0, rel=0.01)
        assert len(frames) - 13 == HOLD * 20
        assert frames[0].size == (320, 128 + title_height(160))
    else:
        with Image.open(path) as picture:
            durations = []
            for k in range(picture.n_frames):
                picture.seek(k)
                durations.append(picture.info["duration"])
        assert durations == [50] * 13 + [1000 * HOLD]


def test_a_film_ends_when_all_is_solved(env: MetaWorld, tmp_path: Path) -> None:
    reach = make("MT10", 1, task_id=["reach"], **SETTINGS | {"task.env.episodeLength": 150})
    render.film(reach, expert_policy(reach), tmp_path / "x.gif", width=64)
    with Image.open(tmp_path / "x.gif") as picture:
        assert 10 < picture.n_frames < 40  # of 50: half a second after the success


def test_a_gif_does_not_flicker(tmp_path: Path) -> None:
    """What does not move keeps its colour, and so does what is small and seen once."""
    y, x = np.mgrid[:60, :80]
    still = np.stack((3 * x, 4 * y, 255 - 2 * (x + y) // 2), -1).astype(np.uint8)
    frames = []
    for k in range(12):
        frame = still.copy()
        frame[20:30, 5 * k : 5 * k + 10] = 10 * k, 200, 40
        frames.append(Image.fromarray(frame))
    ImageDraw.Draw(frames[-1]).rectangle((70, 50, 72, 52), fill=COLOURS["failed"])
    save_film(frames, tmp_path / "x.gif", 0.066, 32)
    shown, durations = [], []
    with Image.open(tmp_path / "x.gif") as picture:
        for k in range(picture.n_frames):
            picture.seek(k)
            durations.append(picture.info["duration"])
            shown.append(np.asarray(picture.convert("RGB")).astype(int))
    assert len(shown) == 12 and durations[-1] == 2000
    assert sum(durations[:-1]) == pytest.approx(66 * 11, abs=5) and set(durations[:-1]) == {60, 70}
    outside = np.ones((60, 80), bool)
    outside[20:30] = outside[50:53, 70:73] = False
    assert all((frame[outside] == shown[0][outside]).all() for frame in shown)
    assert np.abs(shown[0][outside] - still[outside]).mean() < 16
    assert np.abs(shown[-1][51, 71] - COLOURS["failed"]).max() < 24


def test_marks() -> None:
    assert [mark(share, over).text for share in (0.0, 1.0) for over in (False, True)] == [
        "",
        "failed",
        "solved",
        "solved",
    ]
    assert [mark(3 / 8, over, 8).text for over in (False, True)] == ["3/8", "3/8 failed"]
    assert mark(1.0, True, 8).text == "8/8 solved" and mark(0.0, False, 1).colour == ""


def test_command_line(tmp_path: Path, env: MetaWorld, capsys: pytest.CaptureFixture[str]) -> None:
    main(["tasks=reach", f"out={tmp_path / 'reach.png'}"])
    assert Image.open(tmp_path / "reach.png").size == (240, 2 * 192 + title_height(240))
    film = [f"out={tmp_path / 'x.gif'}", "width=80", "fps=10", "task.env.episodeLength=13"]
    main(["task=MT10", "tasks=push", *film])
    with Image.open(tmp_path / "x.gif") as picture:
        assert picture.size == (80, 64 + title_height(80)) and picture.n_frames == 3  # steps 0, 6 and the last, 12
    for argument, words in [
        ("tasks=reahc", "did you mean"),
        ("task=MT11", "choose one of"),
        ("out=x.avi", ".mp4"),
        ("width=12", "width=12 must be a whole number from 64 to 1920"),
        ("fps=fast", "fps=fast must be"),
        ("task.env.episodeLength=1", "must be a whole number from 2 on"),
        ("checkpoint=none.pth", "none.pth"),
    ]:
        with pytest.raises(SystemExit) as failure:
            main([argument, *([] if argument.startswith("out") else [f"out={tmp_path / 'x.png'}"])])
        assert words in str(failure.value)
