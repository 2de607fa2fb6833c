"""The reward of walking towards waypoints: named terms, weighted in ``cfg/task/parkour.yaml`` (MTBench's legged_base).

A step's reward is the weighted sum of the terms times the length of the step (seconds), and never negative. Who stands and
faces the goal earns 20 % of the most there is, who rocks up to 40 %, and who has fallen nothing (docs/parkour.md); with
``advanceOnly`` a step pays only if it comes nearer to the goal than any before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

CONTACT = 0.1  #: N, above which a link touches something


@dataclass(frozen=True)
class State:
    """What rewards look at, n environments.

    Attributes:
        speed: (n,) m/s, velocity of the base towards the current goal, in the plane.
        command: (n,) m/s, the speed that is asked for.
        heading: (n,) rad in [-pi, pi), from the base's yaw to the goal.
        torque, dof_velocity: (n, 12) N m and rad/s.
        leg_forces: (n, 8) N, contact forces on thighs and calves.
    """

    speed: Tensor
    command: Tensor
    heading: Tensor
    torque: Tensor
    dof_velocity: Tensor
    leg_forces: Tensor


def goal_velocity(s: State) -> Tensor:
    """Share of the commanded speed towards the goal; more than is asked for does not count."""
    return torch.minimum(s.speed, s.command) / (s.command + 1e-5)


def overspeed(s: State) -> Tensor:
    """Speed beyond the command as a share of it. Not in MTBench, whose robots may run: it teaches walking to follow."""
    return (s.speed - s.command).clamp_min(0.0) / (s.command + 1e-5)


def yaw(s: State) -> Tensor:
    """1 when facing the goal."""
    return torch.exp(-s.heading.abs())


def energy(s: State) -> Tensor:
    """Mechanical power of the motors that drive (W)."""
    return (s.torque * s.dof_velocity).clamp_min(0.0).sum(1)


def collision(s: State) -> Tensor:
    """Thighs and calves that touch something."""
    return (s.leg_forces > CONTACT).float().sum(1)


TERMS: dict[str, Callable[[State], Tensor]] = {
    "goalVelocity": goal_velocity,
    "overspeed": overspeed,
    "yaw": yaw,
    "energy": energy,
    "collision": collision,
}


def check(weights: Mapping[str, float]) -> dict[str, float]:
    """The weights that are not zero.

    Raises:
        ValueError: a term that does not exist.
    """
    for name in weights:
        if name not in TERMS:
            raise ValueError(f"there is no reward term {name!r}; terms are: {', '.join(TERMS)}")
    return {name: float(weight) for name, weight in weights.items() if weight}


def total(state: State, weights: Mapping[str, float], dt: float) -> Tensor:
    """(n,) the reward of a step of ``dt`` seconds."""
    terms = [weight * TERMS[name](state) for name, weight in weights.items()]
    return (dt * torch.stack(terms).sum(0)).clamp_min(0.0)
