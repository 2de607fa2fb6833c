"""Fields of value types that hold numbers: they take whatever is one number, as the C++ classes of Isaac Gym do."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

_KINDS = {"float": float, "int": int, "bool": bool}
_fields: dict[type, dict[str, type]] = {}
_Value = TypeVar("_Value")


class Numbers:
    """Base of a dataclass whose ``float``, ``int`` and ``bool`` fields convert numpy scalars, and arrays and tensors of one
    element, when they are assigned.

    Raises:
        TypeError: what is assigned is not one number.
    """

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        kinds = _fields.get(type(self))
        if kinds is None:
            kinds = {f.name: _KINDS[f.type] for f in fields(self) if f.type in _KINDS}  # type: ignore[arg-type, index]
            _fields[type(self)] = kinds
        kind = kinds.get(name)
        if kind is not None and type(value) is not kind:
            value = number(value, kind, f"{type(self).__name__}.{name}")
        object.__setattr__(self, name, value)


def twin(value: _Value) -> _Value:
    """A copy of a dataclass that shares the values within it. Nothing is converted again, which is most of what it takes to
    make one of thousands."""
    copy = object.__new__(type(value))
    put = object.__setattr__
    for name in value.__match_args__:  # type: ignore[attr-defined]
        put(copy, name, getattr(value, name))
    return copy


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
