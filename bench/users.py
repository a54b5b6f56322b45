"""The users of an address: what each of them gets, asked without a pause over connections of their own."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar

from tests.support import UNANSWERED, Repeating, get

GONE_S = 2.0
"""Seconds that a user waits for an answer."""


@dataclass(frozen=True)
class Answer:
    """What came at ``at`` (monotonic seconds): the app's version, empty when it did not answer or was not ready."""

    at: float
    version: str


@dataclass
class Users(Repeating):
    """Everything that the users of one address got while they were watched."""

    interval: ClassVar[float] = 0.05
    address: str
    answers: list[Answer] = field(default_factory=list)

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

    def wait_for(self, version: str, seconds: float = 60) -> None:
        """Wait until a version answers; raises TimeoutError when it does not."""
        deadline = time.monotonic() + seconds
        while not _ends_with(self.answers, version):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{version} does not answer at {self.address}")
            time.sleep(self.interval)

    def once(self) -> None:
        """One request, or two."""
        version = ask(self.address)
        self.answers.append(Answer(time.monotonic(), version))


def _ends_with(answers: Sequence[Answer], version: str) -> bool:
    return bool(answers) and answers[-1].version == version


def ask(address: str) -> str:
    """The version that answers and is ready; empty when there is none."""
    try:
        version = str(json.loads(get(address, "/version", GONE_S))["version"])
        return version if get(address, "/health/ready", GONE_S) else ""
    except (*UNANSWERED, KeyError):
        return ""
