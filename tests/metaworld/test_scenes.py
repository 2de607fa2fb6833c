"""The tasks' assets, specifications, resets and rewards."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import mujoco
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from isaacgymenvs_tasks.metaworld.env import MetaWorld
from isaacgymenvs_tasks.metaworld.experts import make_env
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
def test_asset_compiles_from_primitives_with_one_root(path: Path) -> None:
    spec = mujoco.MjSpec.from_file(str(path))
    assert len(spec.worldbody.bodies) == 1 and not spec.worldbody.first_body().joints and not spec.meshes
    model = spec.compile()
    collides = (model.geom_contype > 0) | (model.geom_conaffinity > 0)
    allowed = {"mjGEOM_BOX", "mjGEOM_SPHERE", "mjGEOM_CAPSULE"}
    assert {mujoco.mjtGeom(t).name for t in model.geom_type[collides]} <= allowed


@pytest.fixture(scope="module")
def still() -> MetaWorld:
    """Three resets of every task, seen after half a second in which nothing is done."""
    torch.set_num_threads(1)
    env = make_env(list(TASKS), 3 * len(TASKS), seed=2)
    env.reset()
    return env


@specs
def test_nothing_begins_inside_something_else(spec: TaskSpec, still: MetaWorld) -> None:
    """Contacts at reset are touches: less than 2 mm deep."""
    rows = still.task_slices[still.task_names.index(spec.name)]
    assert still.progress_buf.max() == 0
    for index in range(rows.start, rows.stop):
        _, data = still.sim.inspect(index)
        assert data.contact.dist.min(initial=0.0) > -0.002


def test_a_scene_stays_as_it_was_reset(still: MetaWorld) -> None:
    """Objects settle within a centimetre; joints with a spring or a load go where these take them."""
    before = still.reading.points[:, :2].clone()
    for _ in range(30):
        still.step(still.zero_actions())
    moved = (still.reading.points[:, :2] - before).norm(dim=-1).amax(1)
    restless = {still.task_names[k] for k in still.task_index[moved > 0.01].tolist()}
    assert not restless


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
    moving = 0.0 if follows is None else corners[:, 3 * follows : 3 * follows + 3]
    goals = (torch.tensor(spec.goal.offset) + moving).reshape(-1, 3)
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


@pytest.mark.parametrize("spec", [spec for spec in TASKS.values() if spec.reward_metaworld], ids=lambda spec: spec.name)
def test_meta_worlds_own_shaping_calls_the_same_states_solved(spec: TaskSpec) -> None:
    """And pays something else elsewhere."""
    assert spec.reward_metaworld is not None
    state = make_state(256, 3, params=spec.params)
    near = torch.arange(256)[:, None] < 32
    state = dataclasses.replace(
        state, obj=torch.where(near, state.goal, state.obj), obj2=torch.where(near, state.goal, state.obj2)
    )
    (ours, success), (theirs, also) = spec.reward(state), spec.reward_metaworld(state)
    assert success.any() and not success.all() and torch.equal(success, also)
    assert bool(torch.isfinite(theirs).all()) and float(theirs.min()) >= 0.0 and float(theirs.max()) <= 10.0 + 1e-5
    assert not torch.allclose(ours, theirs)
