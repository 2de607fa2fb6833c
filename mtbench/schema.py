"""What settings may be: declared as types, checked by pydantic, told in one sentence.

A group of settings is a class under :class:`Settings`, or the signature of what is built from them
(:func:`of_signature`): a scheme or a network declares what its arguments may be where it names them::

    def __init__(self, alpha: Positive = 1.0, max_iterations: Count = 100) -> None: ...

Types are exact: ``true`` is no number, ``"3"`` none either, and a number is finite.
"""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Len, Lt
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, create_model

from mtbench.errors import UserError, nearest

Count = Annotated[int, Ge(1), Le(10**12)]  #: of what there is at least one of
Whole = Annotated[int, Ge(0), Le(10**12)]
Positive = Annotated[float, Gt(0), Le(1e6)]
NotNegative = Annotated[float, Ge(0), Le(1e6)]
Number = Annotated[float, Ge(-1e6), Le(1e6)]
Share = Annotated[float, Ge(0), Le(1)]
Some = Annotated[float, Gt(0), Le(1)]  #: a share that is not nothing
Seed = Annotated[int, Ge(0), Le(2**32 - 1)]
Layers = Annotated[int, Ge(1), Le(64)]  #: how many of something that is stacked in a network
Width = Annotated[int, Ge(1), Le(16384)]  #: of a layer
Widths = Annotated[Sequence[Width], Len(0, 64)]

_LONGEST = 80  #: letters of a value in a sentence


class Settings(BaseModel):
    """A group of settings. A field without a default has to be there; only what says ``| None`` may be null."""

    model_config = ConfigDict(
        strict=True, extra="forbid", allow_inf_nan=False, protected_namespaces=(), arbitrary_types_allowed=True
    )


def _named(value: str) -> str:
    if not value.strip() or value != value.strip() or not value.isprintable():
        raise ValueError("must be printable text without spaces around it")
    return value


def _path(value: str) -> str:
    if "\0" in value or not value.isprintable():
        raise ValueError("must be the path of a file or folder")
    if value.startswith("~"):
        raise ValueError("must be a path; the shell replaces ~ only at the start of a word, so write $HOME")
    return value


Name = Annotated[str, AfterValidator(_named)]
FilePath = Annotated[str, AfterValidator(_path)]  #: may be empty


def check(
    settings: type[Settings], values: object, place: str = "", partial: bool = False, others: bool = False
) -> None:
    """Compare values with what they may be.

    Args:
        settings: what there may be.
        values: a mapping by name.
        place: dotted name of the group, for the sentence.
        partial: settings that are missing or that nobody knows are no mistake.
        others: settings that nobody knows are none.

    Raises:
        UserError: the first that cannot be: its name, its value, what it may be, and the nearest name or value.
    """
    if not isinstance(values, Mapping):
        raise UserError(f"{place}={show(values)} must be a group of settings: {', '.join(settings.model_fields)}")
    try:
        settings.model_validate({str(name): value for name, value in values.items()})
    except ValidationError as error:
        passed = [*(["missing"] if partial else []), *(["extra_forbidden"] if partial or others else [])]
        problems = [problem for problem in error.errors(include_url=False) if problem["type"] not in passed]
        if problems:
            raise UserError(_sentence(settings, values, _first(problems), place)) from None


@cache
def of_signature(make: Callable[..., Any], without: tuple[str, ...] = ()) -> type[Settings]:
    """The settings that are the arguments of ``make``, but for those that are given by others."""
    return of_parameters(make.__name__, {k: p for k, p in signature(make).items() if k not in without})


def of_parameters(name: str, parameters: Mapping[str, inspect.Parameter]) -> type[Settings]:
    """The settings that are these parameters of something called ``name``."""
    fields: Any = {
        key: (
            Any if parameter.annotation is parameter.empty else parameter.annotation,
            ... if parameter.default is parameter.empty else parameter.default,
        )
        for key, parameter in parameters.items()
    }
    return create_model(name, __base__=Settings, **fields)


def signature(make: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The arguments of ``make`` by name, with their types evaluated where they can be."""
    try:
        return inspect.signature(make, eval_str=True).parameters
    except NameError:  # a type that is imported for the type checker alone
        plain = inspect.signature(make).parameters
        return {name: parameter.replace(annotation=Any) for name, parameter in plain.items()}


def show(value: object) -> str:
    """A value as one would type it, shortened."""
    text = _typed(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _typed(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return value if value.strip() and value.isprintable() else repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_typed(key)}: {_typed(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_typed, value)) + "]"
    if isinstance(value, int) and abs(value) > 10**_LONGEST:  # str() refuses the longest
        return f"{'-' if value < 0 else ''}10^{int(math.log10(abs(value)))}"
    return str(value)


def _first(problems: Sequence[Any]) -> Any:
    """The first problem, of what is there before what is missing, which may be a slip of a name; where a value may be of
    several types, what one of them says in words of its own."""
    problems = sorted(problems, key=lambda problem: problem["type"] == "missing")
    outer = problems[0]["loc"][:-1]
    said = [problem for problem in problems if problem["type"] == "value_error" and problem["loc"][:-1] == outer]
    return said[0] if said and outer else problems[0]


def _sentence(settings: type[Settings], values: Any, problem: Any, place: str) -> str:
    """Follow the place of a problem through the groups as far as there are any, and say what is wrong there."""
    where = [place] if place else []
    location = list(problem["loc"])
    group, value = settings, values
    while location:
        name = location.pop(0)
        if problem["type"] == "extra_forbidden" and name not in group.model_fields:
            there = f"{'.'.join(where)} takes" if where else "the settings are"
            key = ".".join([*where, str(name)])
            known = list(group.model_fields)
            return f"there is no setting '{key}'{nearest(str(name), known)}; {there}: {', '.join(known) or 'none'}"
        field = group.model_fields[str(name)]
        where.append(str(name))
        if problem["type"] == "missing" and not location:
            allowed = describe(_annotation(field))
            return f"{'.'.join(where)} is missing; it must be {allowed}"
        value = value[name]
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Settings) and isinstance(value, Mapping):
            group = inner
            continue
        key = f"{'.'.join(where)}={show(value)}"
        if problem["type"] == "value_error":
            return f"{key} {problem['ctx']['error']}"
        return f"{key} must be {describe(_annotation(field))}{_close(value, field.annotation)}"
    prefix = f"{'.'.join(where)}." if where else ""
    return f"{prefix}{problem['ctx']['error']}"  # of what two settings say together


def _annotation(field: Any) -> Any:
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def describe(annotation: Any) -> str:
    """In words, what a type allows."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _bounded(arguments[0], arguments[1:])
    if origin in (Union, types.UnionType):
        return _either([describe(each) for each in arguments])
    if origin is Literal:
        return _either([_typed(each) for each in arguments])
    if origin in (list, Sequence):
        return f"a list, each entry {describe(arguments[0])}"
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return f"a group of settings: {', '.join(annotation.model_fields)}"
    if origin in (dict, Mapping) or annotation in (dict, Mapping):
        return "a mapping"
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    return names.get(annotation, "something else")


def _either(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def _bounded(base: Any, limits: Sequence[Any]) -> str:
    words = describe(base)
    bounds = []
    for limit in limits:
        if isinstance(limit, Len):
            exact = limit.min_length == limit.max_length
            size = f"{limit.min_length}" if exact else f"{limit.min_length} to {limit.max_length}"
            words = words.replace("a list", f"a list of {size}", 1)
        bounds += [f"of at least {_number(limit.ge)}"] if isinstance(limit, Ge) else []
        bounds += [f"above {_number(limit.gt)}"] if isinstance(limit, Gt) else []
        bounds += [f"at most {_number(limit.le)}"] if isinstance(limit, Le) else []
        bounds += [f"below {_number(limit.lt)}"] if isinstance(limit, Lt) else []
    return " ".join([words, " and ".join(bounds)]) if bounds else words


def _number(limit: Any) -> str:
    return "2^32 - 1" if limit == 2**32 - 1 else f"{limit:,}" if isinstance(limit, int) else f"{limit:g}"


def _close(value: object, annotation: Any) -> str:
    """The nearest of the names that a type allows."""
    stack, names = [annotation], []
    while stack:
        each = stack.pop()
        if get_origin(each) is Literal:
            names += [name for name in get_args(each) if isinstance(name, str)]
        elif get_origin(each) in (Union, types.UnionType, Annotated):
            stack += get_args(each)
    return nearest(value, names) if isinstance(value, str) else ""
