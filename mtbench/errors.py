"""Mistakes of the user, told in one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Something the user can put right. Commands print the sentence and leave with exit code 2, without a traceback."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `` (nearest: x)`` for the known name closest to ``name``, or an empty string."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (nearest: {found[0]})" if found else ""


def unknown(kind: str, name: object, known: Iterable[str]) -> UserError:
    """Return the error for a name that is not in a registry: what was asked for, the nearest match and what exists."""
    names = sorted(known)
    return UserError(f"unknown {kind} '{name}'{nearest(str(name), names)}; choose one of: {', '.join(names)}")
