"""Connections that are only there to keep others out: those that say nothing, or never end what they say."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from localocean.server import MOST_OF_A_DROPLET, Connection

SECONDS = 2
"""That the server under test keeps a silent connection, at most twice that."""

ANSWER = b"HTTP/1.1 204"


async def slow(scope: object, receive: object, send: object) -> None:
    """An app that takes longer for its answer than a connection may be silent."""
    assert isinstance(scope, dict) and callable(send)
    if scope["type"] == "http":
        await asyncio.sleep(3 * SECONDS if scope["path"] == "/slow" else 0)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(slow, http=Connection, log_config=None, lifespan="off", timeout_keep_alive=SECONDS)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def said(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    try:
        return b"".join(iter(lambda: connection.recv(4096), b""))
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"],
)
def test_a_silent_connection_is_closed(port: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(sent)
        found = said(connection)
    assert found.startswith(ANSWER) if b"\r\n\r\n" in sent else ANSWER not in found


def test_who_waits_for_his_answer_gets_it(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        assert said(connection).startswith(ANSWER)


def test_one_that_is_used_stays(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for _ in range(9):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.recv(4096).startswith(ANSWER)
            time.sleep(SECONDS / 4)


def test_a_droplet_has_a_few_and_this_machine_what_it_wants(port: int) -> None:
    for source, most in (("127.0.0.2", MOST_OF_A_DROPLET), ("127.0.0.3", MOST_OF_A_DROPLET), ("127.0.0.1", 64)):
        held = [socket.create_connection(("127.0.0.1", port), 20, (source, 0)) for _ in range(64)]
        answered = 0
        for connection in held:
            try:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                answered += connection.recv(4096).startswith(ANSWER)
            except OSError:
                continue
        assert answered == most
        for connection in held:
            connection.close()
