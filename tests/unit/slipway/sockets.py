"""Servers on loopback that answer as badly as a server can, and a clock that does not make anybody wait."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Answer = Callable[[socket.socket], None]


class Instant:
    """A clock whose time passes by sleeping alone."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        """Seconds since the clock was made."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.slept.append(seconds)
        self.time += seconds


class Wire:
    """A listening socket; each connection gets the next answer, and the last one again and again."""

    def __init__(self, listener: socket.socket, answers: list[Answer]) -> None:
        self.port = int(listener.getsockname()[1])
        self.requests: list[bytes] = []
        self._listener, self._answers = listener, answers

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self.requests.append(_request(connection))
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            answer(connection)


def _request(connection: socket.socket) -> bytes:
    """One request with its body."""
    said = b""
    while b"\r\n\r\n" not in said:
        if not (data := connection.recv(65536)):
            return said
        said += data
    head, _, body = said.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while lengths and len(body) < int(lengths[0]) and (data := connection.recv(65536)):
        body += data
    return head + b"\r\n\r\n" + body


@contextmanager
def wire(*answers: Answer) -> Iterator[Wire]:
    """A server of such answers for as long as the context is open."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        served = Wire(listener, list(answers))
        threading.Thread(target=served.serve, daemon=True).start()
        yield served
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def says(status: int, body: bytes = b"{}", **headers: str) -> Answer:
    """A whole answer."""
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
    head = f"HTTP/1.1 {status} Word\r\nContent-Length: {len(body)}\r\n{''.join(lines)}\r\n"
    return lambda connection: connection.sendall(head.encode() + body)


def hangs_up(connection: socket.socket) -> None:
    """The answer is lost."""


def drips(start: bytes, piece: bytes, pause: float) -> Answer:
    """An answer without an end, a piece at a time."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(start)
        over = threading.Event()
        while not over.wait(pause):
            connection.sendall(piece)

    return answer
