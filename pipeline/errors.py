"""The one error that a user meets: a sentence that says what is wrong and a hint that says what to do."""

from __future__ import annotations


class PipelineError(Exception):
    """A foreseen failure. ``message`` is one sentence; ``hint``, where there is a remedy, names it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Unrecorded(PipelineError):
    """What was asked for is done, and could not be committed."""
