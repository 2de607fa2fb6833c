"""The viewer answers its own page: not another site's, and not one whose name was made to lead here."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from mtbench.commands.origin import own_pages_only, refusal

websockets = pytest.importorskip("websockets")
OWN = ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "localhost", "127.0.0.1:9000"]
FOREIGN = [
    "evil.example",
    "evil.example:8080",
    "localhost.evil.example:8080",
    "127.0.0.1.evil.example",
    "",
    "10.0.0.7:8080",
]
FOREIGN += ["evil.example:80@localhost:8080", "localhost:8080, evil.example", "0.0.0.0:8080", "127.0.0.2:8080"]


@pytest.mark.parametrize("host", OWN)
def test_its_own_page_is_welcome(host: str) -> None:
    assert not refusal([host], [], websocket=False)
    assert not refusal([host], [f"http://{host}"], websocket=True)


@pytest.mark.parametrize("host", FOREIGN)
def test_another_name_is_refused_even_as_its_own_origin(host: str) -> None:
    assert "by no other name" in refusal([host], [f"http://{host}"], websocket=True)
    assert refusal([host], [], websocket=False)


@pytest.mark.parametrize(
    "origin",
    [
        *([f"http://{host}"] for host in FOREIGN),
        [],  # not a browser's
        ["null"],  # of a file, or of a frame in a sandbox
        ["http://localhost:8081"],  # another server of this machine
        ["https://localhost:8080"],
        ["http://127.0.0.1:8080"],  # the same server by another name is another origin
        ["http://localhost:8080", "http://evil.example"],
    ],
)
def test_another_page_is_refused(origin: list[str]) -> None:
    assert "its own page only" in refusal(["localhost:8080"], origin, websocket=True)


def test_no_host_and_two_hosts_are_refused() -> None:
    assert refusal([], [], websocket=False)
    assert refusal(["localhost:8080", "evil.example"], [], websocket=False)


def test_a_server_that_starts_guarded_says_403_to_others() -> None:
    """Over a socket, with the package that viser serves with; what started before and after stays as it was."""
    from websockets.asyncio import server as module
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus

    async def answer(connection: Any) -> None:
        await connection.send("hello")

    async def ask(port: int, origin: str | None, host: str | None = None) -> str:
        headers = {"Host": host} if host else {}
        async with connect(f"ws://localhost:{port}", origin=origin, additional_headers=headers, proxy=None) as client:
            return str(await client.recv())

    async def trial() -> None:
        serve = module.serve
        with own_pages_only():
            starting = module.serve(answer, "127.0.0.1", 0)
        assert module.serve is serve
        async with starting as server:
            port = server.sockets[0].getsockname()[1]
            assert await ask(port, f"http://localhost:{port}") == "hello"
            for origin in (
                None,
                "null",
                "http://evil.example",
                f"http://127.0.0.1:{port}",
                f"http://localhost:{port + 1}",
            ):
                with pytest.raises(InvalidStatus) as refused:
                    await ask(port, origin)
                assert refused.value.response.status_code == 403
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")  # a page fetched after rebinding
            assert b" 403 " in await reader.readline()
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    asyncio.run(trial())
