"""The public address, asked all the time: who answers, and when nobody does."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass

from tests.e2e.checkout import ask
from tests.support import UNANSWERED, Repeating


@dataclass(frozen=True)
class Answer:
    """One request: when it began and ended (monotonic), and which release answered; else what went wrong."""

    at: float
    until: float
    release: str
    error: str = ""


class Watcher(Repeating):
    """Asks by a new connection ten times a second."""

    interval = 0.1

    def __init__(self, address: str) -> None:
        self._address = address
        self._answers: list[Answer] = []

    def since(self, start: float) -> list[Answer]:
        """What was seen from a time on."""
        return [answer for answer in list(self._answers) if answer.at >= start]

    def forget(self) -> None:
        """Begin anew."""
        self._answers = []

    def once(self) -> None:
        """One request."""
        at = time.monotonic()
        try:
            release, error = ask(self._address)["release"], ""
        except UNANSWERED as failure:
            release, error = "", f"{failure!r} after {time.monotonic() - at:.1f} s{self._unreplied()}"
        answer = Answer(at, time.monotonic(), release, error)
        self._answers.append(answer)

    def _unreplied(self) -> str:
        """Where the host led the connections that nobody answered, for whoever looks for what was lost."""
        listing = ["conntrack", "-L", "-f", "ipv4", "--orig-dst", self._address]
        listed = subprocess.run(listing, capture_output=True, text=True, check=False).stdout.splitlines()
        return "".join(f"\n            {line}" for line in listed if "UNREPLIED" in line)
