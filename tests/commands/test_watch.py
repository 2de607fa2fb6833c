"""Watching a policy: a film of all tasks, and one task in the browser of this machine alone."""

from __future__ import annotations

import itertools
import socket
import urllib.error
import urllib.request
from pathlib import Path

import imageio
import pytest

from mtbench.commands import watch
from mtbench.learning.errors import UserError
from mtbench.learning.networks.model import ActorCriticModel
from tests.test_train import train_here

WALKING = Path(__file__).resolve().parents[2] / "assets" / "go1" / "walking.pth"
SMALL = ["num_envs=2", "schedule.horizon_length=8", "max_iterations=1", "eval_goals=1", "task.env.episodeLength=8"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A policy of two tasks, as training leaves it."""
    directory = tmp_path_factory.mktemp("watch")
    small = [*SMALL, "actor.units=[8]", "critic.units=[8]", "rl_device=cpu", "sim_device=cpu"]
    result = train_here(directory, "task_id=[reach,door_open]", "experiment=x", *small)
    assert result.returncode == 0, result.stderr
    return str(directory / "runs" / "x" / "nn" / "best.pth")


def test_a_film_lies_beside_the_run(checkpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        watch.main([f"checkpoint={checkpoint}"])
    except UserError as error:
        if "needs OpenGL" in str(error):
            pytest.skip("no OpenGL to film with")
        raise
    path = Path(checkpoint).parents[1] / "watch.mp4"
    assert str(path) in capsys.readouterr().out
    assert imageio.get_reader(path).count_frames() == 3 + 40  # 8 steps, a frame is three; then the end, held for 2 s


def test_a_picture_shows_how_it_goes(checkpoint: str, tmp_path: Path) -> None:
    for policy, size in ((checkpoint, (480, 404)), (str(WALKING), (192, 528))):  # two tasks twice; one robot four times
        try:
            watch.main([f"checkpoint={policy}", f"out={tmp_path / 'x.png'}"])
        except UserError as error:
            if "needs OpenGL" in str(error):
                pytest.skip("no OpenGL to draw with")
            raise
        assert imageio.imread(tmp_path / "x.png").shape[1::-1] == size


def test_mistakes(checkpoint: str) -> None:
    for arguments, words in (
        ([], "checkpoint="),
        (["chekpoint=x"], "nearest: checkpoint"),
        ([f"checkpoint={checkpoint}", "task="], "cannot read 'task='"),
        ([f"checkpoint={checkpoint}", "out=/dev/null/x.png"], "out=/dev/null/x.png cannot be written"),
        (["checkpoint=nowhere.pth"], "nowhere.pth"),
        ([f"checkpoint={checkpoint}", "task=reech"], "nearest: reach"),
        ([f"checkpoint={checkpoint}", "port=x"], "port=x must be"),
        ([f"checkpoint={checkpoint}", "colours=1000"], "colours=1000 must be"),
        ([f"checkpoint={checkpoint}", "out=x.avi"], "ends with .mp4"),
    ):
        with pytest.raises((UserError, SystemExit), match=words):
            watch.main(arguments)


def test_the_browser_viewer_answers_on_this_machine_only(checkpoint: str) -> None:
    pytest.importorskip("mjviser")
    names, model = watch.load_policy(checkpoint)
    assert isinstance(model, ActorCriticModel)
    env = watch.own_env(checkpoint, names, 0)
    with socket.socket() as free:
        free.bind((watch.HOST, 0))
        port = free.getsockname()[1]
    pages, foreign, steps = [], [], itertools.count()

    def going() -> bool:
        if next(steps) == 2:
            with urllib.request.urlopen(f"http://{watch.HOST}:{port}", timeout=10) as page:
                pages.append(page.read())
            with socket.socket() as outside:  # another address of this machine, as another machine would ask
                outside.settimeout(2)
                foreign.append(outside.connect_ex(("127.0.0.2", port)))
            rebound = urllib.request.Request(f"http://{watch.HOST}:{port}", headers={"Host": "evil.example"})
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(rebound, timeout=10)
        return not pages

    watch.serve(env, watch.mean_policy(model), 1, port, going)
    assert b"<html" in pages[0].lower() and foreign[0] != 0


def test_a_robot_without_a_run_beside_its_policy(tmp_path: Path) -> None:
    """The committed walking policy: a second in the browser's loop, the camera after it."""
    pytest.importorskip("mjviser")
    names, model = watch.load_policy(str(WALKING))
    env = watch.own_env(str(WALKING), names, 0)
    assert env.task_names == ["flat"] and env.max_episode_length == 800
    steps = itertools.count()
    watch.serve(env, watch.mean_policy(model), 0, 0, lambda: next(steps) < 50)
    assert float(env.progress_buf[0]) == 51
