"""Springs and dampers of any stiffness as MuJoCo's constraints.

A constraint whose position is r and velocity v should press with f = -K r - C v, taken at the end of the step h as an
implicit integrator does, so that no stiffness is too large: f = -K (r + h v + h^2 a) - C (v + h a), a being the acceleration
that f itself leaves. MuJoCo solves (A + R) f = a_ref - a_0, where a_0 is the acceleration without f, A f what f adds, and
R is (1 - d) / d times its estimate of A. With R = 1 / (K h^2 + C h) and a_ref = -R (K r + (K h + C) v) the two are the same,
whatever the estimate.
"""

from __future__ import annotations

import numpy as np

#: MuJoCo keeps a constraint's impedance d between these.
LEAST, MOST = 1e-4, 0.9999


def spring(stiffness: float, damping: float, step: float, weight: float) -> tuple[np.ndarray, np.ndarray]:
    """``solref`` (2,) and ``solimp`` (5,) of a constraint that acts as an implicit spring and damper.

    Args:
        stiffness, damping: K and C, per unit of the constraint's position and velocity.
        step: h, seconds of a physics step.
        weight: MuJoCo's estimate of A, the constraint's inverse inertia (``invweight0``).
    """
    softness = max(stiffness * step**2 + damping * step, 1e-12)  # 1 / R
    given = weight * softness
    impedance = float(np.clip(given / (1.0 + given), LEAST, MOST))
    # a_ref of a spring so soft, or so hard, that the impedance is clipped still gives it its force at rest.
    scale = weight * (1.0 - impedance) / impedance
    solref = -impedance * scale * np.array([stiffness, stiffness * step + damping])
    return solref, np.array([impedance, impedance, 1.0, 0.5, 1.0])
