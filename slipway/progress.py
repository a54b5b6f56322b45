"""What a person watches: each step with its time, and what it is waiting for. Goes to standard error."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from slipway.redaction import hide
from slipway.text import line, visible


class Listener(Protocol):
    """Who else wants to know of a run's steps: the ledger does."""

    def began(self, title: str) -> None:
        """A step begins. What is raised here keeps it from beginning."""

    def ended(self, title: str, seconds: float, *, ok: bool) -> None:
        """A step is over."""

    def warned(self, text: str) -> None:
        """Something that a person should know."""


class Progress:
    """Says the steps of a run as they happen. Results belong on standard output, which this leaves alone."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.relay: Callable[[str], None] | None = None
        """Where the lines of other programs go; None lets these write to the terminal themselves."""

    def say(self, text: str) -> None:
        """A line of its own, without secrets, and without what would steer a terminal."""
        with contextlib.suppress(OSError):  # nobody watches any more, and what was begun is brought to its end
            sys.stderr.write(f"{visible(hide(text))}\n")
            sys.stderr.flush()

    def detail(self, text: str) -> None:
        """Something within a step: what is being waited for, what was found."""
        self.say(f"    {line(text)}")

    def warn(self, text: str) -> None:
        """Something that a person should know though nothing failed."""
        self.say(f"  ! {line(text)}")
        for listener in self.listeners:
            listener.warned(text)

    def began(self, title: str) -> None:
        """A step begins."""
        for listener in self.listeners:
            listener.began(title)
        self.say(f"  ▸ {line(title)}")

    def ended(self, title: str, seconds: float, *, ok: bool = True) -> None:
        """A step is over, after so many seconds; who counts in whole ones is not said to know tenths."""
        took = f"{seconds:.1f} s" if isinstance(seconds, float) else f"{seconds} s"
        self.say(f"  ✓ {line(title)} · {took}" if ok else f"  ✗ {line(title)} · failed after {took}")
        for listener in self.listeners:
            listener.ended(title, seconds, ok=ok)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step, and how it ended after how many seconds."""
        start = time.monotonic()
        self.began(title)
        try:
            yield
        except BaseException:
            self.ended(title, time.monotonic() - start, ok=False)
            raise
        self.ended(title, time.monotonic() - start)
