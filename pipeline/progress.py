"""What a person watches: each step with its time, and what it is waiting for. Goes to standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Progress:
    """Says the steps of a run as they happen. Results belong on standard output, which this leaves alone."""

    def say(self, text: str) -> None:
        """A line of its own."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def detail(self, text: str) -> None:
        """Something within a step: what is being waited for, what was found."""
        self.say(f"    {text}")

    def warn(self, text: str) -> None:
        """Something that a person should know though nothing failed."""
        self.say(f"  ! {text}")

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step, and how it ended after how many seconds."""
        start = time.monotonic()
        self.say(f"  ▸ {title}")
        try:
            yield
        except BaseException:
            self.say(f"  ✗ {title} · failed after {time.monotonic() - start:.1f} s")
            raise
        self.say(f"  ✓ {title} · {time.monotonic() - start:.1f} s")
