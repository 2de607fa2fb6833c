"""The shapes of the official V1 rewards. Distances are (n,), points (n, 3).

V1 is the package's first reward set: distances in metres and bonuses in the thousands, so that tasks differ in scale by
orders of magnitude. Nothing is set to a constant at success, and success itself is measured by what V1 measures.
"""

from __future__ import annotations

import torch
from torch import Tensor

from isaacgymenvs_tasks.sawyer.rewards import distance, level
from isaacgymenvs_tasks.sawyer.task import State


def bonus(
    d: Tensor, start: Tensor | float, wide: float = 0.01, narrow: float = 0.001, weight: float = 1000.0
) -> Tensor:
    """1000 a metre of progress, and up to ``2 * weight`` more near the goal."""
    square = d * d
    return 1000.0 * (start - d) + weight * ((-square / wide).exp() + (-square / narrow).exp())


def push(
    s: State,
    d: Tensor,
    start: Tensor | float,
    *,
    tip: Tensor | None = None,
    wide: float = 0.01,
    narrow: float = 0.001,
) -> Tensor:
    """Touch the object with ``tip`` (the tcp), then bring it nearer to the goal: it is ``d`` away and was ``start``."""
    reach = distance(s.obj, s.tcp if tip is None else tip)
    return torch.where(reach < 0.05, bonus(d, start, wide, narrow).clamp_min(0.0), 0.0) - reach


def approach(
    s: State, point: Tensor, up: Tensor | None, *, over: float = 0.05, touch: float = 0.05, lift: float = 2.0
) -> tuple[Tensor, Tensor]:
    """Distance of the tcp to ``point``, and the reward for coming to it: from above, then down, then closing.

    Args:
        up: how far the tcp is from its height at the start; None: it may come from anywhere.
        over: near enough in xy to come down; until then height costs ``lift`` a metre.
        touch: near enough to close.
    """
    reach = distance(point, s.tcp)
    reward = -reach
    if up is not None:
        flat = level(point, s.tcp)
        reward = torch.where(flat < over, reward, -flat - lift * up)
    return reach, torch.where(reach < touch, s.action[:, 3].clamp_min(0.0) / 50.0 - reach, reward)


def height(s: State) -> Tensor:
    """How far the tcp is from its height at the start."""
    return (s.tcp[:, 2] - s.tcp_init[:, 2]).abs()


def dropped(s: State, z: Tensor, d: Tensor, reach: Tensor) -> Tensor:
    """(n,) bool: the object lies where it lay, away from the goal ``d`` and the tcp ``reach``."""
    return (z < s.start["height"] + 0.005) & (d > 0.02) & (reach > 0.02)


def lifting(s: State, z: Tensor, reach: Tensor, up: Tensor, *, touch: float = 0.1) -> Tensor:
    """100 a metre of height ``z`` while held, at most that of the lift; all of it where ``up`` (n,) bool."""
    lift, risen = s.start["lift"], (reach < touch) & (z > s.start["height"] + 0.005)
    return torch.where(up, 100.0 * lift, torch.where(risen, 100.0 * torch.minimum(lift, z), 0.0))


def carry(s: State, d: Tensor, *, up_cost: float = 2.0, place: Tensor | None = None) -> Tensor:
    """Pick the first observed point up and bring it to the goal, ``d`` away; ``place``: what that earns, if not its bonus."""
    reach, reward = approach(s, s.obj, height(s), lift=up_cost)
    z = s.obj[:, 2]
    up = (z >= s.start["lift"] - 0.01) & ~dropped(s, z, d, reach)
    place = bonus(d, s.start["far"]) if place is None else place
    return reward + lifting(s, z, reach, up) + torch.where(up & (reach < 0.1), place.clamp_min(0.0), 0.0)


def sunk(deep: Tensor, lift: Tensor) -> Tensor:
    """What V1 adds for a nut that goes down its peg, ``deep`` from where it will lie."""
    return bonus(deep, lift, 0.003, 0.0003, 2000.0) + 1000.0 * (lift - deep)
