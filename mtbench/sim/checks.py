"""Values that make no sense and calls that come too late, refused in one sentence that begins with the call."""

from __future__ import annotations

import math
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .handles import call
from .pose_types import Transform, Vec3

if TYPE_CHECKING:
    from .simulation import Simulation

_HERE = str(Path(__file__).parent)


def shown(value: Any) -> str:
    """A value in a sentence: itself where it is short, else its type."""
    text = repr(value)
    return text if len(text) <= 60 and "\n" not in text else f"a {type(value).__name__}"


@dataclass(frozen=True)
class Range:
    """Finite numbers that are ``least`` or more."""

    least: float
    words: str

    def __contains__(self, value: float) -> bool:
        return self.least <= value < math.inf and value > -math.inf


FINITE = Range(-math.inf, "finite")
NOT_NEGATIVE = Range(0.0, "finite and not negative")
POSITIVE = Range(math.ulp(0.0), "positive and finite")


def check_fields(owner: Any, expected: Range, *names: str) -> None:
    """Refuse a value with a number that is not as it has to be.

    Raises:
        ValueError: the first of them.
    """
    for name in names:
        value = getattr(owner, name)
        if value not in expected:
            raise ValueError(f"{call()}: {type(owner).__name__}.{name} is {expected.words}, not {value}")


def check_vector(v: Vec3, what: str, some: bool = False) -> None:
    """Refuse a vector that is not finite, or, with ``some``, zero.

    Raises:
        TypeError, ValueError: it is.
    """
    if not isinstance(v, Vec3):
        raise TypeError(f"{call()}: {what} is a gymapi.Vec3, not {shown(v)}")
    numbers = v.x, v.y, v.z
    if not all(map(math.isfinite, numbers)) or (some and not any(numbers)):
        raise ValueError(f"{call()}: {what} is three finite numbers{', not all zero' if some else ''}, not {numbers}")


def check_pose(pose: Transform, what: str) -> None:
    """Refuse a pose that is not finite, or whose quaternion is zero.

    Raises:
        TypeError, ValueError: it is.
    """
    if not isinstance(pose, Transform):
        raise TypeError(f"{call()}: {what} is a gymapi.Transform, not {shown(pose)}")
    p, r = pose.p, pose.r
    if not all(map(math.isfinite, (p.x, p.y, p.z, r.x, r.y, r.z, r.w))) or not any((r.x, r.y, r.z, r.w)):
        raise ValueError(f"{call()}: {what} is finite and its quaternion not zero, not {p}, {r}")


def check_unprepared(sim: Simulation, what: str) -> None:
    """Refuse what comes too late: ``what`` is a clause that the models' compilation makes impossible.

    Raises:
        RuntimeError: the simulation is prepared, or destroyed.
    """
    if sim.destroyed:
        raise RuntimeError(f"{call()}: the simulation has been destroyed (destroy_sim); create_sim makes another")
    if sim.prepared:
        raise RuntimeError(f"{call()}: {what} after prepare_sim; call it before prepare_sim and the first simulate")


def warn(message: str) -> None:
    """Warn at the line outside this package that made the call."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)
