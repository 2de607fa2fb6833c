"""Index maps between the flat tensors a client sees and the buffers an engine steps.

The flat tensors list actors, bodies and DOFs in the order environments and actors were created. Engine buffers list them
group by group. One gather or scatter per tensor connects the two for all groups at once, without a loop over groups and
without synchronization: entries that an actor lacks point at one spare row at the end of the buffer ("trash").
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
import torch
from torch import Tensor

from .scene import Env, Group, Place


@dataclass(frozen=True)
class Sizes:
    """Lengths of the engine buffers, without the spare row. Bodies include each environment's world (its first row)."""

    qpos: int
    qvel: int
    ctrl: int
    mocap: int
    bodies: int
    joints: int


@dataclass(frozen=True)
class Layout:
    """All maps are int64 tensors on the engine's device. N actors, B bodies, D DOFs, E environments.

    Tables over DOFs and actors have one row more, which stands for none and points to the spare entries.
    """

    sizes: Sizes
    env_rank: Tensor  #: (E,) creation index -> engine rank
    body_row: Tensor  #: (B,) flat body -> engine body row
    body_tree: Tensor  #: (B,) flat body -> engine body row of the root of its kinematic tree
    body_env: Tensor  #: (B,) flat body -> engine rank of its environment
    dof_qpos: Tensor  #: (D + 1,) flat DOF -> entry of qpos
    dof_qvel: Tensor  #: (D + 1,)
    dof_ctrl: Tensor  #: (D + 1,)
    dof_joint: Tensor  #: (D,) flat DOF -> engine joint row
    dof_env: Tensor  #: (D,) flat DOF -> engine rank of its environment
    root_body: Tensor  #: (N,) flat actor -> flat body of its root
    root_qpos: Tensor  #: (N + 1, 7) entries of qpos; spare for fixed actors
    root_qvel: Tensor  #: (N + 1, 6)
    root_mocap: Tensor  #: (N + 1,) row of mocap; spare for floating actors
    actor_env: Tensor  #: (N + 1,) flat actor -> engine rank; E for none
    actor_dofs: Tensor  #: (N + 1, most) flat DOFs; D where an actor has fewer


def _size(group: Group) -> np.ndarray:
    """What one environment of a group takes of each buffer, in the order of :class:`Sizes`."""
    m = group.base
    return np.array([m.nq, m.nv, m.nu, m.nmocap, m.nbody, m.njnt])


def sizes_of(groups: list[Group]) -> Sizes:
    """Lengths of the buffers of an engine that runs these groups."""
    return Sizes(*(int(x) for x in np.sum([len(group.envs) * _size(group) for group in groups], axis=0)))


class _Addresses:
    """Where a model has what, as lists: to ask MuJoCo's arrays for one number at a time is slow in a loop over thousands."""

    def __init__(self, m: mujoco.MjModel) -> None:
        self.body_mocapid: list[int] = m.body_mocapid.tolist()
        self.body_jntadr: list[int] = m.body_jntadr.tolist()
        self.body_rootid: list[int] = m.body_rootid.tolist()
        self.jnt_qposadr: list[int] = m.jnt_qposadr.tolist()
        self.jnt_dofadr: list[int] = m.jnt_dofadr.tolist()
        self.actuator_joint: list[int] = m.actuator_trnid[:, 0].tolist()


def build_layout(envs: list[Env], groups: list[Group], device: torch.device) -> Layout:
    """Number everything once, when the simulation is prepared."""
    rank: dict[int, int] = {}
    start: dict[int, np.ndarray] = {}
    offset = np.zeros(6, dtype=np.int64)  # qpos, qvel, ctrl, mocap, body, joint
    model_of: dict[int, tuple[_Addresses, Place]] = {}
    for group in groups:
        m, size = _Addresses(group.base), _size(group)
        for env, place in zip(group.envs, group.places, strict=True):
            rank[env.index] = len(rank)
            start[env.index], model_of[env.index] = offset.copy(), (m, place)
            offset = offset + size
    spare = offset
    sizes = sizes_of(groups)
    most = max((len(a.asset.dof_names) for env in envs for a in env.actors), default=0)
    num_dofs = sum(env.num_dofs for env in envs)
    bodies: list[tuple[int, int, int]] = []
    dofs: list[tuple[int, int, int, int, int]] = []
    roots: list[tuple[int, int, int]] = []
    root_qpos, root_qvel, actor_dofs = [], [], []
    for env in envs:
        m, place = model_of[env.index]
        q0, v0, u0, mocap0, b0, j0 = (int(x) for x in start[env.index])
        body, dof = 1, 0
        for actor in env.actors:
            asset = actor.asset
            links = place.bodies[body : body + len(asset.body_names)]
            root = int(links[0])
            if asset.fixed:
                root_qpos.append([spare[0]] * 7)
                root_qvel.append([spare[1]] * 6)
                mocap = mocap0 + m.body_mocapid[root]
            else:
                joint = m.body_jntadr[root]
                root_qpos.append(list(range(q0 + m.jnt_qposadr[joint], q0 + m.jnt_qposadr[joint] + 7)))
                root_qvel.append(list(range(v0 + m.jnt_dofadr[joint], v0 + m.jnt_dofadr[joint] + 6)))
                mocap = int(spare[3])
            roots.append((len(bodies), mocap, rank[env.index]))
            count = len(asset.dof_names)
            actor_dofs.append([len(dofs) + k for k in range(count)] + [num_dofs] * (most - count))
            for link in links:
                bodies.append((b0 + int(link), b0 + m.body_rootid[link], rank[env.index]))
            for actuator in place.actuators[dof : dof + count]:
                joint = m.actuator_joint[actuator]
                entries = q0 + m.jnt_qposadr[joint], v0 + m.jnt_dofadr[joint], u0 + int(actuator), j0 + joint
                dofs.append((*entries, rank[env.index]))
            body, dof = body + len(asset.body_names), dof + count

    dofs.append((int(spare[0]), int(spare[1]), int(spare[2]), 0, 0))
    roots.append((0, int(spare[3]), len(envs)))
    root_qpos.append([int(spare[0])] * 7)
    root_qvel.append([int(spare[1])] * 6)
    actor_dofs.append([num_dofs] * most)

    def table(rows: list, width: int) -> Tensor:
        return torch.as_tensor(np.array(rows, dtype=np.int64).reshape(len(rows), width), device=device)

    b, d, r = table(bodies, 3), table(dofs, 5), table(roots, 3)
    return Layout(
        sizes=sizes,
        env_rank=torch.as_tensor([rank[e.index] for e in envs], device=device),
        body_row=b[:, 0].contiguous(),
        body_tree=b[:, 1].contiguous(),
        body_env=b[:, 2].contiguous(),
        dof_qpos=d[:, 0].contiguous(),
        dof_qvel=d[:, 1].contiguous(),
        dof_ctrl=d[:, 2].contiguous(),
        dof_joint=d[:-1, 3].contiguous(),
        dof_env=d[:-1, 4].contiguous(),
        root_body=r[:-1, 0].contiguous(),
        root_qpos=table(root_qpos, 7),
        root_qvel=table(root_qvel, 6),
        root_mocap=r[:, 1].contiguous(),
        actor_env=r[:, 2].contiguous(),
        actor_dofs=table(actor_dofs, most),
    )
