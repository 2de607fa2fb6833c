"""Two small tasks that do not depend on the shipped scenes: a free box, and a box with a drawer beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from isaacgymenvs_tasks.metaworld.env import MetaWorld
from isaacgymenvs_tasks.metaworld.task import GOAL, OBJECT, ActorSpec, Placement, Point, State, TaskSpec

BOX = """<mujoco><worldbody><body name="box">
  <geom type="box" size="0.02 0.02 0.02" mass="0.1"/></body></worldbody></mujoco>"""
SLIDER = """<mujoco><worldbody><body name="case"><geom type="box" size="0.05 0.05 0.02"/>
  <body name="tray" pos="0 0 0.05"><joint name="slide" type="slide" axis="1 0 0" range="-0.1 0.1" damping="2"/>
  <geom type="box" size="0.05 0.05 0.02" mass="0.2"/></body></body></worldbody></mujoco>"""


def _touch(state: State) -> tuple[torch.Tensor, torch.Tensor]:
    distance = (state.tcp - state.goal).norm(dim=-1)
    return 10.0 / (1.0 + 10.0 * distance), distance < 0.03


def _to_goal(state: State, memory: torch.Tensor) -> torch.Tensor:
    return torch.cat((10.0 * (state.goal - state.tcp), torch.ones(len(state.tcp), 1)), -1)


@pytest.fixture(scope="session")
def tiny_tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TaskSpec]:
    folder: Path = tmp_path_factory.mktemp("assets")
    (folder / "box.xml").write_text(BOX)
    (folder / "slider.xml").write_text(SLIDER)
    box = ActorSpec("box", str(folder / "box.xml"), Placement((0.0, 0.0, 0.02), OBJECT), fixed_base=False)
    slider = ActorSpec(
        "slider", str(folder / "slider.xml"), Placement((0.1, 0.3, 0.02)), yaw=torch.pi / 2, dofs={"slide": 0.05}
    )
    touch = TaskSpec(
        task_id=0,
        name="touch",
        description="Bring the hand to the goal.",
        actors=(box,),
        reset_low=(-0.1, -0.1, 0.0, -0.1, -0.1, 0.05),
        reset_high=(0.1, 0.1, 0.0, 0.1, 0.1, 0.2),
        goal=Placement(follows=GOAL),
        observed=(Point("box", "box"),),
        tcp_start=(0.0, 0.0, 0.15),
        reward=_touch,
        expert=_to_goal,
        min_distance=0.12,
    )
    tray = TaskSpec(
        task_id=1,
        name="tray",
        description="Bring the hand over the tray.",
        actors=(box, slider),
        reset_low=(-0.1, -0.1, 0.0),
        reset_high=(0.1, 0.1, 0.0),
        goal=Placement((0.0, 0.0, 0.1)),
        goal_point=Point("slider", "tray"),
        observed=(Point("box", "box", (0.0, 0.0, 0.02)), Point("slider", "tray")),
        tcp_start=(-0.05, 0.0, 0.15),
        reward=_touch,
        expert=_to_goal,
        finger_axis="y",
    )
    return {"touch": touch, "tray": tray}


@pytest.fixture
def make_env(tiny_tasks: dict[str, TaskSpec]) -> Callable[..., MetaWorld]:
    def make(num_envs: int = 4, seed: int = 0, tasks: tuple[str, ...] = ("touch", "tray"), **env: object) -> MetaWorld:
        cfg = {
            "name": "tiny",
            "seed": seed,
            "env": {"tasks": list(tasks), "numEnvs": num_envs, "episodeLength": 150, **env},
            "sim": {"dt": 1 / 60, "substeps": 2, "num_threads": 1},
        }
        return MetaWorld(cfg, registry=tiny_tasks)

    return make
