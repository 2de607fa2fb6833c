"""Reads a ``metrics.csv``, and refuses one that no run can have written."""

from __future__ import annotations

import csv
import io
import itertools
from collections import Counter
from pathlib import Path

import numpy as np

from mtbench.learning.errors import UserError

ROUNDING = 1e-6  #: of a share that was written in single precision


def read_table(path: Path) -> tuple[dict[str, np.ndarray], str]:
    """The complete rows by column, and a sentence about rows that were cut or garbled, which are left out.

    Columns are ``frames`` and ``wall_clock``, both (T,) and rising, and ``success/<task>`` (T,), fractions.

    Raises:
        UserError: there is no such table in the file, or a number in it that cannot be.
    """
    text = _text(path)
    header = next(csv.reader(io.StringIO(text)), [])
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise UserError(f"metrics.csv has the column {twice[0]} twice")
    wanted = [name for name in header if name in ("frames", "wall_clock") or name.startswith("success/")]
    if len(wanted) < 3 or not {"frames", "wall_clock"} <= set(wanted):
        raise UserError("metrics.csv has no columns frames, wall_clock and success/<task>")
    rows, lost = _rows(text, len(header))
    values = dict(zip(header, np.array(rows, dtype=float).reshape(-1, len(header)).T, strict=True))
    for name, column in values.items():
        _check(name, column)
    sentence = f"metrics.csv is truncated or damaged: {lost} incomplete row{'s' * (lost > 1)} left out." if lost else ""
    return {name: values[name] for name in wanted}, sentence


def _text(path: Path) -> str:
    if path.is_dir():
        raise UserError(f"{path.name} is a folder and not a file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path.name} is not text in UTF-8") from error
    if "\0" in text:
        raise UserError(f"{path.name} has zero bytes in it, as after a crash of the machine")
    if not text.strip():
        raise UserError(f"{path.name} is empty")
    return text


def _rows(text: str, columns: int) -> tuple[list[list[float]], int]:
    """The rows of so many numbers, and how many others there are.

    A last number that was cut is a number still, so a last line without its end does not count.
    """
    lines = text.splitlines(keepends=True)[1:]
    rows: list[list[float]] = []
    for line in lines:
        cells = next(csv.reader([line]), [])
        try:
            numbers = [float(cell) for cell in cells]
        except ValueError:
            continue
        if len(numbers) == columns and line.endswith("\n"):
            rows.append(numbers)
    return rows, len(lines) - len(rows)


def _check(name: str, column: np.ndarray) -> None:
    """Raise :class:`UserError` for values that cannot be."""

    def refuse(wrong: np.ndarray, why: str) -> None:
        if wrong.any():
            raise UserError(f"metrics.csv has {name} {column[wrong][0]:.6g}{why}")

    refuse(~np.isfinite(column), ", which is not a finite number")
    if name == "mean_success" or name.startswith("success/"):
        refuse((column < 0) | (column > 1 + ROUNDING), ", and a success rate lies between 0 and 1")
    if name in ("frames", "wall_clock"):
        refuse(column < 0, ", which is negative")
    if name == "frames":
        refuse(column != np.floor(column), ", which is not a whole number")
    for before, after in itertools.pairwise(column):
        if name == "frames" and after == before:
            raise UserError(f"metrics.csv has two rows for {after:,.0f} frames")
        if name in ("frames", "wall_clock") and after < before:
            raise UserError(f"metrics.csv goes back: {name} {after:,.10g} comes after {before:,.10g}")
