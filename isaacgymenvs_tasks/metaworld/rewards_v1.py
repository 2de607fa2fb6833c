"""Meta-World's first reward set (V1), for the whole batch at once.

V1 adds up distances in metres and bonuses in the thousands, so that tasks differ in scale by orders of magnitude: a hand
that only approaches loses centimetres a step, an object at its goal earns ``1000 d0 + 2000`` with ``d0`` the way it came.
That is what V1 is used for here, as a test of methods that claim to cope with it (TOPPO paper, section D.5).

Meta-World writes V1 out fifty times in three shapes, which :class:`~isaacgymenvs_tasks.metaworld.task.V1` names. With
``reach`` the distance from the tcp to the object, ``far`` from the moving point to the goal and ``d0`` its start:

- ``reach``: ``place(d, d0)`` of the tcp itself;
- ``push``: ``-reach``, and while ``reach < 0.05`` ``place(far, d0)``;
- ``pick``: the approach comes down from above, ``100 z`` while the object rises, and ``place(far, d0)`` once it is up;

``place(d, d0) = max(0, 1000 (d0 - d) + 1000 (exp(-d^2 / 0.01) + exp(-d^2 / 0.001)))``. Departures: heights count from
where the object stood, not from the table, and ``d0`` is the straight way for ``pick`` as well. Meta-World does not
override a V1 reward at success.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.rewards import distance
from isaacgymenvs_tasks.metaworld.task import TaskSpec

TOUCH, NEAR = 0.05, 0.1  #: m, tcp to object: touching, and still holding
LIFT_SLACK = 0.01  #: m below the lift that count as lifted


def place(d: Tensor, start: Tensor) -> Tensor:
    """1000 a metre of progress, and up to 2000 more close to the goal."""
    square = d * d
    return (1000.0 * (start - d + torch.exp(-100.0 * square) + torch.exp(-1000.0 * square))).clamp_min(0.0)


class V1Reward:
    """V1 rewards of ``n`` environments.

    Args:
        specs: K tasks.
        task: (n,) long, the task of each environment.
    """

    def __init__(self, specs: Sequence[TaskSpec], task: Tensor) -> None:
        def column(values: list[float]) -> Tensor:
            return torch.tensor(values, device=task.device)[task]

        self.reach = column([spec.v1.kind == "reach" for spec in specs])
        self.pick = column([spec.v1.kind == "pick" for spec in specs])
        self.lift = column([spec.v1.lift for spec in specs])
        self.second = column([spec.v1.moves == "obj2" for spec in specs])[:, None]

    def __call__(
        self, grip: Tensor, tcp: Tensor, tcp_init: Tensor, points: Tensor, points_init: Tensor, goal: Tensor
    ) -> Tensor:
        """Rewards (n,).

        Args:
            grip: (n,) gripper action, positive closes.
            tcp, tcp_init, goal: (n, 3).
            points, points_init: (n, 2, 3) the observed points, now and at reset.
        """
        reach = distance(tcp, points[:, 0])
        moving = torch.where(self.second, points[:, 1], points[:, 0])
        start = torch.where(self.second, points_init[:, 1], points_init[:, 0])
        moving = torch.where(self.reach[:, None], tcp, moving)
        start = torch.where(self.reach[:, None], tcp_init, start)
        placed = place(distance(moving, goal), distance(start, goal))
        touching = reach < TOUCH
        pushed = touching * placed - reach

        level = distance(tcp[:, :2], points[:, 0, :2])
        above = level + 2.0 * (tcp[:, 2] - tcp_init[:, 2]).abs()
        approach = torch.where(touching, grip.clamp_min(0.0) / 50.0 - reach, -torch.where(level < TOUCH, reach, above))
        risen = points[:, 0, 2] - points_init[:, 0, 2]
        held = reach < NEAR
        up = held & (risen >= self.lift - LIFT_SLACK)
        lifted = 100.0 * torch.minimum(risen, self.lift) * (held & (risen > 0.005))
        picked = approach + lifted + up * placed
        return torch.where(self.reach, placed, torch.where(self.pick, picked, pushed))
