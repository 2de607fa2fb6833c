"""Docstrings name code as Sphinx does, :class:`~package.Class`; the site shows Markdown."""

import re
from typing import Any

import griffe

_ROLE = re.compile(r":\w+:`(~?)\.?([^`<]+)`")


def markdown(text: str) -> str:
    """The text with its roles as plain code, shortened to the last name where they begin with ``~``."""
    return _ROLE.sub(lambda found: f"`{found[2].rpartition('.')[2] if found[1] else found[2]}`", text)


class Roles(griffe.Extension):
    """Rewrites every docstring when it is read."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)
