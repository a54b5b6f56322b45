"""An app, asked over HTTP as its users ask it. Whatever it answers, an answer is over in time and of bounded length.

Which release answers is said by the header that the front adds to each answer of the app, or by what the app answers at
its version's path.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import requests

from slipway.clock import SYSTEM, Clock
from slipway.contract import RELEASE_HEADER, Contract
from slipway.environment.reference import Release
from slipway.tools import http

ANSWER_S = 5.0
PROBE_S = 2.0
BETWEEN_S = 1.0
OK, SERVER_ERROR = 200, 500


class AppClient:
    """The app behind an address. Takes no proxy and no .netrc from the environment."""

    def __init__(self, address: str, contract: Contract, *, seconds: float = ANSWER_S) -> None:
        self.base = f"http://{address}:{contract.public_port}"
        self._contract, self._seconds = contract, seconds

    @classmethod
    def of(cls, release: Release, address: str, *, seconds: float = PROBE_S) -> AppClient:
        """The app of a release where it is said to be."""
        return cls(address, release.contract, seconds=seconds)

    def ask(self, path: str, method: str = "GET") -> requests.Response:
        """The whole answer, be it a redirect; raises requests.RequestException when there is none in time, or it has no
        end.
        """
        with http.Session(self._seconds) as session:
            return session.request(method, self.base + path, allow_redirects=False)

    def release(self) -> str:
        """The key of the release that answers; empty when none does."""
        try:
            answer = self.ask(self._contract.probe)
        except requests.RequestException:
            return ""
        return release_in(answer.status_code, answer.headers, answer.content)

    def is_ready(self) -> bool:
        """Whether the app says that it is ready; one that has no words for it is when it answers."""
        if not self._contract.health:
            return bool(self.release())
        try:
            return self.ask(self._contract.health).status_code == OK
        except requests.RequestException:
            return False

    def is_silent(self) -> bool:
        """Whether nothing at all answers."""
        try:
            self.ask(self._contract.probe)
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


def release_in(status: int, headers: Mapping[str, str], body: bytes) -> str:
    """The key of the release that gave this answer; empty when it names none, or is an error of the server's.

    ``headers`` are looked up as they come, so they have to pass over capitals themselves.
    """
    if named := headers.get(RELEASE_HEADER, ""):
        return named if status < SERVER_ERROR else ""
    found = _object(body).get("release") if status == OK else ""
    return found if isinstance(found, str) else ""


def document(answer: requests.Response) -> dict[str, Any]:
    """The JSON object of an answer; empty when it is none."""
    return _object(answer.content)


def _object(text: bytes) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
