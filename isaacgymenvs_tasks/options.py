"""``key=value`` arguments of small commands."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from mtbench.errors import UserError, nearest

MOST_SEED = 2**32 - 1


def whole(options: Mapping[str, str], key: str, least: int = 0, most: int | None = None) -> int:
    """An option that is a whole number, such as 500_000.

    Raises:
        UserError: it is not, or not in its range.
    """
    value = options[key]
    short = re.fullmatch(r"[0-9]+(_[0-9]+)*", value) and len(value) < 19
    if not short or int(value) < least or (most is not None and int(value) > most):
        raise UserError(f"{key}={value[:80]} must be a whole number from {least} {f'to {most}' if most else 'on'}")
    return int(value)


def seed_of(options: Mapping[str, str]) -> int:
    """The option ``seed``.

    Raises:
        UserError: it is none.
    """
    return whole(options, "seed", most=MOST_SEED)


def flag(options: Mapping[str, str], key: str) -> bool:
    """An option that is true or false.

    Raises:
        UserError: it is neither.
    """
    value = options[key].lower()
    if value not in ("true", "false"):
        raise UserError(f"{key}={options[key][:80]} must be true or false")
    return value == "true"


def output(value: str | Path, key: str = "out", folder: bool = False) -> Path:
    """The path of a file that will be written, or of a ``folder``: what it lies in is made, and nothing else, so that hours
    of work do not end where there is no room for them.

    Raises:
        UserError: nothing can be written there.
    """
    path = Path(value)
    try:
        if path.is_dir() and not folder:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        place = path if folder else path.parent
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise UserError(f"{key}={value} cannot be written: {error.strerror or error}; choose another {key}=") from error
    return path


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
