"""``key=value`` arguments of small commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mtbench.errors import UserError, nearest


def whole(options: Mapping[str, str], key: str, least: int = 0, most: int | None = None) -> int:
    """An option that is a whole number.

    Raises:
        UserError: it is not, or not in its range.
    """
    value = options[key]
    short = value.isascii() and value.isdecimal() and len(value) < 19
    if not short or int(value) < least or (most is not None and int(value) > most):
        raise UserError(f"{key}={value[:80]} must be a whole number from {least} {f'to {most}' if most else 'on'}")
    return int(value)


def read_options(arguments: Sequence[str], defaults: Mapping[str, str]) -> dict[str, str]:
    """``key=value`` arguments of a small command, over its defaults; one that cannot be read ends the program with a
    sentence."""
    options = dict(defaults)
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key not in options or not value:
            near = nearest(key, options) if key not in options else ""
            listed = ", ".join(f"{name}=..." for name in options)
            raise SystemExit(f"cannot read {argument[:80]!r}{near}; options are {listed}")
        options[key] = value
    return options
