"""Calls per second of an HTTP server, from one client that sends the next call when the last is answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from statistics import quantiles

from localocean.host.errors import HostError

WARM_UP = 20
START_SECONDS = 120


@dataclass(frozen=True)
class Request:
    """What is sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str | None = None


@dataclass(frozen=True)
class Pace:
    """Calls per second, and the time in milliseconds within which 99 of 100 were answered."""

    per_second: float
    p99: float

    def __str__(self) -> str:
        return f"{self.per_second:8.0f}/s  p99 {self.p99:7.1f} ms"


def pace(port: int, request: Callable[[int], Request], seconds: float) -> Pace:
    """Call for that long; `request` gives the call of a number. Whatever is not answered by 200 is an error."""
    connection = HTTPConnection("127.0.0.1", port, timeout=300)
    took: list[float] = []
    for number in range(WARM_UP):
        ask(connection, request(number))
    began = last = time.perf_counter()
    while last - began < seconds or len(took) < WARM_UP:
        ask(connection, request(len(took)))
        now = time.perf_counter()
        took.append(now - last)
        last = now
    connection.close()
    return Pace(len(took) / (last - began), quantiles(took, n=100)[98] * 1000)


def ask(connection: HTTPConnection, request: Request) -> bytes:
    """What the call is answered; the connection is kept where the server keeps it."""
    connection.request(request.method, request.path, request.body, dict(request.headers))
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise HostError(f"{request.method} {request.path} was answered {answer.status}.", content.decode()[:300])
    return content


def wait_for(port: int, request: Request) -> None:
    """Until the server answers; raises HostError when it does not in time."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError, HTTPException):
            ask(HTTPConnection("127.0.0.1", port, timeout=60), request)
            return
        time.sleep(0.05)
    raise HostError(f"The server on port {port} does not answer within {START_SECONDS} seconds.")
