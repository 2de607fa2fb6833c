"""Mistakes of the user, where the learner's files look for them."""

from mtbench.errors import UserError, nearest, unknown

__all__ = ["UserError", "nearest", "unknown"]
