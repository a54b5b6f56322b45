"""HTTP that takes nothing from the environment and always ends: a total deadline and a byte limit for each request.

The timeouts of requests are per read: a server that sends one byte every few seconds meets none of them. Here a timer
shuts the connection down at the deadline, whatever the server sends. Looking up a host's name alone is not covered:
the resolver's own timeouts bound it.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError

MOST_BYTES = 1 << 20
CONNECT_S = 10.0


class TooLong(requests.RequestException):
    """An answer that has more bytes than were allowed."""


class Session(requests.Session):
    """A session of requests without proxies, .netrc or anything else of the environment; for one thread.

    A request, its redirects included, ends after ``seconds`` with requests.Timeout. An answer of more than ``most``
    bytes ends with TooLong.
    """

    def __init__(self, seconds: float, most: int = MOST_BYTES) -> None:
        super().__init__()
        self.trust_env = False
        self.max_redirects = 5
        self.headers["Accept-Encoding"] = "identity"
        self._seconds, self._ends = seconds, 0.0
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(self._left, most))

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        """As in requests; ``timeout`` means nothing here."""
        self._ends = time.monotonic() + self._seconds
        return super().request(*arguments, **options)

    def _left(self) -> float:
        return self._ends - time.monotonic()


def was_not_sent(error: requests.RequestException) -> bool:
    """Whether a request surely reached nobody, because there was no connection."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)


class _Adapter(HTTPAdapter):
    """Reads each answer as a whole, over a connection of its own."""

    def __init__(self, left: Callable[[], float], most: int) -> None:
        super().__init__(max_retries=0)
        self._left, self._most = left, most

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        seconds = max(self._left(), 0.001)
        each = (min(seconds, CONNECT_S), seconds)
        late = f"no end of the answer to {request.method} {request.url} within {seconds:.0f} s"
        with _Deadline(seconds) as deadline:
            try:
                answer = super().send(request, stream=True, timeout=each, verify=verify, cert=cert)
                body = answer.raw.read(self._most + 1, decode_content=True)
            except (requests.RequestException, HTTPError, OSError) as error:
                if deadline.is_over or isinstance(error, (requests.ReadTimeout, ReadTimeoutError)):
                    raise requests.Timeout(late, request=request) from error
                if isinstance(error, requests.RequestException):
                    raise
                raise requests.ConnectionError(error, request=request) from error
            finally:
                self.close()  # a kept connection would have been watched by another deadline
            if deadline.is_over:
                raise requests.Timeout(late, request=request)
            if len(body) > self._most:
                raise TooLong(f"{request.url} answered with more than {self._most} bytes", request=request)
        answer.raw = io.BytesIO(body)
        return answer


class _Deadline:
    """A moment at which all connections that were made meanwhile are shut down."""

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def watch(self, connection: socket.socket) -> None:
        """Shut this one down, too. A copy of its descriptor is kept, since TLS takes the socket itself apart."""
        with self._lock:
            self._sockets.append(connection.dup())
            over = self.is_over
        if over:
            self._end()

    def _end(self) -> None:
        with self._lock:
            self.is_over = True
            for each in self._sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> _Deadline:
        self._token = _current.set(self)
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()
        _current.reset(self._token)
        with self._lock:
            for each in self._sockets:
                each.close()
            self._sockets.clear()


_current: ContextVar[_Deadline] = ContextVar("deadline")


class _Plain(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        connection = super()._new_conn()
        _current.get().watch(connection)
        return connection


class _Secure(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        connection = super()._new_conn()
        _current.get().watch(connection)
        return connection


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure
