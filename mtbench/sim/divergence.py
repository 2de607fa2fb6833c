"""Environments whose state stops being finite are kept finite, as Isaac Gym's are: clients do not expect NaN.

PhysX caps velocities, so what explodes there flies about and is soon reset by its task. MuJoCo has no such caps. An
environment that diverges in a step is put back to where it was before the step, at rest; if that was not finite either (a
client wrote it), to where it was created. An environment whose drives are commanded what is not finite has diverged, too, in
every step until they are commanded anew. Every time is counted, and the first is said.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from .engines.engine import Engine
from .layout import Layout


class DivergenceGuard:
    """The states of one simulation to fall back on.

    Attributes:
        count: scalar, how many times an environment was put back since it was last set to zero.
    """

    def __init__(self, engine: Engine, layout: Layout) -> None:
        self._start = engine.qpos.clone()
        self.count = torch.zeros((), dtype=torch.int64, device=engine.device)
        self._said = False
        none = len(layout.env_rank)  # the spare entries belong to no environment
        self._env = torch.cat([layout.env_rank.argsort(), layout.env_rank.new_tensor([none])])  #: rank -> index
        dof_rank = torch.cat([layout.dof_env, layout.dof_env.new_tensor([none])])
        self._qpos_rank = torch.full_like(engine.qpos, none, dtype=torch.long)
        self._qvel_rank = torch.full_like(engine.qvel, none, dtype=torch.long)
        for ranks, root, dof in (
            (self._qpos_rank, layout.root_qpos, layout.dof_qpos),
            (self._qvel_rank, layout.root_qvel, layout.dof_qvel),
        ):
            ranks[dof] = dof_rank
            ranks[root] = layout.actor_env[:, None].expand_as(root)
            ranks[-1] = none

    def remember(self, engine: Engine) -> None:
        """Before a step."""
        self._before = engine.qpos.clone()

    def restore(self, engine: Engine) -> Tensor | None:
        """After a step: put back what has diverged. The ranks of those environments; None if there is none."""
        if not bool(engine.diverged.any()):
            return None
        bad = torch.cat([engine.diverged, engine.diverged.new_zeros(1)])
        ranks = bad.nonzero().squeeze(1)
        lost = torch.zeros(len(bad), device=engine.device).index_add_(
            0, self._qpos_rank, (~self._before.isfinite()).float()
        )
        source = torch.where((lost > 0)[self._qpos_rank], self._start, self._before)
        engine.qpos.copy_(torch.where(bad[self._qpos_rank], source, engine.qpos))
        engine.qvel.copy_(torch.where(bad[self._qvel_rank], 0.0, engine.qvel))
        self.count += len(ranks)
        if not self._said:
            self._said = True
            warnings.warn(
                f"the physics of environment {int(self._env[ranks[0]])}"
                + (f" and {len(ranks) - 1} more" if len(ranks) > 1 else "")
                + " diverged, or a command of its drives was not finite; such environments are put back to their last "
                "finite state, at rest, and counted by gym.take_diverged(sim)",
                stacklevel=4,
            )
        return ranks
