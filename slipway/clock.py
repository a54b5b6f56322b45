"""Time, handed in: code that waits asks a clock, so a test of it need not wait."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the time is, and how to let it pass. Both are in seconds."""

    def now(self) -> float:
        """Seconds since some moment; they never go back."""

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Seconds since the machine started."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        time.sleep(seconds)


SYSTEM = SystemClock()
