"""Watch a policy: a film of all its tasks, or one task in the browser.

    mtbench watch checkpoint=runs/NAME/nn/best.pth [out=FILE.mp4, .gif or .png] [seed=4]
        [width=200] [fps=20] [colours=96]
    mtbench watch checkpoint=runs/NAME/nn/best.pth task=reach [port=8080]

The film shows an episode of every task side by side, in real time, and lies beside the run where ``out`` is left out; a PNG
shows how they go. Both mark what was solved and what failed. In the browser, episodes follow one another until Ctrl-C; the
page is served to this machine only, and answers no other page. From another machine, ``ssh -L 8080:127.0.0.1:8080 THIS_ONE``
and http://localhost:8080 there.
"""

from __future__ import annotations

import importlib.util
import itertools
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtbench.commands.command_line import run_command
from mtbench.commands.origin import own_pages_only
from mtbench.learning.errors import UserError, unknown
from mtbench.learning.player import Policy, load_policy, mean_policy, own_env

HOST = "127.0.0.1"
_DEFAULTS = {"checkpoint": "", "out": "", "task": "", "port": "8080", "seed": "4"}
_FILM = {"width": "200", "fps": "20", "colours": "96"}


def serve(env: Any, policy: Policy, index: int, port: int, going: Callable[[], bool] = lambda: True) -> None:
    """Show an environment, the only one of its task, in the browser, in real time, for as long as ``going``.

    Args:
        env: on the CPU engine.
        policy: acts in all of its environments.
        index: of the one to show.
        port: of the page.
        going: asked at every step.

    Raises:
        UserError: mjviser is missing.
    """
    if importlib.util.find_spec("mjviser") is None:
        raise UserError("task= shows a policy in the browser with mjviser: pip install 'mtbench-robotics[viewer]'")
    import viser
    from mjviser import ViserMujocoScene

    from isaacgymenvs_tasks import drawing

    drawn = drawing(env)
    with own_pages_only():
        server = viser.ViserServer(host=HOST, port=port, verbose=False)
    name = env.task_names[int(env.task_index[index])]
    env.reset()
    scene = ViserMujocoScene(server, env.sim.inspect(index)[0], num_envs=1)
    scene.camera_tracking_enabled = False  # which would move the scene and not the camera
    position, at = drawn.view(env, index)
    server.initial_camera.position, server.initial_camera.look_at = position, at
    goal = server.scene.add_icosphere("/goal", radius=0.02, color=(25, 190, 50), opacity=0.45)
    title = server.gui.add_markdown("")
    port = server.get_port()
    there = f"ssh -L {port}:{HOST}:{port} {socket.gethostname()}"
    print(f"http://{HOST}:{port} shows {name}; Ctrl-C ends", flush=True)
    print(f"from another machine: {there}, and then http://localhost:{port} there", flush=True)
    step = env.step_dt
    before: list[float] = []
    try:
        for episode in itertools.count(1):
            done = False
            while not done:
                due = time.monotonic() + step
                reached = drawn.reached(env, index)
                done = bool(env.step(policy(env))[2][index])
                before_step, (_, at) = at, drawn.view(env, index)
                goal.position = next(iter(drawn.goals(env, index)), at)
                scene.update_from_mjdata(env.sim.inspect(index)[1])
                _follow(server, at - before_step)
                mean = f"; {np.mean(before):.0%} before" if before else ""
                title.content = f"{name}, episode {episode}: {reached:.0%}{mean}"
                if not going():
                    return
                time.sleep(max(0.0, due - time.monotonic()))
            before.append(reached)
    finally:
        server.stop()


def _follow(server: Any, shift: np.ndarray) -> None:
    """Move the cameras of all who look by ``shift`` (3,) m."""
    if not shift.any():
        return
    for client in server.get_clients().values():
        with client.atomic():
            client.camera.position, client.camera.look_at = (
                client.camera.position + shift,
                client.camera.look_at + shift,
            )


def main(arguments: Sequence[str]) -> None:
    """Read the command line."""
    from isaacgymenvs_tasks.options import output, read_options, seed_of, whole

    options = read_options(arguments, _DEFAULTS | _FILM)
    if not options["checkpoint"]:
        raise UserError("name the policy to watch: checkpoint=runs/NAME/nn/best.pth")
    names, model = load_policy(options["checkpoint"])
    if options["task"] and options["task"] not in names:
        raise unknown("task of this checkpoint", options["task"], names)

    from isaacgymenvs_tasks import drawing, film, pictures

    path = Path(options["out"] or Path(options["checkpoint"]).resolve().parents[1] / "watch.mp4")
    try:
        pictures.check_suffix(path)
        look, port, seed = pictures.film_options(options), whole(options, "port", most=65535), seed_of(options)
        if not options["task"]:
            output(path)
        env = own_env(options["checkpoint"], names, seed)
        if options["task"]:
            serve(env, mean_policy(model), names.index(options["task"]), port)
        else:
            if path.suffix == ".png":
                pictures.save_picture(drawing(env).sheet(env, mean_policy(model)), path)
            else:
                film(env, mean_policy(model), path, **look)
            print(f"wrote {path}, {path.stat().st_size / 1000:.0f} kB")
    except (ValueError, RuntimeError) as error:
        raise UserError(str(error)) from error


if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv[1:]))
