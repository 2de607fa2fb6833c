"""Jacobians and mass matrices, for all actors of one name at a time, as Isaac Gym lays them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .bodies import rotate
from .datatypes import DofType

if TYPE_CHECKING:
    from .simulation import Simulation


@dataclass(frozen=True)
class Articulation:
    """Index tables for the Jacobian and mass matrix of all actors of one name. L links, D DOFs, n environments."""

    fixed: bool
    bodies: Tensor  #: (n, L) flat bodies
    dofs: Tensor  #: (n, D) flat DOFs
    joints: Tensor  #: (n, D) engine joint rows
    moves: Tensor  #: (L, D) 1 where the DOF moves the link
    slides: Tensor  #: (D,) 1 for a prismatic DOF
    jacobian: Tensor  #: (n, L - 1, 6, D) fixed base, (n, L, 6, D + 6) floating base
    mass_matrix: Tensor  #: (n, D, D) or (n, D + 6, D + 6)


class Articulations:
    """Those of a simulation that a client has asked for."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._named: dict[str, Articulation] = {}

    def named(self, name: str) -> Articulation:
        """Tables for the actors called ``name``, which must all come from the same asset structure."""
        if name in self._named:
            return self._named[name]
        layout, actors = self._sim.layout, self._sim.actors
        found = [i for i, a in enumerate(actors) if a.name == name]
        if not found:
            known = ", ".join(sorted({a.name for a in actors}))
            raise ValueError(f"no actor is called {name!r}; actors are: {known}")
        asset = actors[found[0]].asset
        if any(actors[i].asset.uid != asset.uid for i in found):
            raise ValueError(f"actors called {name!r} come from different assets; give each kind a name of its own")
        links, count = len(asset.body_names), len(asset.dof_names)
        m = asset.model
        moves = torch.zeros(links, count)
        for body in range(1, m.nbody):
            ancestor = body
            while ancestor:
                for k in range(m.body_jntnum[ancestor]):
                    moves[body - 1, m.jnt_dofadr[m.body_jntadr[ancestor] + k]] = 1.0
                ancestor = m.body_parentid[ancestor]
        roots = layout.root_body[found]
        bodies = roots[:, None] + torch.arange(links, device=roots.device)
        dofs = layout.actor_dofs[found][:, :count]
        n, extra = len(found), 0 if asset.fixed else 6
        self._named[name] = Articulation(
            fixed=asset.fixed,
            bodies=bodies,
            dofs=dofs,
            joints=layout.dof_joint[dofs],
            moves=moves.to(roots.device),
            slides=torch.tensor([float(t == DofType.DOF_TRANSLATION) for t in asset.dof_types], device=roots.device),
            jacobian=torch.zeros(n, links - (1 if asset.fixed else 0), 6, count + extra, device=roots.device),
            mass_matrix=torch.zeros(n, count + extra, count + extra, device=roots.device),
        )
        return self._named[name]

    def refresh_jacobians(self) -> None:
        """Columns map DOF velocities to the velocity of each link's origin (rows 0:3) and its rotation (3:6), world axes.

        As in Isaac Gym, a fixed base has no row block, and a floating base has six columns in front (its linear and
        angular velocity).
        """
        engine, layout = self._sim._engine, self._sim.layout
        engine.forward()
        for a in self._named.values():
            bodies = a.bodies[:, 1:] if a.fixed else a.bodies
            moves = a.moves[1:] if a.fixed else a.moves
            position = engine.xpos[layout.body_row[bodies]]  # (n, L, 3)
            axis = engine.xaxis[a.joints][:, None]  # (n, 1, D, 3)
            arm = position[:, :, None] - engine.xanchor[a.joints][:, None]
            slide = a.slides[:, None]
            linear = torch.linalg.cross(axis.expand_as(arm), arm) * (1 - slide) + axis * slide
            angular = (axis * (1 - slide)).expand_as(arm)
            jacobian = torch.cat([linear, angular], dim=-1) * moves[:, :, None]
            columns = a.jacobian if a.fixed else a.jacobian[..., 6:]
            columns.copy_(jacobian.transpose(2, 3))
            if not a.fixed:
                base = torch.zeros_like(a.jacobian[..., :6])
                base[..., :, :] = torch.eye(6, device=base.device)
                r = position - position[:, :1]
                base[..., 0, 4], base[..., 0, 5] = r[..., 2], -r[..., 1]
                base[..., 1, 3], base[..., 1, 5] = -r[..., 2], r[..., 0]
                base[..., 2, 3], base[..., 2, 4] = r[..., 1], -r[..., 0]
                a.jacobian[..., :6] = base

    def refresh_mass_matrices(self) -> None:
        """Joint-space inertia of each articulation; a floating base's angular rows are in world axes. Computed on the CPU,
        one environment after the other.
        """
        sim, engine = self._sim, self._sim._engine
        layout = sim.layout
        engine.forward()
        ranks, dof_qvel, root_qvel = (x.cpu() for x in (layout.env_rank, layout.dof_qvel, layout.root_qvel))
        quats = engine.xquat[layout.body_row[layout.root_body]].cpu()[:, [1, 2, 3, 0]]
        for name, a in self._named.items():
            dofs, blocks = a.dofs.cpu(), []
            for k, i in enumerate(i for i, actor in enumerate(sim.actors) if actor.name == name):
                rank = int(ranks[sim.actor_env[i].index])
                dense = torch.as_tensor(engine.mass_matrix(rank))
                columns = dof_qvel[dofs[k]]
                if not a.fixed:
                    columns = torch.cat([root_qvel[i], columns])
                columns = columns - engine.first_qvel(rank)
                block = dense[columns][:, columns].float()
                if not a.fixed:  # MuJoCo's free joint turns in body axes
                    turn = torch.eye(len(columns))
                    turn[3:6, 3:6] = rotate(quats[i].expand(3, 4), torch.eye(3)).T
                    block = turn @ block @ turn.T
                blocks.append(block)
            a.mass_matrix.copy_(torch.stack(blocks))
