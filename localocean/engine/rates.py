"""How often a client may ask: counted always as DigitalOcean counts, enforced only where somebody wants that."""

from __future__ import annotations

import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

MINUTE, HOUR = 60.0, 3600.0


@dataclass(frozen=True)
class Limits:
    """Requests a minute and an hour; 250 and 5,000 are DigitalOcean's."""

    minute: int = 250
    hour: int = 5000

    @classmethod
    def parse(cls, text: str) -> Limits | None:
        """`on` for DigitalOcean's limits, `MINUTE/HOUR` for others, nothing for none. Raises ValueError."""
        if text in ("", "off"):
            return None
        if text == "on":
            return cls()
        found = re.fullmatch(r"([1-9]\d{0,6})/([1-9]\d{0,6})", text, re.ASCII)
        if not found:
            raise ValueError(text)
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.minute}/{self.hour}"


@dataclass(frozen=True)
class Ticket:
    """What a request is told: the hour's limit and what is left of it, when that grows again (Unix time), and for one
    that came too early whether to wait for a second time so many seconds."""

    limit: int
    remaining: int
    reset: int
    refused: bool = False
    retry_after: int | None = None


class Rates:
    """Sliding windows of a minute and an hour over the one token's requests; `enforced` is None for none."""

    def __init__(self, enforced: Limits | None, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.enforce(enforced)

    def enforce(self, limits: Limits | None) -> None:
        """Enforce other limits from now on, or none, and begin to count anew."""
        with self._lock:
            self.enforced = limits
            self._limits = limits or Limits()
            # No more are remembered than matter.
            self._asked: deque[float] = deque(maxlen=self._limits.hour)

    def take(self) -> Ticket:
        """One more request, which counts unless it is refused."""
        with self._lock:
            now = self._clock()
            while self._asked and self._asked[0] <= now - HOUR:
                self._asked.popleft()
            retry_after = self._burst(now) if self.enforced else None
            exhausted = self.enforced is not None and len(self._asked) >= self._limits.hour
            refused = exhausted or retry_after is not None
            if not refused:
                self._asked.append(now)
            left = self._limits.hour - len(self._asked)
            reset = math.ceil((self._asked[0] if self._asked else now) + HOUR)
            remaining = left if self.enforced else max(1, left)
            return Ticket(self._limits.hour, remaining, reset, refused, None if exhausted else retry_after)

    def _burst(self, now: float) -> int | None:
        """The seconds after which the minute has room again, if it has none."""
        place = len(self._asked) - self._limits.minute
        if place < 0 or self._asked[place] <= now - MINUTE:
            return None
        return max(1, math.ceil(self._asked[place] + MINUTE - now))
