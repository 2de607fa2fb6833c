"""The tasks' assets, specifications and rewards, without the environment."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import mujoco
import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from isaacgymenvs_tasks.metaworld.scenes import TASKS
from isaacgymenvs_tasks.metaworld.task import TaskSpec

from .test_rewards import make_state

ASSETS = Path(__file__).parents[2] / "assets" / "metaworld"
MT10 = {
    4: "button_press_topdown", 16: "door_open", 17: "drawer_close", 18: "drawer_open", 28: "peg_insert_side",
    31: "pick_place", 38: "push", 40: "reach", 48: "window_close", 49: "window_open",
}  # fmt: skip

specs = pytest.mark.parametrize("spec", TASKS.values(), ids=TASKS.keys())


def test_names_and_ids_are_mtbenchs() -> None:
    listed = yaml.safe_load((ASSETS.parents[1] / "cfg" / "task" / "MT50.yaml").read_text())["env"]["tasks"]
    assert len(listed) == 50
    assert {name: spec.task_id for name, spec in TASKS.items()} == {name: k for k, name in enumerate(listed)}
    assert {k: listed[k] for k in MT10} == MT10


@pytest.mark.parametrize("path", sorted(ASSETS.glob("*.xml")), ids=lambda p: p.stem)
def test_asset_compiles_from_primitives_with_one_root_and_stays_at_rest(path: Path) -> None:
    spec = mujoco.MjSpec.from_file(str(path))
    spec.option.timestep = 1 / 120
    root = spec.worldbody.first_body()
    assert len(spec.worldbody.bodies) == 1 and not root.joints and not spec.meshes
    free = path.stem in ("cube", "peg")
    if free:
        root.add_freejoint()
        spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 0.1])
        root.pos = [0, 0, 0.02 if path.stem == "cube" else 0.015]
    model = spec.compile()
    collides = (model.geom_contype > 0) | (model.geom_conaffinity > 0)
    allowed = {"mjGEOM_BOX", "mjGEOM_SPHERE", "mjGEOM_CAPSULE", "mjGEOM_PLANE"}
    assert {mujoco.mjtGeom(t).name for t in model.geom_type[collides]} <= allowed
    for fraction in (0.0, 0.5, 1.0):
        data = mujoco.MjData(model)
        for j in range(0 if free or path.stem == "button" else model.njnt):
            low, high = model.jnt_range[j]
            data.qpos[model.jnt_qposadr[j]] = low + fraction * (high - low)
        start = data.qpos.copy()
        mujoco.mj_step(model, data, 120)
        assert np.abs(data.qpos - start).max(initial=0.0) < 1e-3


def test_a_pressed_button_comes_back() -> None:
    model = mujoco.MjModel.from_xml_path(str(ASSETS / "button.xml"))
    data = mujoco.MjData(model)
    data.qpos[0] = -0.05
    mujoco.mj_step(model, data, 5000)
    assert data.qpos[0] > -0.001


@specs
def test_specification_names_what_its_assets_have(spec: TaskSpec) -> None:
    models = {a.name: mujoco.MjModel.from_xml_path(str(ASSETS / a.asset)) for a in spec.actors}
    for actor in spec.actors:
        joints = {models[actor.name].joint(j).name for j in range(models[actor.name].njnt)}
        assert set(actor.dofs) <= joints
    for point in spec.observed:
        models[point.actor].body(point.body)


@specs
def test_goals_lie_within_the_arms_reach(spec: TaskSpec) -> None:
    """A hand that points down reaches 0.27 to 0.79 m from the base axis at x = -0.55."""
    corners = torch.cartesian_prod(
        *[torch.tensor(b) for b in zip(spec.reset_low, spec.reset_high, strict=True)]
    ).reshape(-1, len(spec.reset_low))
    follows = spec.goal.follows
    assert follows is not None
    goals = torch.tensor(spec.goal.offset) + corners[:, 3 * follows : 3 * follows + 3]
    radius = (goals[:, :2] - torch.tensor([-0.55, 0.0])).norm(dim=-1)
    assert radius.min() > 0.3 and radius.max() < 0.78


@specs
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_rewards_are_finite_and_between_0_and_10(spec: TaskSpec, seed: int) -> None:
    state = make_state(64, seed, params=spec.params)
    # Some margins vanish: nothing has moved, everything is in one place.
    state = dataclasses.replace(state, tcp_init=torch.where(torch.arange(64)[:, None] < 8, state.obj, state.tcp_init))
    reward, success = spec.reward(state)
    assert reward.shape == success.shape == (64,) and success.dtype == torch.bool
    assert bool(torch.isfinite(reward).all()) and float(reward.min()) >= 0.0 and float(reward.max()) <= 10.0 + 1e-5
    assert bool((reward[success] == 10.0).all())


@specs
def test_success_at_the_goal_and_not_at_the_start(spec: TaskSpec) -> None:
    state = make_state(16, 1, params=spec.params)
    for seed in range(2, 10):  # far from the goal
        far = (state.obj - state.goal).abs().min() > 0.1 and (state.tcp - state.goal).norm(dim=-1).min() > 0.1
        if far:
            break
        state = make_state(1, seed, params=spec.params)
    at_goal = dataclasses.replace(state, tcp=state.goal, obj=state.goal, obj2=state.goal)
    reward, success = spec.reward(at_goal)
    assert bool(success.all()) and bool((reward == 10.0).all())
    away = state.goal + torch.tensor([0.1, -0.16, 0.12])
    away[:, 1] += 0.32 * (spec.name == "window_close")
    assert not bool(spec.reward(dataclasses.replace(state, tcp=away, obj=away, obj2=away))[1].any())
