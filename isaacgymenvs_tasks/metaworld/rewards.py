"""The vocabulary of Meta-World's shaped rewards, batched: every argument and result is ``(n,)`` unless said otherwise.

The pieces are those of Meta-World's V2 rewards (Yu et al., "Meta-World", CoRL 2019, and its reference code), whose
``tolerance`` comes from dm_control (Tassa et al., "DeepMind Control Suite", 2018). They run for every task in every
step, so each is a handful of fused operations without masks or loops.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.task import State

SUCCESS = 10.0  #: reward of a step that succeeds, and the upper end of every reward

#: Coordinates across the fingers' axis, as slices of (x, y, z): basic indexing, hence views.
_ACROSS = {"x": slice(1, 3), "y": slice(0, 3, 2)}
_ALONG = {"x": 0, "y": 1}


def distance(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distance between points ``(n, d)``."""
    return torch.linalg.vector_norm(a - b, dim=-1)


def tolerance(
    x: Tensor, upper: Tensor | float, margin: Tensor | float, *, lower: float | None = None, gaussian: bool = False
) -> Tensor:
    """dm_control's ``tolerance``: 1 inside ``[lower, upper]``, 0.1 at ``margin`` outside, 0 outside if the margin is 0.

    ``x`` is a distance, so without ``lower`` everything up to ``upper`` is inside. The flanks are long-tailed,
    ``1 / (1 + 9 s^2)``, or Gaussian, ``10^(-s^2)``, in ``s`` = (distance outside) / margin.
    """
    outside = x - upper
    if lower is not None:
        outside = torch.maximum(lower - x, outside)
    outside = outside.clamp_min(0.0)
    scaled = outside / margin.clamp_min(1e-6) if isinstance(margin, Tensor) else outside / max(margin, 1e-6)
    square = scaled * scaled
    return torch.exp(square * -math.log(10.0)) if gaussian else (1.0 + 9.0 * square).reciprocal()


def rotate(quat: Tensor, v: Tensor) -> Tensor:
    """Rotate vectors ``(..., 3)`` by unit quaternions ``(..., 4)`` xyzw: from a body's frame to the world's."""
    u, w = quat[..., :3], quat[..., 3:]
    t = 2.0 * torch.linalg.cross(u, v)
    return v + w * t + torch.linalg.cross(u, t)


def offset_point(state: State, offset: tuple[float, float, float]) -> Tensor:
    """Where ``offset`` (m, in the frame of the first observed body, counted from the observed point) is now, (n, 3)."""
    return state.obj + rotate(state.obj_quat, state.obj.new_tensor(offset).expand_as(state.obj))


def hamacher(a: Tensor, b: Tensor) -> Tensor:
    """Hamacher product of numbers in [0, 1]: a conjunction, ``ab / (a + b - ab)``, 0 where both are 0."""
    product = a * b
    return product / (a + b - product).clamp_min(1e-12)


def approach(state: State, point: Tensor, point_init: Tensor, radius: float, *, gaussian: bool = False) -> Tensor:
    """How near the tcp is to ``point`` (n, 3): 1 within ``radius``, 0.1 as far as it began from ``point_init`` (n, 3)."""
    margin = distance(state.tcp_init, point_init) - radius
    return tolerance(distance(state.tcp, point), radius, margin.clamp_min(radius), gaussian=gaussian)


def placement(state: State, radius: float, margin_radius: float | None = None) -> Tensor:
    """How near the object is to the goal: 1 within ``radius``, 0.1 where it began (``margin_radius`` nearer, if given)."""
    margin = distance(state.obj_init, state.goal) - (margin_radius or 0.0)
    return tolerance(distance(state.obj, state.goal), radius, margin)


def from_above(state: State, point: Tensor, radius: float, height: float) -> Tensor:
    """1 while the tcp is ``height`` above ``point`` (n, 3) or horizontally within ``radius`` of it; less, the lower it is.


    Meta-World's floor term in door_open and box_close; 0.1 at ``2 * height`` too low.
    """
    offset = state.tcp - point
    too_low = torch.where(offset[:, :2].square().sum(-1) > radius * radius, height - offset[:, 2], 0.0)
    return tolerance(too_low, 0.01, 2.0 * height)


def caging(
    state: State,
    *,
    finger_axis: str,
    object_radius: float,
    pad_threshold: float,
    plane_threshold: float,
    effort: float = 1.0,
) -> Tensor:
    """Meta-World's gripper caging reward (high density): fingers around ``state.obj``, then closing.

    Half is the cage: both pads between ``object_radius`` and ``pad_threshold`` (m) from the object along the fingers'
    axis, and the tcp within ``plane_threshold`` (m) of it in the other two coordinates. The other half adds closing,
    which counts once the cage stands: action ``effort`` or more earns all of it (positive closes).
    """
    k, across = _ALONG[finger_axis], _ACROSS[finger_axis]
    pads = torch.stack((state.left_pad[:, k], state.right_pad[:, k]))
    margins = ((pads - state.obj_init[:, k]).abs() - pad_threshold).abs()
    sides = tolerance((pads - state.obj[:, k]).abs(), pad_threshold, margins, lower=object_radius)
    plane_margin = distance(state.obj_init[:, across], state.tcp_init[:, across]) - plane_threshold
    plane = tolerance(distance(state.obj[:, across], state.tcp[:, across]), plane_threshold, plane_margin)
    cage = hamacher(hamacher(sides[0], sides[1]), plane)
    closing = (state.action[:, 3] / effort).clamp(0.0, 1.0) * (cage > 0.97)
    return 0.5 * (cage + hamacher(cage, closing))


def finish(reward: Tensor, success: Tensor) -> tuple[Tensor, Tensor]:
    """Reward and success, with the reward set to :data:`SUCCESS` where the task succeeds."""
    return torch.where(success, SUCCESS, reward), success
