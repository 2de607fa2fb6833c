"""What Isaac Gym's C++ structs have in common: their fields are known, of one type each, and hold values, not references."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, ClassVar, Self, TypeVar, get_type_hints

import numpy as np

from .numbers import number

_NUMBERS = (float, int, bool)
#: The fields of a class: each with its type if it converts; and those that are copied as they are, and the structs.
_types: dict[type, dict[str, type | None]] = {}
_parts: dict[type, tuple[list[str], list[tuple[str, type[Struct]]]]] = {}
_Struct = TypeVar("_Struct", bound="Struct")


class Struct:
    """Base of a dataclass whose fields are those of a C++ struct.

    Reading a field that is a struct gives a reference, assigning one copies it: ``a.p.z = 1`` changes ``a``, and after
    ``a.p = b.p`` the two have a vector each. A record of a structured array (a row of rigid-body states) is taken for the
    struct of the same layout. Numbers are taken from numpy scalars, and from arrays and tensors of one element.

    Raises:
        AttributeError: an assignment to a field that there is not.
        TypeError: what is assigned is not one number, or not such a struct.
    """

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        cls = type(self)
        types = _types.get(cls) or _read_types(cls)
        if name not in types:
            _refuse_field(cls, name)
        kind = types.get(name)
        if kind in _NUMBERS:
            if type(value) is not kind:
                value = number(value, kind, f"{cls.__name__}.{name}")
        elif kind is not None:
            value = _as_struct(value, kind, f"{cls.__name__}.{name}")
        object.__setattr__(self, name, value)

    def __copy__(self) -> Self:
        return _copied(self, type(self))

    def __deepcopy__(self, memo: Any) -> Self:
        return _copied(self, type(self))


class Record(Struct):
    """A struct that numpy has as a record, of layout ``dtype``."""

    __slots__ = ()
    dtype: ClassVar[np.dtype]

    @classmethod
    def from_buffer(cls, buffer: Any) -> Self:
        """From a record of this layout (an element of a structured array), or from as many bytes or float32.

        Raises:
            TypeError: it is something else.
        """
        array = np.ascontiguousarray(buffer)
        if array.dtype != cls.dtype and array.dtype.char in "fBS" and array.nbytes == cls.dtype.itemsize:
            array = np.frombuffer(array.tobytes(), cls.dtype)
        if array.dtype != cls.dtype or array.size != 1:
            raise TypeError(
                f"{cls.__name__}.from_buffer takes one record of {cls.__name__}.dtype, or its {cls.dtype.itemsize} bytes, "
                f"not {buffer!r}"
            )
        return _from_record(cls, array.reshape(-1)[0])


def _read_types(cls: type) -> dict[str, type | None]:
    """The fields of a class, each with float, int, bool or a struct, or None where anything goes (text, enumerations)."""
    owner = next(base for base in cls.__mro__ if "__dataclass_fields__" in vars(base))  # a client may derive classes
    hints = get_type_hints(owner)
    kinds = {f.name: hints[f.name] for f in fields(owner)}
    structs = [(name, k) for name, k in kinds.items() if issubclass(k, Struct)]
    _parts[cls] = [name for name in kinds if name not in dict(structs)], structs
    _types[cls] = {name: k if k in _NUMBERS or issubclass(k, Struct) else None for name, k in kinds.items()}
    return _types[cls]


def _refuse_field(cls: type, name: str) -> None:
    if "__dataclass_fields__" not in vars(cls) or name.startswith("__"):
        return  # a client's class, which has what it likes; or Python's own, as __class__
    near = nearest(name, _types[cls])
    hint = f"did you mean {near!r}?" if near else f"it has {', '.join(sorted(_types[cls]))}"
    raise AttributeError(f"{cls.__name__} has no field {name!r}; {hint}")


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of the names that another is most like, if any."""
    by_letters = {n.lower(): n for n in names}
    near = get_close_matches(name.lower(), by_letters, 1)
    return by_letters[near[0]] if near else None


def _copied(struct: Struct, cls: type[_Struct]) -> _Struct:
    """A struct of the given class with the values of another."""
    out = object.__new__(cls)
    put = object.__setattr__
    if cls not in _parts:
        _read_types(cls)
    plain, structs = _parts[cls]
    for name in plain:
        put(out, name, getattr(struct, name))
    for name, kind in structs:
        put(out, name, _copied(getattr(struct, name), kind))
    return out


def _as_struct(value: Any, kind: type[Struct], what: str) -> Struct:
    if isinstance(value, kind):
        return _copied(value, kind)
    if issubclass(kind, Record) and getattr(value, "dtype", None) == kind.dtype and value.size == 1:
        return kind.from_buffer(value)
    raise TypeError(f"{what} takes a {kind.__name__}, not {value!r}")


def _from_record(cls: type[_Struct], record: Any) -> _Struct:
    out = cls()
    for name in record.dtype.names:
        setattr(out, name, record[name])
    return out
