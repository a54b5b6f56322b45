"""The server's log, on standard error. What others put into it stays within a line, and all of it within two files."""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

from localocean.terminal import plain

BYTES = 10 << 20
MOST = 2000
"""Characters of a message: whoever can reach a port can have a line written."""


def begin(path: Path) -> None:
    """Log to standard error; where that is the file at `path`, what is over its size is kept beside it as `.1`."""
    handler = _Handler(path)
    handler.setFormatter(_Line("%(asctime)sZ %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def make(path: Path) -> int:
    """The file of the log, root's alone, opened to append to."""
    return os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)


class _Line(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = plain(record.message[:MOST])
        return super().formatMessage(record)


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]
    def __init__(self, path: Path) -> None:
        super().__init__(sys.stderr)
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        ours = os.fstat(self.stream.fileno())
        if ours.st_size > BYTES and os.path.samestat(ours, self._path.stat()):
            self._path.replace(self._path.with_suffix(".log.1"))
            fresh = make(self._path)
            os.dup2(fresh, self.stream.fileno())
            os.close(fresh)
