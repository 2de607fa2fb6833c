"""Critic balancing: per-task gradients -> Gram matrix -> weights -> one update direction; or weights from losses; and PopArt.

Depends on torch, NumPy and, for the weightings it has the names of, TorchJD. A new scheme is one file with a
:class:`Weighting` or a :class:`LossWeighting` under ``@register("name")`` and one import here (docs/adding_a_scheme.md).
"""

from . import diagnostics, torchjd
from .cagrad import CAGrad
from .dwa import DWA
from .fairgrad import FairGrad
from .famo import FAMO
from .gradnorm import GradNorm
from .gram import combine, gram
from .mean import Mean
from .nash_mtl import NashMTL
from .pcgrad import PCGrad
from .popart import PopArt
from .uncertainty import UncertaintyWeighting
from .weighting import REGISTRY, LossWeighting, Weighting, check_scheme, make_weighting, register, weighs_losses

__all__ = [
    "DWA",
    "FAMO",
    "REGISTRY",
    "CAGrad",
    "FairGrad",
    "GradNorm",
    "LossWeighting",
    "Mean",
    "NashMTL",
    "PCGrad",
    "PopArt",
    "UncertaintyWeighting",
    "Weighting",
    "check_scheme",
    "combine",
    "diagnostics",
    "gram",
    "make_weighting",
    "register",
    "torchjd",
    "weighs_losses",
]
