"""Dense rewards lead on: no pose out of reach of the object pays like the right contact, and every phase of an expert's way
pays more than the one before.

A policy that explores climbs what it is paid for. If a hand above a handle earned as much as one behind it, or lifting no
more than holding, it would stay there.
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass

import mujoco
import numpy as np
import pytest
import torch
from isaacgym import gymtorch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import expert_policy, make_env
from isaacgymenvs_tasks.metaworld.reading import RIGHT
from isaacgymenvs_tasks.metaworld.rewards import Caging
from isaacgymenvs_tasks.metaworld.scenes import TASKS
from isaacgymenvs_tasks.metaworld.task import State, TaskSpec

EPISODES = 2
CLEARANCE = 0.01  #: m between the robot and the scene: further than one action leads
SWEEP = (0.0, 0.01, 0.02, 0.03)  #: m along the object's way: a hand that touches something on it is not out of reach
MOVED = 0.005  #: m from where an observed point began: it is being moved
#: The tasks in which something must be touched.
CONTACTS = [name for name in TASKS if name not in ("reach", "reach_wall")]
SHUT = 0.1  #: openness of fingers with nothing between them
MARGIN = 0.15  #: of 10, between what two neighbouring phases pay
#: Displacements (m) of the hand from where the expert touches the object, of which those with clearance count.
OFFSETS = torch.tensor(list(itertools.product((-0.04, -0.02, 0.0, 0.02, 0.04), repeat=3)))


@dataclass
class Way:
    """What an expert was paid in one episode.

    Attributes:
        hovering: the most that a pose near its first contact would have paid from which the hand touches nothing, not even
            if it goes where the object has to go.
        phases: the most it was paid before the first contact, from there until the object moves, on the first half of the
            object's way, and on the second.
        grasped: the object was between the fingers when it began to move.
    """

    hovering: float
    phases: list[float]
    grasped: bool


def collides(model: mujoco.MjModel, robot: bool) -> list[int]:
    """Geoms that meet others: of the robot (actor 0), or of the scene (behind the table, actor 1)."""
    chosen = []
    for geom in range(model.ngeom):
        actor = model.body(model.geom_bodyid[geom]).name.partition("/")[0]
        mine = actor == "0" if robot else actor not in ("0", "1", "world")
        if mine and (model.geom_contype[geom] or model.geom_conaffinity[geom]):
            chosen.append(geom)
    return chosen


def rows(state: State, index: int, count: int = 1) -> State:
    """One environment's state, so many times."""

    def pick(x: Tensor) -> Tensor:
        return x[index : index + 1].expand(count, *x.shape[1:]).clone()

    values = {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}
    params = {name: pick(x) for name, x in values.pop("params").items()}
    return State(params=params, **{name: pick(x) for name, x in values.items()})


@dataclass
class Touch:
    """The first contact of an episode: what task, its state (one row), the simulation, and the step."""

    spec: TaskSpec
    state: State
    model: mujoco.MjModel
    data: mujoco.MjData
    step: int


def best_out_of_reach(touch: Touch, direction: np.ndarray) -> float:
    """The highest reward with the hand displaced from where it touched to where it touches nothing, not even ``SWEEP`` along
    ``direction`` (3,); 0 if there is no such pose."""
    spec, state, model, data = touch.spec, touch.state, touch.model, touch.data
    near = rows(state, 0, len(OFFSETS))
    pads = torch.stack((near.left_pad, near.right_pad), 1) + OFFSETS[:, None]
    grip, tcp = torch.ones(len(OFFSETS)), near.tcp + OFFSETS
    near.action[:, 3] = grip
    caging = Caging([spec.cage], [spec.finger_axis], torch.zeros(len(OFFSETS), dtype=torch.long))
    cage = caging(grip, pads, tcp, near.tcp_init, near.obj, near.obj_init)
    moved = dataclasses.replace(near, tcp=tcp, left_pad=pads[:, 0], right_pad=pads[:, 1], cage=cage)
    reward, _ = spec.reward(moved)
    robot, scene = collides(model, True), collides(model, False)
    before = data.geom_xpos.copy()
    for index in reward.argsort(descending=True).tolist():
        for ahead in SWEEP:
            data.geom_xpos[:] = before
            data.geom_xpos[robot] += OFFSETS[index].numpy() + ahead * direction
            apart = (mujoco.mj_geomDistance(model, data, a, b, CLEARANCE, None) for a in robot for b in scene)
            if any(distance < CLEARANCE for distance in apart):
                break
        else:
            return float(reward[index])
    return 0.0


@pytest.fixture(scope="module")
def ways() -> dict[str, list[Way]]:
    """Every expert's way in some episodes."""
    torch.set_num_threads(1)
    env = make_env(CONTACTS, EPISODES * len(CONTACTS), seed=5)
    forces = gymtorch.wrap_tensor(env.gym.acquire_net_contact_force_tensor(env.sim))
    env.reset()
    policy = expert_policy(env)
    length, n = env.max_episode_length, env.num_envs
    reward, cage, points = np.zeros((length, n)), np.zeros((length, n)), np.zeros((length, n, 2, 3))
    touches: dict[int, Touch] = {}
    for step in range(length):
        env.step(policy(env))
        reward[step], points[step] = env.rew_buf, env.reading.points[:, :2] - env.objects_init
        states = env.states()
        cage[step] = torch.cat([state.cage * (state.openness > SHUT) for state in states])
        env.gym.refresh_net_contact_force_tensor(env.sim)
        pressed = forces[env.index.bodies].view(n, -1, 3)[:, : RIGHT + 1].abs().amax((1, 2)) > 0
        for index in set(pressed.nonzero().flatten().tolist()) - set(touches):
            model, data = env.sim.inspect(index)
            robot, scene = collides(model, True), collides(model, False)
            pairs = data.contact.geom
            if (np.isin(pairs, robot).any(1) & np.isin(pairs, scene).any(1)).any():
                k = int(env.task_index[index])
                state = rows(states[k], index - env.task_slices[k].start)
                touches[index] = Touch(env.specs[k], state, model, data, step)
    assert len(touches) == n, sorted({env.task_names[int(env.task_index[i])] for i in range(n) if i not in touches})
    found: dict[str, list[Way]] = {name: [] for name in CONTACTS}
    for index, touch in sorted(touches.items()):
        way = np.linalg.norm(points[:, index], axis=-1)
        moves = int(np.argmax(way.max(1) > MOVED))
        first = points[moves, index, int(np.argmax(way[moves]))]
        hovering = best_out_of_reach(touch, first / np.linalg.norm(first))
        paid = phases(reward[:, index], way.max(1), touch.step)
        found[touch.spec.name].append(Way(hovering, paid, bool(cage[moves, index] > 0.9)))
    return found


def phases(reward: np.ndarray, way: np.ndarray, contact: int) -> list[float]:
    """See :class:`Way`."""
    solved = int(np.argmax(reward >= 10.0))
    moves = max(int(np.argmax(way > MOVED)), contact + 1)
    half = max(int(np.argmax(way > 0.5 * way[solved])), moves + 1)
    edges = [0, contact, moves, half, max(solved, half + 1)]
    return [float(reward[a:b].max()) for a, b in itertools.pairwise(edges)]


contacts = pytest.mark.parametrize("name", CONTACTS)


@contacts
def test_out_of_reach_pays_less_than_contact(name: str, ways: dict[str, list[Way]]) -> None:
    """What is pushed or hooked need not pay by the contact itself, but then by the first half of the object's way."""
    for way in ways[name]:
        contact = way.phases[1] - MARGIN
        assert way.hovering <= (contact if way.grasped else max(contact, 0.8 * way.phases[2]))


@contacts
def test_every_phase_pays_more(name: str, ways: dict[str, list[Way]]) -> None:
    """Contact pays no less than the way there, the object's way more than both, and its second half more than the first."""
    for way in ways[name]:
        reached, held, begun, ended = way.phases
        assert held >= reached - MARGIN / 2
        assert begun >= max(reached, held) + MARGIN
        assert ended >= min(begun + MARGIN, 10.0)
