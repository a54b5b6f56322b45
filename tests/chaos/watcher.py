"""The public address, asked all the time: who answers, and when nobody does."""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass

from tests.e2e.checkout import ask


@dataclass(frozen=True)
class Answer:
    """One request: when it began (monotonic), and which release answered; else what went wrong."""

    at: float
    release: str
    error: str = ""


class Watcher:
    """Asks by a new connection ten times a second."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._answers: list[Answer] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def since(self, start: float) -> list[Answer]:
        """What was seen from a time on."""
        return [answer for answer in list(self._answers) if answer.at >= start]

    def forget(self) -> None:
        """Begin anew."""
        self._answers = []

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            at = time.monotonic()
            try:
                answer = Answer(at, ask(self._address)["release"])
            except (OSError, http.client.HTTPException, ValueError) as error:
                answer = Answer(at, "", repr(error))
            self._answers.append(answer)
