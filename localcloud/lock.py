"""Who is the server of a state directory: whoever holds `<state>/server.lock`, so no stale process id is believed."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from localcloud.config import Config
from localcloud.host.errors import HostError


@contextmanager
def claim(config: Config) -> Iterator[None]:
    """Be the server of the state directory. Raises HostError when there is one already."""
    with (config.state / "server.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HostError(f"A local cloud already runs in {config.state}.", "See it: localcloud status") from None
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def server_pid(config: Config) -> int | None:
    """The process id of the living server."""
    try:
        with (config.state / "server.lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read() or 0) or None
    except FileNotFoundError:
        pass
    return None
