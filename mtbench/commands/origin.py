"""Keeps other web pages away from the viewer's server.

A page that a browser has open may connect to any port of this machine. The server takes what comes from its own page alone:
``Origin`` has to be where the browser says it fetched the page from, and that has to be a name of this machine, as a foreign
name that leads here (DNS rebinding) would be its own origin.
"""

from __future__ import annotations

import contextlib
import functools
import http
import inspect
import re
from collections.abc import Iterator
from typing import Any

_HERE = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?", re.IGNORECASE)


def refusal(host: list[str], origin: list[str], websocket: bool) -> str:
    """Why a request is refused; empty where it is welcome.

    Args:
        host: the values of its ``Host`` headers, one unless something is wrong.
        origin: of its ``Origin`` headers. Browsers send it with every WebSocket.
        websocket: whether it asks for one.
    """
    if len(host) != 1 or not _HERE.fullmatch(host[0]):
        return "the viewer is at http://localhost or http://127.0.0.1, by no other name"
    if (origin or websocket) and origin != [f"http://{host[0]}"]:
        return "the viewer answers its own page only"
    return ""


@contextlib.contextmanager
def own_pages_only() -> Iterator[None]:
    """Servers of the websockets package that start meanwhile, as viser's does, refuse what :func:`refusal` names."""
    import websockets.asyncio.server as module

    serve = module.serve

    def guarded(*arguments: Any, process_request: Any = None, **options: Any) -> Any:
        async def check(connection: Any, request: Any) -> Any:
            headers = request.headers
            websocket = "upgrade" in headers or "sec-websocket-key" in headers
            why = refusal(headers.get_all("Host"), headers.get_all("Origin"), websocket)
            if why:
                return connection.respond(http.HTTPStatus.FORBIDDEN, f"{why}\n")
            answer = process_request(connection, request) if process_request else None
            return await answer if inspect.isawaitable(answer) else answer

        return serve(*arguments, process_request=check, **options)

    module.serve = functools.wraps(serve)(guarded)  # type: ignore[assignment, misc]
    try:
        yield
    finally:
        module.serve = serve  # type: ignore[misc]
