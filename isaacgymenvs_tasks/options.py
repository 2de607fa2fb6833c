"""``key=value`` arguments of small commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def whole(options: Mapping[str, str], key: str, least: int = 0, most: int | None = None) -> int:
    """An option that is a whole number.

    Raises:
        ValueError: it is not, or not in its range.
    """
    value = options[key]
    if not value.isdecimal() or int(value) < least or (most is not None and int(value) > most):
        raise ValueError(f"{key}={value} must be a whole number from {least} {f'to {most}' if most else 'on'}")
    return int(value)


def read_options(arguments: Sequence[str], defaults: Mapping[str, str]) -> dict[str, str]:
    """``key=value`` arguments of a small command, over its defaults; one that cannot be read ends the program with a
    sentence."""
    options = dict(defaults)
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key not in options or not value:
            raise SystemExit(f"cannot read {argument!r}; options are " + ", ".join(f"{k}=..." for k in options))
        options[key] = value
    return options
