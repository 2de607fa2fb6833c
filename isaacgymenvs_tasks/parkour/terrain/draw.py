"""A family's parameters at one hardness: their ranges, and draws from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

#: A length in metres as a function of hardness d: fixed, or the (low, high) of a uniform distribution.
Span = Callable[[float], float | tuple[float, float]]


class Ranges:
    """The ranges of a family's parameters at one hardness, in metres.

    Args:
        spans: parameter name -> :data:`Span`.
        d: hardness.
    """

    def __init__(self, spans: Mapping[str, Span], d: float) -> None:
        self.d = d
        self._bounds = {}
        for name, span in spans.items():
            value = span(d)
            low, high = value if isinstance(value, tuple) else (value, value)
            self._bounds[name] = min(low, high), max(low, high)

    def low(self, name: str) -> float:
        return self._bounds[name][0]

    def high(self, name: str) -> float:
        return self._bounds[name][1]


class Draw(Ranges):
    """Draws parameters: ``draw("height")`` is uniform in the range of that name."""

    def __init__(self, spans: Mapping[str, Span], d: float, rng: np.random.Generator) -> None:
        super().__init__(spans, d)
        self._rng = rng

    def __call__(self, name: str) -> float:
        low, high = self._bounds[name]
        return float(self._rng.uniform(low, high))

    def coin(self) -> bool:
        return bool(self._rng.random() < 0.5)
