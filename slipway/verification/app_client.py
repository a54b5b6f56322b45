"""An app, asked over HTTP as its users ask it. Whatever it answers, an answer is over in time and of bounded length."""

from __future__ import annotations

from typing import Any

import requests

from slipway.clock import SYSTEM, Clock
from slipway.environment import reference
from slipway.environment.reference import Release
from slipway.tools import http

ANSWER_S = 5.0
PROBE_S = 2.0
BETWEEN_S = 1.0


class AppClient:
    """The app behind an address. Takes no proxy and no .netrc from the environment."""

    def __init__(self, address: str, port: int, *, seconds: float = ANSWER_S) -> None:
        self.base = f"http://{address}:{port}"
        self._seconds = seconds

    @classmethod
    def of(cls, release: Release, address: str, *, seconds: float = PROBE_S) -> AppClient:
        """The app of a release where it is said to be."""
        return cls(address, reference.port(release.config), seconds=seconds)

    def ask(self, path: str, method: str = "GET") -> requests.Response:
        """The whole answer; raises requests.RequestException when there is none in time, or it has no end."""
        with http.Session(self._seconds) as session:
            return session.request(method, self.base + path)

    def release(self) -> str:
        """The key of the release that answers; empty when none does."""
        try:
            answer = self.ask("/version")
        except requests.RequestException:
            return ""
        found = document(answer).get("release") if answer.ok else ""
        return found if isinstance(found, str) else ""

    def is_ready(self) -> bool:
        """Whether the app says that it is ready."""
        try:
            return self.ask("/health/ready").ok
        except requests.RequestException:
            return False

    def is_silent(self) -> bool:
        """Whether nothing at all answers."""
        try:
            self.ask("/version")
        except requests.RequestException:
            return True
        return False

    def answers_as(self, release: Release, times: int, clock: Clock = SYSTEM) -> bool:
        """Whether this release answers, within so many attempts, one a second."""
        for attempt in range(times):
            if attempt:
                clock.sleep(BETWEEN_S)
            if self.release() == release.key:
                return True
        return False


def document(answer: requests.Response) -> dict[str, Any]:
    """The JSON object of an answer; empty when it is none."""
    try:
        data = answer.json()
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
