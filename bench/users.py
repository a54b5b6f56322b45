"""The users of an address: what each of them gets, asked without a pause over connections of their own."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

INTERVAL = 0.05
"""Seconds between two requests."""
PATIENCE = 2.0
"""Seconds that an answer may take."""


@dataclass(frozen=True)
class Answer:
    """What came at ``at`` (monotonic seconds): the app's version, empty when it did not answer or was not ready."""

    at: float
    version: str


@dataclass
class Users:
    """Everything that the users of one address got while they were watched."""

    address: str
    answers: list[Answer] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def lost(self) -> int:
        """Requests without a good answer."""
        return sum(not answer.version for answer in self.answers)

    @property
    def longest_gap(self) -> float:
        """Seconds between two good answers, at most."""
        good = [answer.at for answer in self.answers if answer.version]
        return max((b - a for a, b in pairwise(good)), default=0.0)

    def first(self, version: str, since: float) -> float:
        """Seconds from a moment to the first answer of a version; raises ValueError when it never came."""
        for answer in self.answers:
            if answer.version == version and answer.at >= since:
                return answer.at - since
        raise ValueError(f"{version} never answered at {self.address}")

    def outage(self, right: str) -> float:
        """Seconds in which the last answer was not the right version's."""
        return sum(b.at - a.at for a, b in pairwise(self.answers) if a.version != right)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Ask for as long as the context is open."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(timeout=PATIENCE + 1)

    def wait_for(self, version: str, seconds: float = 60) -> None:
        """Wait until a version answers; raises TimeoutError when it does not."""
        deadline = time.monotonic() + seconds
        while not _ends_with(self.answers, version):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{version} does not answer at {self.address}")
            time.sleep(INTERVAL)

    def _run(self) -> None:
        while not self._stop.is_set():
            version = ask(self.address)
            self.answers.append(Answer(time.monotonic(), version))
            self._stop.wait(INTERVAL)


def _ends_with(answers: Sequence[Answer], version: str) -> bool:
    return bool(answers) and answers[-1].version == version


def ask(address: str) -> str:
    """The version that answers and is ready; empty when there is none."""
    try:
        return str(json.loads(_get(address, "/version"))["version"]) if _get(address, "/health/ready") else ""
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return ""


def _get(address: str, path: str) -> bytes:
    connection = http.client.HTTPConnection(address, 80, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise http.client.HTTPException(f"status {answer.status}")
        return body
    finally:
        connection.close()
