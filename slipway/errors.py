"""The one error that a user meets: a sentence that says what is wrong and a hint that says what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager


class PipelineError(Exception):
    """A foreseen failure. ``message`` is one sentence; ``hint``, where there is a remedy, names it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Unrecorded(PipelineError):
    """What was asked for is done, and could not be committed."""


@contextmanager
def in_a_sentence() -> Iterator[None]:
    """Raise what the system refuses, such as a write to a full disk, as a PipelineError."""
    try:
        yield
    except OSError as error:
        full = error.errno == errno.ENOSPC
        what = "The disk is full" if full else f"The machine refused: {error.strerror}"
        where = f": {error.filename}" if error.filename else ""
        raise PipelineError(f"{what}{where}.", "df -h" if full else "") from error
