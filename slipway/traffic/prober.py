"""What a release's users meet while it takes over: the public address asked without a pause, all the way through.

New connections come at a steady pace, whatever became of those before; beside them some are kept open and asked again.
A loop of its own in a thread of its own does it, so that nothing the release does holds it up.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from slipway.verification.sample import Sample

_MOST_BYTES = 1 << 16
"""Of an answer; `/version` has a few hundred."""
_REQUEST = "GET /version HTTP/1.1\r\nHost: {host}\r\nUser-Agent: slipway-prober\r\nConnection: {connection}\r\n\r\n"


@dataclass(frozen=True)
class Pace:
    """In seconds: between new connections, between the requests of each kept one, and how long an answer may take."""

    interval: float = 0.05
    kept: int = 4
    kept_interval: float = 0.25
    patience: float = 2


class Prober:
    """Asks `/version` at an address for as long as the context is open."""

    def __init__(self, address: str, port: int, pace: Pace | None = None) -> None:
        self.began_at = time.time()
        self._where = address, port
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
    """HTTP/1.1 as far as it is needed to ask a small JSON document."""

    def __init__(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._host = host
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, host: str, port: int) -> _Connection:
        return cls(host, *await asyncio.open_connection(host, port, limit=_MOST_BYTES))

    async def ask(self, connection: str) -> str:
        """Which release answers. Raises OSError, EOFError, or ValueError for an answer that no release gives."""
        self._writer.write(_REQUEST.format(host=self._host, connection=connection).encode())
        await self._writer.drain()
        try:
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.LimitOverrunError as error:
            raise ValueError("too long") from error
        words = head.split("\r\n")[0].split(" ", 2)
        status = words[1] if head.startswith("HTTP/1.") and len(words) > 1 else "no HTTP"
        lengths = [line.split(":")[1] for line in head.lower().split("\r\n") if line.startswith("content-length:")]
        body = await self._body(int(lengths[0]) if lengths else None)
        if status != "200":
            raise ValueError(f"status {status}")
        return _release_in(body)

    async def _body(self, length: int | None) -> bytes:
        if (length or 0) > _MOST_BYTES:
            raise ValueError("too long")
        if length is not None:
            return await self._reader.readexactly(length)
        body = b""
        while data := await self._reader.read(_MOST_BYTES):
            body += data
            if len(body) > _MOST_BYTES:
                raise ValueError("too long")
        return body

    def close(self) -> None:
        with suppress(RuntimeError):
            self._writer.close()


def _release_in(body: bytes) -> str:
    """Which release a document names; raises ValueError when it names none."""
    try:
        data = json.loads(body)
    except RecursionError as error:
        raise ValueError("no JSON") from error
    release = data.get("release") if isinstance(data, dict) else None
    if not isinstance(release, str) or not release:
        raise ValueError("no release named")
    return release


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
    if isinstance(failure, json.JSONDecodeError):
        return "no JSON"
    return str(failure) if isinstance(failure, ValueError) else type(failure).__name__
