"""One number from whatever holds one, as the C++ classes of Isaac Gym take it."""

from __future__ import annotations

from typing import Any


def number(value: Any, kind: type, what: str) -> Any:
    """One number of a kind (float, int, bool) from a number, or from an array or tensor of one element.

    Raises:
        TypeError: it is not one; ``what`` is named.
    """
    try:
        plain = value.item() if hasattr(value, "item") else value
        if isinstance(plain, (bool, int, float)) and (kind is not int or plain == int(plain)):
            return plain if isinstance(plain, kind) else kind(plain)
    except (ValueError, RuntimeError, OverflowError):  # several elements, or int of what is not finite
        pass
    words = {float: "a number", int: "an integer", bool: "true or false"}
    raise TypeError(f"{what} is {words[kind]}, not {value!r}")
