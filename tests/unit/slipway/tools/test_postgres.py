"""Connections to a database that end before they stand, with the server played here as far as its first word."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from certifi import where

from slipway.errors import PipelineError
from slipway.tools import postgres
from slipway.tools.postgres import Database
from tests.unit.slipway.sockets import Instant

TLS, NO_TLS = b"S", b"N"


@contextmanager
def server(*words: bytes) -> Iterator[tuple[int, Sequence[bytes]]]:
    """A port where each connection gets the next word, the last one again and again, and is closed; what it gave."""
    given: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(8)
                    given.append(words[min(len(given), len(words) - 1)])
                    connection.sendall(given[-1])
                    connection.recv(1)  # of what TLS begins with

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        try:
            yield listener.getsockname()[1], given
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def refused(port: int, clock: Instant) -> PipelineError:
    database = Database("db.test", port, "doadmin", "secret", "app", Path(where()))
    with pytest.raises(PipelineError, match="The database app at db.test cannot be used") as error:
        with postgres.connect(database, clock):
            raise AssertionError("it was connected")
    return error.value


def test_a_connection_that_is_cut_off_is_made_again_until_the_time_is_over() -> None:
    clock = Instant()
    with server(TLS) as (port, given):
        error = refused(port, clock)
    assert len(given) > 2 and 1 < clock.time <= 5
    assert "SSL" in error.hint and "secret" not in f"{error.message} {error.hint}"


def test_what_the_server_refuses_is_not_asked_again() -> None:
    clock = Instant()
    with server(TLS, TLS, NO_TLS) as (port, given):
        error = refused(port, clock)
    assert given == [TLS, TLS, NO_TLS] and len(clock.slept) == 2
    assert "does not support SSL" in error.hint
