"""Tables over the environments, made once when the simulation stands: where their parts are, and how they begin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from isaacgym import gymapi
from torch import Tensor

from isaacgymenvs_tasks.metaworld import kinematics, posed
from isaacgymenvs_tasks.metaworld.reading import ANCHOR, FINGER_STROKE, FINGERS, LINKS
from isaacgymenvs_tasks.metaworld.task import Placement, TaskSpec, Vec3, reset_bounds
from mtbench.resources import ASSETS

TABLE_TOP = 1.027  #: height of the table top in the simulation (MTBench)
TABLE_SIZE = (1.2, 1.2, 0.054)
ROBOT_BASE = (-0.55, 0.0, 1.037)  #: link 0; a hand that points down reaches 0.27 to 0.79 m from its axis


@dataclass(frozen=True)
class Index:
    """Where the parts of ``n`` environments are in the flat tensors. The spare actor is the one behind the last.

    Attributes:
        spare: the number of the spare actor.
        actors, jointed: (n, most) all actors and those with DOFs, filled up with the spare one.
        bodies: (n, ANCHOR + 1) what is read, see :mod:`.reading`; dofs: (n, 9) the robot's.
        blocks: of each task, the first DOF of its first environment and the DOFs of each.
        offset: (n, 3, 3) m, of the observed points in their bodies' frames; there: (n, 3, 1), 1 where there is such a point.
        carrier: (n, 3) which of ``actors`` has the point, and rest: (n, 3, 7) its body's pose in the frame of that actor's
            root, for a simulator that does not show what was set.
    """

    spare: int
    actors: Tensor
    jointed: Tensor
    bodies: Tensor
    dofs: Tensor
    blocks: list[tuple[int, int]]
    offset: Tensor
    there: Tensor
    carrier: Tensor
    rest: Tensor


def index_of(
    gym: Any, sim: Any, specs: Sequence[TaskSpec], counts: Sequence[int], spare: int, device: torch.device, rest: bool
) -> Index:
    """Look up the parts of ``counts[k]`` environments of each task. ``spare``: how many actors there are; ``rest``: whether
    to look up where bodies rest on their actors.

    Raises:
        ValueError: a task watches an actor or a body that does not exist.
    """
    n, width = sum(counts), 2 + max(len(spec.actors) for spec in specs)
    actors = torch.full((n, width), spare, dtype=torch.long)
    jointed = actors.clone()
    bodies, dofs = torch.zeros(n, ANCHOR + 1, dtype=torch.long), torch.zeros(n, 9, dtype=torch.long)
    offset, there = torch.zeros(n, 3, 3), torch.zeros(n, 3, 1)
    carrier, rests = torch.zeros(n, 3, dtype=torch.long), torch.zeros(n, 3, 7)
    blocks = []
    begin = 0
    first = {"actor": 0, "body": 0, "dof": 0}  # environments of one task are alike: index one, then count on
    for spec, number in zip(specs, counts, strict=True):
        where = slice(begin, begin + number)
        env = gym.get_env(sim, begin)
        size = {
            "actor": gym.get_actor_count(env),
            "body": gym.get_env_rigid_body_count(env),
            "dof": gym.get_env_dof_count(env),
        }
        handle = {a.name: gym.find_actor_handle(env, a.name) for a in spec.actors}
        row = [gym.find_actor_rigid_body_handle(env, 0, name) for name in (*LINKS, "panda_hand", *FINGERS)]
        points = [*spec.observed, *([None] if len(spec.observed) == 1 else []), spec.goal_point]
        for j, point in enumerate(points):
            if point is None:
                row.append(0)
                continue
            if point.actor not in handle:
                raise ValueError(f"{spec.name}: no actor {point.actor!r}; actors are {sorted(handle)}")
            body = gym.find_actor_rigid_body_handle(env, handle[point.actor], point.body)
            if body == gymapi.INVALID_HANDLE:
                raise ValueError(f"{spec.name}: actor {point.actor!r} has no body {point.body!r}")
            row.append(body)
            offset[where, j] = torch.tensor(point.offset)
            there[where, j] = 1.0
            if rest:
                carrier[where, j] = handle[point.actor]
                actor = next(a for a in spec.actors if a.name == point.actor)
                rests[where, j] = posed.rest_pose(ASSETS / "metaworld" / actor.asset, point.body, actor.dofs)
        count = torch.arange(number)[:, None]
        actors[where, : size["actor"]] = first["actor"] + count * size["actor"] + torch.arange(size["actor"])
        with_dofs = [a for a in range(size["actor"]) if gym.get_actor_dof_count(env, a)]
        jointed[where, : len(with_dofs)] = actors[where][:, with_dofs]
        bodies[where] = first["body"] + count * size["body"] + torch.tensor(row)
        dofs[where] = first["dof"] + count * size["dof"] + torch.arange(9)
        blocks.append((first["dof"], size["dof"]))
        if gym.get_actor_index(env, 0, gymapi.DOMAIN_SIM) != first["actor"]:
            raise RuntimeError("actors are not in creation order")
        for what in first:
            first[what] += size[what] * number
        begin += number
    return Index(
        spare=spare,
        actors=actors.to(device),
        jointed=jointed.to(device),
        bodies=bodies.to(device),
        dofs=dofs.to(device),
        blocks=blocks,
        offset=offset.to(device),
        there=there.to(device),
        carrier=carrier.to(device),
        rest=rests.to(device),
    )


@dataclass(frozen=True)
class Resets:
    """What a reset draws from, one row an environment, and the states that it writes.

    Attributes:
        low, high: (n, 6) box of the reset vector; min_distance: (n,) m between its halves in xy.
        placements: (n, most, 9) of the actors, goals: (n, 9) of the goal, see :func:`follow`.
        start: (n, 7) joint positions of the arm.
        dofs: (DOFs, 2) and roots: (actors + 1, 13), the spare actor's among them.
    """

    low: Tensor
    high: Tensor
    min_distance: Tensor
    placements: Tensor
    goals: Tensor
    start: Tensor
    dofs: Tensor
    roots: Tensor


def resets_of(
    specs: Sequence[TaskSpec], task: Tensor, index: Index, joints: Mapping[str, Sequence[str]], dofs: Tensor
) -> Resets:
    """How environments of tasks ``task`` (n,) begin. ``joints``: the joints of each asset; ``dofs``: the present states.

    Raises:
        ValueError: a task names a joint that does not exist, or its start is out of reach.
    """
    device, slots = task.device, index.actors.shape[1]
    placements = torch.zeros(len(specs), slots, 9)
    quats = torch.zeros(len(specs), slots, 4)
    quats[..., 3] = 1.0
    starts, default = torch.zeros(len(specs), 7), dofs.clone()
    for k, (spec, (begin, width)) in enumerate(zip(specs, index.blocks, strict=True)):
        placements[k, 0, :3] = torch.tensor((ROBOT_BASE[0], ROBOT_BASE[1], ROBOT_BASE[2] - TABLE_TOP))
        placements[k, 1, :3] = torch.tensor((0.0, 0.0, -TABLE_SIZE[2] / 2))
        for j, actor in enumerate(spec.actors):
            placements[k, 2 + j] = placement_row(actor.placement)
            quats[k, 2 + j] = torch.tensor((0.0, 0.0, math.sin(actor.yaw / 2), math.cos(actor.yaw / 2)))
        try:
            starts[k] = torch.tensor(_start_joints(spec.tcp_start, spec.finger_axis))
        except ValueError as error:
            raise ValueError(f"{spec.name}: tcp_start {spec.tcp_start} is out of reach: {error}") from error
        count = int((task == k).sum())
        rows = default[begin : begin + width * count].view(count, width, 2)
        rows[...] = _joint_defaults(spec, starts[k], joints).to(device)
    bounds = torch.stack([reset_bounds(spec) for spec in specs]).to(device)
    roots = torch.zeros(index.spare + 1, 13, device=device)
    roots[index.actors.reshape(-1), 3:7] = quats.to(device)[task].reshape(-1, 4)
    return Resets(
        bounds[task, 0],
        bounds[task, 1],
        torch.tensor([spec.min_distance for spec in specs], device=device)[task],
        placements.to(device)[task],
        torch.stack([placement_row(spec.goal) for spec in specs]).to(device)[task],
        starts.to(device)[task],
        default,
        roots,
    )


def _joint_defaults(spec: TaskSpec, start: Tensor, joints: Mapping[str, Sequence[str]]) -> Tensor:
    """(DOFs of an environment, 2): arm at its start, fingers open, the scene's joints as the task wants them."""
    values = [*start.tolist(), FINGER_STROKE, FINGER_STROKE]
    for actor in spec.actors:
        names = joints[actor.asset]
        unknown = sorted(set(actor.dofs) - set(names))
        if unknown:
            raise ValueError(f"{spec.name}: actor {actor.name!r} has no joint {unknown[0]!r}; joints are {list(names)}")
        values += [actor.dofs.get(name, 0.0) for name in names]
    return torch.tensor([[v, 0.0] for v in values])


def placement_row(placement: Placement) -> Tensor:
    """A placement as 9 numbers: offset, and for each coordinate the weight of object and goal."""
    row = torch.zeros(9)
    row[:3] = torch.tensor(placement.offset)
    if placement.follows is not None:
        row[3 + 3 * placement.follows : 6 + 3 * placement.follows] = 1.0
    return row


def follow(placement: Tensor, vector: Tensor) -> Tensor:
    """Positions (..., 3) from placements (..., 9) and reset vectors (..., 6)."""
    return placement[..., :3] + placement[..., 3:6] * vector[..., :3] + placement[..., 6:9] * vector[..., 3:]


@cache
def _start_joints(tcp_start: Vec3, finger_axis: str) -> tuple[float, ...]:
    """Joint positions (7) with the tcp there; many tasks and every further environment ask for the same."""
    start = torch.tensor([tcp_start]) + torch.tensor([0.0, 0.0, TABLE_TOP]) - torch.tensor(ROBOT_BASE)
    return tuple(kinematics.inverse(start, finger_axis)[0].tolist())
