"""What a release's users meet while it takes over: the public address asked without a pause, all the way through.

New connections come at a steady pace, whatever became of those before; beside them some are kept open and asked again.
A loop of its own in a thread of its own does it, so that nothing the release does holds it up.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import h11

from slipway.verification.app_client import OK, release_in
from slipway.verification.sample import Sample

_MOST_BYTES = 1 << 20
"""Of an answer."""
_REQUEST = "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: slipway-prober\r\nConnection: {connection}\r\n\r\n"


@dataclass(frozen=True)
class Pace:
    """In seconds: between new connections, between the requests of each kept one, and how long an answer may take."""

    interval: float = 0.05
    kept: int = 4
    kept_interval: float = 0.25
    patience: float = 2


class Prober:
    """Asks for a path at an address for as long as the context is open."""

    def __init__(self, address: str, port: int, path: str = "/", pace: Pace | None = None) -> None:
        self.began_at = time.time()
        self._where = address, port, path
        self._pace = pace or Pace()
        self._samples: list[Sample] = []
        self._stop = threading.Event()
        self._hurry: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Prober:
        self.began_at = time.time()
        self._zero = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._hurry()
        self._thread.join(self._pace.patience + 2)

    @property
    def samples(self) -> Sequence[Sample]:
        """All requests that are over, in the order in which they were sent."""
        return sorted(self._samples, key=lambda sample: sample.at)

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._zero

    async def _run(self) -> None:
        self._over = asyncio.Event()
        self._hurry = partial(asyncio.get_running_loop().call_soon_threadsafe, self._over.set)
        kept = [asyncio.create_task(self._keep(number)) for number in range(self._pace.kept)]
        under_way: set[asyncio.Task[None]] = set()
        planned = self.elapsed
        while not self._stop.is_set():
            late = max(self.elapsed - planned - self._pace.interval, 0) * 1000
            task = asyncio.create_task(self._once(late))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            # What could not be sent in time is not made up for: it would be a burst that no user makes.
            planned = max(planned + self._pace.interval, self.elapsed)
            await self._pause(planned - self.elapsed)
        await asyncio.gather(*under_way, *kept)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than the prober is wanted."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0)):
                await self._over.wait()

    async def _once(self, late: float) -> None:
        at = self.elapsed
        release, error = "", ""
        try:
            async with asyncio.timeout(self._pace.patience):
                connection = await _Connection.open(*self._where)
                try:
                    release = await connection.ask("close")
                finally:
                    connection.close()
        except (OSError, ValueError, EOFError, TimeoutError) as failure:
            error = _word(failure)
        self._samples.append(Sample(at, (self.elapsed - at) * 1000, release, error=error, late=late))

    async def _keep(self, number: int) -> None:
        """One connection that is kept; where its end has come another one is opened at once, as any client does."""
        connection: _Connection | None = None
        await self._pause(self._pace.kept_interval * number / max(self._pace.kept, 1))
        while not self._stop.is_set():
            at, release, error, again = self.elapsed, "", "", False
            for _ in range(2 if connection else 1):
                again = again or (connection is None and bool(error))
                try:
                    async with asyncio.timeout(self._pace.patience):
                        connection = connection or await _Connection.open(*self._where)
                        release, error = await connection.ask("keep-alive"), ""
                    break
                except (OSError, ValueError, EOFError, TimeoutError) as failure:
                    error = _word(failure)
                    if connection:
                        connection.close()
                    connection = None
            took = (self.elapsed - at) * 1000
            self._samples.append(Sample(at, took, release, kept=True, error=error, again=again))
            await self._pause(at + self._pace.kept_interval - self.elapsed)
        if connection:
            connection.close()


class _Connection:
    """HTTP/1.1 to one address, on which the same is asked again and again."""

    def __init__(self, host: str, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._host, self._path = host, path
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)

    @classmethod
    async def open(cls, host: str, port: int, path: str) -> _Connection:
        return cls(host, path, *await asyncio.open_connection(host, port))

    async def ask(self, connection: str) -> str:
        """Which release answers. Raises OSError, EOFError, or ValueError for an answer that no release gives.

        Where the app has ended a kept connection, EOFError says so at the next question, as it would to any client.
        """
        headers = {"host": self._host, "user-agent": "slipway-prober", "connection": connection}
        try:
            if self._http.our_state is not h11.IDLE:
                self._http.start_next_cycle()
            request = h11.Request(method="GET", target=self._path, headers=list(headers.items()))
            self._writer.write((self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b""))
            await self._writer.drain()
            head, body = await self._answer()
        except h11.LocalProtocolError as error:
            raise EOFError from error
        except h11.RemoteProtocolError as error:
            raise EOFError if self._ended else ValueError("no HTTP") from error
        named = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
        if release := release_in(head.status_code, named, body):
            return release
        raise ValueError("no release named" if head.status_code == OK else f"status {head.status_code}")

    async def _answer(self) -> tuple[h11.Response, bytes]:
        """Head and body; of no more bytes than are allowed."""
        head, body, self._ended = None, b"", False
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                data = await self._reader.read(_MOST_BYTES)
                self._ended = not data
                self._http.receive_data(data)
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > _MOST_BYTES:
                    raise ValueError("too long")
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                if head is None:
                    raise EOFError
                return head, body

    def close(self) -> None:
        with suppress(RuntimeError):
            self._writer.close()


def _word(failure: Exception) -> str:
    """A few words for a failure, the same each time, so that they can be counted."""
    if isinstance(failure, TimeoutError):
        return "no answer in time"
    if isinstance(failure, ConnectionRefusedError):
        return "connection refused"
    if isinstance(failure, EOFError):
        return "connection closed"
    if isinstance(failure, ConnectionError):
        return "connection reset"
    return str(failure) if isinstance(failure, ValueError) else type(failure).__name__
