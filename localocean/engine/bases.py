"""Base images: made in the background from the server's start, waited for by the droplets that need them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from localocean.engine.actions import Interrupted
from localocean.host.errors import HostError

READY, MAKING, FAILED = "ready", "making", "failed"

log = logging.getLogger("localocean.bases")


class Maker(Protocol):
    """What makes base images: storage.bases.BaseImages."""

    def ready(self, slug: str) -> bool: ...

    def ensure(self, slug: str, progress: Callable[[str], None] = ...) -> Path: ...


class Bases:
    """One attempt at a time per image; a failed one is repeated when the next droplet asks."""

    def __init__(self, maker: Maker, stopping: threading.Event) -> None:
        self.maker = maker
        self.stopping = stopping
        self._lock = threading.Lock()
        self._attempts: dict[str, _Attempt] = {}

    def prepare(self, slug: str) -> _Attempt:
        """Start making the image unless that is done or under way."""
        with self._lock:
            attempt = self._attempts.get(slug)
            if attempt is None or attempt.error:
                attempt = self._attempts[slug] = _Attempt(self.maker, slug)
                attempt.start()
            return attempt

    def wait(self, slug: str) -> Path:
        """Where the image is, as soon as it is made. Raises HostError, or Interrupted when the server stops."""
        attempt = self.prepare(slug)
        while not attempt.ended.wait(0.2):
            if self.stopping.is_set():
                raise Interrupted
        if attempt.path is None:
            raise attempt.error or HostError(f"The base image {slug} could not be made.", "See server.log.")
        return attempt.path

    def busy(self) -> bool:
        """Whether an image is being made."""
        return any(attempt.is_alive() for attempt in self._attempts.values())

    def join(self, seconds: float) -> None:
        """Wait until no image is being made, for at most so long per image."""
        for attempt in self._attempts.values():
            attempt.join(seconds)

    def states(self) -> dict[str, dict[str, str]]:
        """Per image: its state, and the last line of progress or the error."""
        return {slug: attempt.describe() for slug, attempt in self._attempts.items()}


class _Attempt(threading.Thread):
    """A daemon thread, so that making an image never holds up the server's end."""

    def __init__(self, maker: Maker, slug: str) -> None:
        super().__init__(name=f"base-{slug}", daemon=True)
        self.maker = maker
        self.slug = slug
        self.ended = threading.Event()
        self.path: Path | None = None
        self.error: HostError | None = None

    def run(self) -> None:
        try:
            self.path = self.maker.ensure(self.slug, log.info)
        except HostError as error:
            self.error = error
        except Exception as error:
            log.exception("base image %s", self.slug)
            self.error = HostError(f"The base image {self.slug} could not be made: {error}", "See server.log.")
        if self.error:
            log.error("base image %s: %s", self.slug, self.error)
        else:
            log.info("base image %s is ready", self.slug)
        self.ended.set()

    def describe(self) -> dict[str, str]:
        if self.error:
            return {"state": FAILED, "reason": str(self.error)}
        return {"state": READY if self.path else MAKING}
