"""Against recordings of the package itself: goals, starts, observations, both rewards and successes, one step of physics."""

from __future__ import annotations

from functools import cache

import mujoco
import numpy as np
import pytest
import torch
from mujoco.batch import Batch

from isaacgymenvs_tasks.columns import Columns
from isaacgymenvs_tasks.sawyer import wheel
from isaacgymenvs_tasks.sawyer.env import STEP
from isaacgymenvs_tasks.sawyer.goals import Starts, begin, goal_vectors
from isaacgymenvs_tasks.sawyer.physics import Physics
from isaacgymenvs_tasks.sawyer.reading import Reader, Reading, seen_by_rewards, states
from isaacgymenvs_tasks.sawyer.task import SawyerTask, State
from isaacgymenvs_tasks.sawyer.tasks import TASKS
from isaacgymenvs_tasks.vec_task import Rows
from tests.sawyer.recording import GOALS, STEPS, V1, V2, Recording, recording

EPISODES = len(GOALS)
SPECS = pytest.mark.parametrize("spec", TASKS.values(), ids=TASKS)


def model_of(spec: SawyerTask) -> mujoco.MjModel:
    return wheel.load(spec.file, touch=spec.touch)


@cache
def starts_of(name: str) -> Starts:
    return begin(TASKS[name], model_of(TASKS[name]), recording(name).vector, threads=1)


def test_goals_are_the_packages() -> None:
    """Exactly those of ``metaworld.MT50(seed=1)``: the stream of random numbers runs through all tasks."""
    for name, vectors in zip(TASKS, goal_vectors(list(TASKS.values()), seed=1), strict=True):
        np.testing.assert_array_equal(vectors[list(GOALS)], recording(name).vector, name)


#: Metres and parts of a quaternion; the arm's own way to its start differs by 0.3 mm between MuJoCo 3.3 and 4.
FIRST_FRAME = 6e-4
LOOSE_FRAME = {  # what lies on the table settles otherwise
    "coffee_pull": 5e-3,
    "coffee_push": 5e-3,
    "disassemble": 2e-2,
    "door_close": 2e-3,
    "door_unlock": 2e-3,
    "lever_pull": 1e-3,  # its lever is a mesh, whose principal axes are found otherwise
}


#: rad/s and m/s; the arm is not quite at rest.
START_SPEED = 0.15
LOOSE_SPEED = {"coffee_button": 0.6, "coffee_pull": 0.6, "coffee_push": 0.6, "peg_unplug_side": 0.7, "door_close": 0.4}


@SPECS
def test_start(spec: SawyerTask) -> None:
    told, start = recording(spec.name), starts_of(spec.name)
    loose = LOOSE_FRAME.get(spec.name, FIRST_FRAME)
    np.testing.assert_allclose(start.frame, told.first_frame, atol=loose)
    speed = np.abs(start.qvel - told.qvel0[:, 0]).max()
    assert speed < LOOSE_SPEED.get(spec.name, START_SPEED)
    ours = {"obj": start.obj, "tcp": start.tcp, **start.extra}
    np.testing.assert_allclose(start.goal, told.goal, atol=2e-4)
    for name in told.start.keys() & ours.keys():  # the package remembers more than rewards ask for
        values = told.start[name]
        np.testing.assert_allclose(ours[name], values, atol=2e-3, err_msg=name)


def _read(spec: SawyerTask, told: Recording) -> tuple[Reading, torch.Tensor]:
    """What is read of the states after the recorded steps, float64, and whether both pads press on the object."""
    model, n, start = model_of(spec), EPISODES * STEPS, starts_of(spec.name)
    batch = Batch(model, nsim=n, nthread=1, persistent=True)
    batch.expand("body_pos")[:, start.body] = start.place.repeat(STEPS, 0)
    batch.reset(stage=mujoco.mjtStage.mjSTAGE_NONE.value)
    batch.qpos, batch.qvel = told.qpos1.reshape(n, -1), told.qvel1.reshape(n, -1)
    action = told.action.reshape(n, 4).clip(-1.0, 1.0)
    mocap = told.mocap0.reshape(n, 1, 3) + STEP * action[:, None, :3]
    batch.mocap_pos = mocap.clip(spec.mocap_low, spec.mocap_high)
    batch.mocap_quat = wheel.MOCAP_QUAT
    batch.ctrl = action[:, 3:] * (1.0, -1.0)
    xpos, xquat = batch.bind("xpos"), batch.bind("xquat")
    sensors = batch.bind("sensordata") if spec.touch else np.zeros((n, 6))
    batch.forward()
    qpos = torch.cat((torch.tensor(told.qpos1.reshape(-1)), torch.zeros(1)))
    bodies = (torch.tensor(values.reshape(n * model.nbody, -1)) for values in (xpos, xquat))
    reader = Reader([spec], [model], [n], dtype=torch.float64)
    return reader(*bodies, qpos), torch.tensor(sensors.reshape(n, 2, 3)[:, :, 0] > 0).all(1)


def _view(spec: SawyerTask, told: Recording) -> State:
    """The recorded steps as rewards see them, from recorded starts where the package remembers them."""
    reading, touch = _read(spec, told)
    start = starts_of(spec.name)
    values = {"goal": told.goal, "obj": start.obj, "tcp": start.tcp, **start.extra, **told.start}
    told_start = {name: torch.tensor(np.repeat(v, STEPS, 0), dtype=torch.float64) for name, v in values.items()}
    action = torch.tensor(told.action.reshape(-1, 4), dtype=torch.float64).clamp(-1.0, 1.0)
    n = len(action)
    memory = torch.full((n,), torch.nan, dtype=torch.float64)
    if spec.name == "bin_picking":  # remembers the distance after the first step, which the recordings begin with
        away = torch.tensor(told.frame[:, 0, 4:7], dtype=torch.float64) - torch.tensor(told.goal)
        memory = away.norm(dim=1).repeat_interleave(STEPS)
    columns = Columns(seen_by_rewards(reading, reading.frame, action, touch, memory))
    return states([spec], [n], [told_start], columns)[0]


@SPECS
def test_observation_reward_and_success(spec: SawyerTask) -> None:
    """Of recorded states, so without physics. The package computes some terms in float32."""
    told = recording(spec.name)
    view = _view(spec, told)
    frame = torch.cat((view.hand, view.openness[:, None], view.obj, view.quat, view.obj2), 1).numpy()
    atol = 1e-3 if spec.name == "lever_pull" else 2e-7
    np.testing.assert_allclose(frame, told.frame.reshape(-1, 18)[:, :14], atol=atol)
    for column, reward_of, atol in ((V2, spec.v2, 2e-6), (V1, spec.v1, 2e-4)):
        reward, success = reward_of(view)
        np.testing.assert_allclose(reward, told.reward[..., column].reshape(-1), rtol=1e-7, atol=atol)
        np.testing.assert_array_equal(success, told.success[..., column].reshape(-1))


#: How far apart (radians and metres) a control step from the same state ends. In the middle it is what changed in welds; at
#: worst it is boxes that touch boxes, whose contacts MuJoCo finds otherwise since 3.12 and no option brings back.
TYPICAL_STEP, WORST_STEP = 1e-4, 6e-3
TYPICAL = {"hand_insert": 2e-3}  # the block lies on the table all the time
WORST = {"disassemble": 1e-2, "door_close": 2e-2, "door_lock": 2e-2, "door_open": 5e-2}


@SPECS
def test_one_step(spec: SawyerTask) -> None:
    told, model, start = recording(spec.name), model_of(spec), starts_of(spec.name)
    n = EPISODES * STEPS
    physics = Physics([model], [n], threads=1)
    ids = torch.arange(n)
    qpos, qvel = (torch.tensor(values.reshape(n, -1)) for values in (told.qpos0, told.qvel0))
    mocap = torch.tensor(told.mocap0.reshape(n, 3))
    place = torch.tensor(start.place.repeat(STEPS, 0))
    physics.begin(Rows(ids), qpos, qvel, mocap, torch.full((n,), start.body), place)
    physics.forward()
    action = torch.tensor(told.action.reshape(n, 4), dtype=torch.float64).clamp(-1.0, 1.0)
    low, high = torch.tensor(spec.mocap_low), torch.tensor(spec.mocap_high)
    physics.mocap.copy_(torch.minimum(torch.maximum(mocap + STEP * action[:, :3], low), high))
    physics.ctrl.copy_(action[:, 3:] * torch.tensor([1.0, -1.0]))
    physics.step()
    apart = np.abs(physics.qpos[:-1].view(n, -1).numpy() - told.qpos1.reshape(n, -1)).max(1)
    physics.close()
    assert np.median(apart) < TYPICAL.get(spec.name, TYPICAL_STEP)
    assert apart.max() < WORST.get(spec.name, WORST_STEP)
