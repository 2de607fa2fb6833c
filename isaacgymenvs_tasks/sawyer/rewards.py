"""The vocabulary of the official V2 rewards: terms of :mod:`isaacgymenvs_tasks.metaworld.rewards`, and the two ways in which
official tasks judge a grasp. Arguments and results are (n,) unless said otherwise.
"""

from __future__ import annotations

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.rewards import constant, distance, hamacher, tolerance
from isaacgymenvs_tasks.sawyer.task import State

__all__ = [
    "SUCCESS",
    "above",
    "across",
    "caging",
    "constant",
    "distance",
    "floor",
    "hamacher",
    "level",
    "pinching",
    "scaled",
    "shift",
    "tolerance",
    "within",
]

SUCCESS = 10.0  #: what most rewards are set to at success, and the most any task earns in a step


def scaled(a: Tensor, b: Tensor, scale: tuple[float, float, float]) -> Tensor:
    """Distance between points (n, 3) whose coordinates count differently."""
    return torch.linalg.vector_norm((a - b) * constant(a, scale), dim=-1)


def level(a: Tensor, b: Tensor) -> Tensor:
    """Distance between points (n, 3) in xy."""
    return distance(a[:, :2], b[:, :2])


def across(a: Tensor, b: Tensor) -> Tensor:
    """Distance between points (n, 3) in xz: across the line of the fingers."""
    return distance(a[:, ::2], b[:, ::2])


def within(x: Tensor, radius: float, margin: Tensor | float, *, gaussian: bool = False) -> Tensor:
    """``tolerance`` whose margin is counted from the radius: 0.1 at ``|margin - radius|`` beyond it."""
    margin = margin - radius
    return tolerance(x, radius, margin.abs() if isinstance(margin, Tensor) else abs(margin), gaussian=gaussian)


def shift(point: Tensor, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Tensor:
    """A point (n, 3), moved."""
    return point + constant(point, (x, y, z))


def floor(radius: Tensor, inner: float, slope: float, height: float) -> Tensor:
    """Height of a funnel-shaped floor ``radius`` away from its middle, whose edge is a logarithm; 0 within ``inner``."""
    outside = radius > inner
    return torch.where(outside, slope * (radius - inner).clamp_min(1e-12).log() + height, 0.0)


def above(height: Tensor, bottom: Tensor, margin: Tensor | float) -> Tensor:
    """1 above ``bottom``, less below it."""
    margin = margin.clamp_min(1e-6) if isinstance(margin, Tensor) else margin
    return torch.where(height >= bottom, 1.0, tolerance((bottom - height).clamp_min(0.0), 0.01, margin))


def caging(
    s: State,
    point: Tensor,
    *,
    radius: float,
    pad: float,
    plane: float,
    effort: float = 1.0,
    reach: float | None = None,
    dense: bool = True,
    init: Tensor | None = None,
) -> Tensor:
    """The package's common grasp reward: pads on both sides of a point (n, 3) along y, the tcp near it in xz, then closing.

    Args:
        radius, pad: a pad is right between these distances from the point.
        plane: the tcp is right within this distance.
        effort: the gripper action that earns all of closing.
        reach: the package's medium density: half of it is how near the tcp is, 1 within ``reach``.
        dense: its high density: half of it is the cage alone; without, all of it waits for closing.
        init: (n, 3) where the point began, if not at ``obj_init``.
    """
    init = s.obj_init if init is None else init
    pads = torch.stack((s.left_pad[:, 1], s.right_pad[:, 1]), 1)
    margin = ((pads - init[:, 1:2]).abs() - pad).abs()
    sides = tolerance((pads - point[:, 1:2]).abs(), pad, margin, lower=radius)
    near = tolerance(across(s.tcp, point), plane, across(init, s.tcp_init) - plane)
    cage = hamacher(hamacher(sides[:, 0], sides[:, 1]), near)
    closing = torch.where(cage > 0.97, s.action[:, 3].clamp(0.0, effort) / effort, 0.0)
    grip = hamacher(cage, closing)
    if reach is not None:
        return (grip + within(distance(point, s.tcp), reach, distance(init, s.tcp_init))) / 2
    return (grip + cage) / 2 if dense else grip


def pinching(s: State, point: Tensor, *, radius: float, plane: float, slack: float | None = None) -> Tensor:
    """The grasp reward that six tasks have of their own: left pad left of the point (n, 3) and right pad right of it.

    Its margins compare with where the pads are now, where the package means to say where they began: it keeps views of
    MuJoCo's memory, not copies.

    Args:
        radius: as in :func:`caging`, with a pad distance of 0.05.
        slack: pads grip within ``radius + slack``; None: closing is what grips.
        plane: as in :func:`caging`.
    """
    sides = torch.stack((s.left_pad[:, 1] - point[:, 1], point[:, 1] - s.right_pad[:, 1]), 1)
    margin = (sides.abs() - 0.05).abs()
    caged = tolerance(sides, 0.05, margin, lower=radius)
    near = tolerance(across(s.tcp, point), plane, across(s.obj_init, s.tcp_init) - plane)
    cage = hamacher(hamacher(caged[:, 0], caged[:, 1]), near)
    if slack is None:
        closing = torch.where(cage > 0.97, s.action[:, 3].clamp(0.0, 1.0), 0.0)
        return (hamacher(cage, closing) + cage) / 2
    grip = tolerance(sides, radius + slack, margin, lower=radius)
    return (cage + torch.where(cage > 0.95, hamacher(grip[:, 0], grip[:, 1]), 0.0)) / 2
