"""Draws tasks as they begin and as their experts solve them, into one contact sheet.

    MUJOCO_GL=egl python -m isaacgymenvs_tasks.metaworld.render [tasks=reach,push] [seed=4] [out=docs/mt50.png]

Uses MuJoCo's renderer on the CPU engine's models. ``MUJOCO_GL`` is ``egl`` or ``osmesa`` where there is no display.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from PIL import Image, ImageDraw

from isaacgymenvs_tasks.metaworld.env import TABLE_TOP
from isaacgymenvs_tasks.metaworld.experts import expert_policy, make_env

WIDTH, HEIGHT, COLUMNS = 300, 240, 5
GOAL_COLOUR = np.array([0.1, 0.75, 0.2, 0.45], np.float32)
BACKGROUND = 255


def draw(env: Any, index: int) -> np.ndarray:
    """A picture (HEIGHT, WIDTH, 3) uint8 of environment ``index``: robot, scene and, as a green ball, the goal."""
    model, data = env.sim.engine.model(index), env.sim.engine.data(index)
    mujoco.mj_forward(model, data)
    model.vis.headlight.ambient[:], model.vis.headlight.diffuse[:] = 0.35, 0.6
    camera = mujoco.MjvCamera()
    camera.azimuth, camera.elevation, camera.distance = 60.0, -28.0, 1.15
    camera.lookat[:] = 0.0, 0.03, TABLE_TOP + 0.13
    option = mujoco.MjvOption()
    option.geomgroup[3] = 1  # the fingers have shapes for contact only
    with mujoco.Renderer(model, HEIGHT * 2, WIDTH * 2) as renderer:
        renderer.update_scene(data, camera, option)
        scene = renderer.scene
        goal = env.goal[index].double().numpy() + np.array((0.0, 0.0, TABLE_TOP))
        ball = scene.geoms[scene.ngeom]
        mujoco.mjv_initGeom(ball, mujoco.mjtGeom.mjGEOM_SPHERE, np.full(3, 0.02), goal, np.eye(3).ravel(), GOAL_COLOUR)
        scene.ngeom += 1
        picture = renderer.render().copy()
        renderer.enable_depth_rendering()
        picture[renderer.render() > 10.0] = BACKGROUND
    return np.asarray(Image.fromarray(picture).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS))


def sheet(env: Any) -> Image.Image:
    """Every task of ``env`` (one environment each), at its start above and at its expert's first success below."""
    env.reset()
    policy = expert_policy(env)
    first = [draw(env, k) for k in range(env.num_tasks)]
    last = list(first)
    waiting = set(range(env.num_tasks))
    for _ in range(env.max_episode_length - 1):
        env.step(policy(env))
        for k in [k for k in waiting if bool(env.success_buf[k])]:
            last[k] = draw(env, k)
            waiting.remove(k)
    rows = -(-env.num_tasks // COLUMNS)
    title = 18
    page = Image.new("RGB", (COLUMNS * WIDTH, rows * (2 * HEIGHT + title)), "white")
    pen = ImageDraw.Draw(page)
    for k, name in enumerate(env.task_names):
        x, y = k % COLUMNS * WIDTH, k // COLUMNS * (2 * HEIGHT + title)
        pen.text((x + 6, y + 2), name, fill="black", font_size=14)
        page.paste(Image.fromarray(first[k]), (x, y + title))
        page.paste(Image.fromarray(last[k]), (x, y + title + HEIGHT))
    return page


def main(arguments: list[str]) -> None:
    from isaacgymenvs_tasks.metaworld.scenes import TASKS

    options = {"out": "docs/mt50.png", "tasks": ",".join(TASKS), "seed": "4"}
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key not in options or not value:
            raise SystemExit(f"cannot read {argument!r}; options are " + ", ".join(f"{k}=..." for k in options))
        options[key] = value
    names, path = options["tasks"].split(","), Path(options["out"])
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet(make_env(names, len(names), int(options["seed"]))).quantize(192).save(path, optimize=True)
    print(f"wrote {path}, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
