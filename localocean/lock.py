"""Who is the server of a state directory: whoever holds `<state>/server.lock`, so no stale process id is believed.

Whoever could open that file could hold it, so it is the cloud's owner's alone.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from localocean import credentials
from localocean.config import Config
from localocean.host.errors import HostError


def private(path: str, flags: int) -> int:
    """An opener for files that nobody else may open, and so not lock either."""
    file = os.open(path, flags, 0o600)
    os.fchmod(file, 0o600)
    return file


@contextmanager
def claim(config: Config) -> Iterator[None]:
    """Be the server of the state directory. Raises HostError when there is one already."""
    with open(config.state / "server.lock", "a+", opener=private) as lock:
        os.fchown(lock.fileno(), *credentials.owner())
        while not _is_ours(lock):
            if server_pid(config):
                raise HostError(f"A local cloud already runs in {config.state}.", "See it: localocean status")
            time.sleep(0.01)  # somebody looks whether a server holds it, as whoever waits for this one does
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _is_ours(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def server_pid(config: Config) -> int | None:
    """The process id of the living server."""
    try:
        with (config.state / "server.lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read() or 0) or None
    except (FileNotFoundError, NotADirectoryError):
        pass
    return None
