"""Collision shapes: which belong to which body, and the properties that a client gives them."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import numpy as np

from .checks import FINITE, check_fields, warn
from .datatypes import IndexRange, RigidShapeProperties
from .handles import call

if TYPE_CHECKING:
    from .assets import Asset


def ranges(asset: Asset) -> list[IndexRange]:
    """The shapes of each body, among those of the asset."""
    owner = np.array(asset.shape_body)
    return [
        IndexRange(start=int((owner < body).sum()), count=int((owner == body).sum()))
        for body in range(len(asset.body_names))
    ]


def checked(props: list[RigidShapeProperties], expected: int) -> list[RigidShapeProperties]:
    """A copy of properties of ``expected`` shapes. A negative friction stays what it is; what acts is never negative.

    Raises:
        ValueError: there are more or fewer, or no shape can be like that.
    """
    if len(props) != expected:
        raise ValueError(f"{call()}: there are {expected} rigid shapes, not {len(props)}")
    for p in props:
        if not np.isfinite(p.friction) or np.isnan(p.restitution):
            raise ValueError(f"{call()}: a shape cannot have friction {p.friction} and restitution {p.restitution}")
        check_fields(p, FINITE, "torsion_friction", "rolling_friction")
    warn_restitution(max((p.restitution for p in props), default=0.0), "a shape")
    return [copy(p) for p in props]


def warn_restitution(restitution: float, where: str) -> None:
    if restitution:
        warn(f"restitution {restitution} of {where} has no effect: MuJoCo contacts do not bounce")
