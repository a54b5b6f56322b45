"""The one error of the rooms that touch the machine: what is wrong, and what to do about it."""

from __future__ import annotations


class HostError(Exception):
    """A foreseen failure of the host. ``message`` is one sentence; ``hint``, where there is a remedy, names it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
