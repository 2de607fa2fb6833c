"""The vocabulary of Meta-World's shaped rewards, batched: every argument and result is ``(n,)`` unless said otherwise.

The pieces are those of Meta-World's V2 rewards (Yu et al., "Meta-World", CoRL 2019, and its reference code), whose
``tolerance`` comes from dm_control (Tassa et al., "DeepMind Control Suite", 2018). They run for every task in every
step, so each is a handful of fused operations without masks or loops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.kinematics import FINGER_DIRECTION
from isaacgymenvs_tasks.metaworld.task import Cage, State

SUCCESS = 10.0  #: reward of a step that succeeds, and the upper end of every reward


def distance(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distance between points ``(n, d)``."""
    return torch.linalg.vector_norm(a - b, dim=-1)


def tolerance(
    x: Tensor,
    upper: Tensor | float,
    margin: Tensor | float,
    *,
    lower: Tensor | float | None = None,
    gaussian: bool = False,
) -> Tensor:
    """dm_control's ``tolerance``: 1 inside ``[lower, upper]``, 0.1 at ``margin`` outside, 0 outside if the margin is 0.

    ``x`` is a distance, so without ``lower`` everything up to ``upper`` is inside. The flanks are long-tailed,
    ``1 / (1 + 9 s^2)``, or Gaussian, ``10^(-s^2)``, in ``s`` = (distance outside) / margin.
    """
    outside = x - upper
    if lower is not None:
        outside = torch.maximum(lower - x, outside)
    square = outside.clamp_min(0.0).square()
    scale = margin.clamp_min(1e-6).square() if isinstance(margin, Tensor) else max(margin, 1e-6) ** 2
    return torch.exp(square * -math.log(10.0) / scale) if gaussian else scale / torch.add(scale, square, alpha=9.0)


@cache
def _constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=dtype, device=device)


def constant(like: Tensor, values: tuple[float, ...]) -> Tensor:
    """The numbers as a tensor of the kind of ``like``, made once: to make it in every step would wait for the device."""
    return _constant(values, like.dtype, like.device)


def rotate(quat: Tensor, v: Tensor) -> Tensor:
    """Rotate vectors ``(..., 3)`` by unit quaternions ``(..., 4)`` xyzw: from a body's frame to the world's."""
    u, w = quat[..., :3], quat[..., 3:]
    t = 2.0 * torch.linalg.cross(u, v)
    return v + w * t + torch.linalg.cross(u, t)


def offset_point(state: State, offset: tuple[float, float, float]) -> Tensor:
    """Where ``offset`` (m, in the frame of the first observed body, counted from the observed point) is now, (n, 3)."""
    return state.obj + rotate(state.obj_quat, constant(state.obj, offset).expand_as(state.obj))


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


def held_up(state: State, reach: float, height: float) -> Tensor:
    """(n,) bool: the tcp is nearer than ``reach`` to the object, which is more than ``height`` above where it began."""
    return (distance(state.tcp, state.obj) < reach) & (state.obj[:, 2] - state.obj_init[:, 2] > height)


def raised(state: State, reach: float, height: float) -> Tensor:
    """(n,) in [0, 1]: how much of ``height`` the object has risen while the tcp is nearer than ``reach`` to it."""
    risen = ((state.obj[:, 2] - state.obj_init[:, 2]) / height).clamp(0.0, 1.0)
    return risen * (distance(state.tcp, state.obj) < reach)


def from_above(state: State, point: Tensor, radius: float, height: float) -> Tensor:
    """1 while the tcp is ``height`` above ``point`` (n, 3) or horizontally within ``radius`` of it; less, the lower it is.


    Meta-World's floor term in door_open and box_close; 0.1 at ``2 * height`` too low.
    """
    offset = state.tcp - point
    too_low = torch.where(offset[:, :2].square().sum(-1) > radius * radius, height - offset[:, 2], 0.0)
    return tolerance(too_low, 0.01, 2.0 * height)


class Caging:
    """Meta-World's gripper caging reward (high density) with the numbers of each environment's task: fingers around a
    point, then closing. Computed for all tasks at once, because it is the longest term of most.

    Half is the cage: each pad on its own side of the point, between ``object_radius`` and ``pad_threshold`` from it along the
    fingers' axis, and the tcp within ``plane_threshold`` of it in the other two coordinates. (In Meta-World the sides do not
    matter, and shut fingers beside the object earn what fingers around it do.) The other half adds closing, which counts once
    the cage stands: action ``effort`` or more earns all of it (positive closes).

    Args:
        cages: the numbers of K tasks.
        finger_axes: ``x`` or ``y``, K of them.
        task: (n,) long, the task of each environment.
    """

    def __init__(self, cages: Sequence[Cage], finger_axes: Sequence[str], task: Tensor) -> None:
        def column(values: list[float]) -> Tensor:
            return torch.tensor(values, device=task.device)[task]

        self.radius = column([cage.object_radius for cage in cages])[:, None]
        self.pad = column([cage.pad_threshold for cage in cages])[:, None]
        self.plane = column([cage.plane_threshold for cage in cages])
        self.effort = column([cage.effort for cage in cages])
        self.axis = torch.tensor([FINGER_DIRECTION[name] for name in finger_axes], device=task.device)[task]
        self.side = torch.tensor((1.0, -1.0), device=task.device)  # of the left and the right pad

    def __call__(
        self, grip: Tensor, pads: Tensor, tcp: Tensor, tcp_init: Tensor, point: Tensor, point_init: Tensor
    ) -> Tensor:
        """Rewards (n,) in [0, 1].

        Args:
            grip: (n,) gripper action.
            pads: (n, 2, 3) centres of the fingertip pads, left and right.
            tcp, tcp_init: (n, 3), now and at reset; point, point_init: (n, 3) likewise.
        """
        along = (pads * self.axis[:, None]).sum(-1)
        margins = ((along - (point_init * self.axis).sum(-1, keepdim=True)) * self.side - self.pad).abs()
        apart = (along - (point * self.axis).sum(-1, keepdim=True)) * self.side
        sides = tolerance(apart, self.pad, margins, lower=self.radius)
        across = 1.0 - self.axis.abs()
        plane_margin = torch.linalg.vector_norm((point_init - tcp_init) * across, dim=-1) - self.plane
        offset = torch.linalg.vector_norm((point - tcp) * across, dim=-1)
        cage = hamacher(hamacher(sides[:, 0], sides[:, 1]), tolerance(offset, self.plane, plane_margin))
        closing = (grip / self.effort).clamp(0.0, 1.0) * (cage > 0.97)
        return 0.5 * (cage + hamacher(cage, closing))


def finish(reward: Tensor, success: Tensor) -> tuple[Tensor, Tensor]:
    """Reward and success, with the reward set to :data:`SUCCESS` where the task succeeds."""
    return torch.where(success, SUCCESS, reward), success
