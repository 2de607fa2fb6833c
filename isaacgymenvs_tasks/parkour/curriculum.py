"""Which level a robot plays next (MTBench's curriculum, its section 3.2 and ``legged_base.py``)."""

from __future__ import annotations

import torch
from torch import Tensor

from isaacgymenvs_tasks.parkour.terrain.tile import NUM_GOALS

UP, DOWN = 0.8, 0.4  #: progress at which a robot moves up, and below which it moves down
FALL_BACK = 0.25  #: probability of a random lower level in between


def next_level(level: Tensor, goals: Tensor, levels: int, chance: Tensor) -> Tensor:
    """The level after an episode.

    One up from 80 % of the goals, one down below 40 %, and in between, with probability 1/4, to any lower level. Who has
    passed the last one plays a random one.

    Args:
        level: (n,) long, in 0 ... levels - 1.
        goals: (n,) long, goals that were reached.
        chance: (n, 2) uniform in [0, 1).
    """
    progress = goals / NUM_GOALS
    up, down = progress >= UP, progress < DOWN
    lower = torch.where(chance[:, 0] < FALL_BACK, (chance[:, 1] * level).long(), level)
    following = torch.where(up, level + 1, torch.where(down, (level - 1).clamp_min(0), lower))
    return torch.where(following >= levels, (chance[:, 1] * levels).long(), following)
