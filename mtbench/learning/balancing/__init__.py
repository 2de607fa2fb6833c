"""Critic balancing: per-task gradients -> Gram matrix -> weights -> one update direction; and PopArt.

Depends on torch and NumPy only. A new weighting is one file with a :class:`Weighting` under ``@register("name")``
and one import here.
"""

from . import diagnostics
from .fairgrad import FairGrad
from .gram import combine, gram
from .mean import Mean
from .pcgrad import PCGrad
from .popart import PopArt
from .weighting import REGISTRY, Weighting, make_weighting, register

__all__ = [
    "REGISTRY",
    "FairGrad",
    "Mean",
    "PCGrad",
    "PopArt",
    "Weighting",
    "combine",
    "diagnostics",
    "gram",
    "make_weighting",
    "register",
]
