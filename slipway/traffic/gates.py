"""The gates of a release that has the traffic, as a table. A new gate is a function and a line in it.

A gate before that is a test of `tests/droplet/`, or a guard of `slipway/release/guards.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from slipway.project import Limits
from slipway.traffic.metrics import Latency, figures, latency
from slipway.verification.sample import Sample

MOST_UNREADY = 3
"""Times in a row, once a second, that a release may say it is not ready, or nothing."""
MOST_LOST_SHARE = 0.01
"""The share of requests that may be lost while a release is looked after."""
SLOWER, SLOWER_BY_MS = 3, 100
"""So many times slower than before, and by so many milliseconds (p99), is too slow."""
FEWEST = 20
"""Requests below which nothing is said of their share or their latency."""


class When(Enum):
    """When a gate is asked."""

    CUTOVER = "of the answers since the traffic began to move, then and once more after the soak"
    SOAK = "of the answers from here, once a second in the soak; then of the droplet's own loopback: both must refuse"
    DROPLET = "of what systemd on the droplet says, every few seconds in the soak; it needs no second witness"


@dataclass(frozen=True)
class Seen:
    """What a gate judges: the answers since the traffic moved, and the latency before. `watch` fills it.

    ``unready`` counts the looks in a row that found the release not ready, ``restarts`` what systemd has started again.
    """

    samples: Sequence[Sample] = ()
    limits: Limits = Limits()
    before: Latency = Latency(0, None, None)
    unready: int = 0
    restarts: int = 0


@dataclass(frozen=True)
class Verdict:
    """What a gate measured and what it allows, as the end of a sentence; a release that did not keep it goes back."""

    kept: bool
    measured: str
    limit: str

    def __str__(self) -> str:
        return f"{self.measured} ({self.limit} allowed)"


@dataclass(frozen=True)
class Gate:
    """One condition. ``check`` returns None when too few requests were seen, or when nothing is asked for."""

    name: str
    when: When
    check: Callable[[Seen], Verdict | None]


def failed(when: When, seen: Seen) -> str:
    """What the gates of a moment did not let pass, as the end of a sentence; empty when all is well."""
    verdicts = [gate.check(seen) for gate in GATES if gate.when is when]
    return " and ".join(str(verdict) for verdict in verdicts if verdict and not verdict.kept)


def _lost_requests(seen: Seen) -> Verdict | None:
    most, found = seen.limits.max_lost, figures(seen.samples)
    if most is None:
        return None
    lost, sent = found.lost + found.kept_lost, found.sent + found.kept_sent
    return Verdict(lost <= most, f"{lost} of {sent} requests were lost", f"{most}")


def _longest_gap(seen: Seen) -> Verdict | None:
    most, gap = seen.limits.max_gap, figures(seen.samples).longest_gap
    if most is None:
        return None
    return Verdict(gap <= most, f"for {gap:.0f} ms nothing answered", f"{most:.0f} ms")


def _readiness(seen: Seen) -> Verdict | None:
    kept = seen.unready < MOST_UNREADY
    return Verdict(kept, f"it was not ready {seen.unready} times in a row", f"{MOST_UNREADY - 1}")


def _lost_share(seen: Seen) -> Verdict | None:
    sent, lost = len(seen.samples), sum(sample.lost for sample in seen.samples)
    if sent < FEWEST:
        return None
    return Verdict(lost <= sent * MOST_LOST_SHARE, f"{lost} of {sent} requests were lost", f"{MOST_LOST_SHARE:.0%}")


def _slow_answers(seen: Seen) -> Verdict | None:
    now = latency([sample for sample in seen.samples if not sample.kept and not sample.lost])
    if seen.before.p99 is None or now.p99 is None or now.requests < FEWEST:
        return None
    most = max(seen.before.p99 * SLOWER, seen.before.p99 + SLOWER_BY_MS)
    measured = f"one answer in a hundred takes {now.p99:.0f} ms or more, and took {seen.before.p99:.0f} ms before"
    return Verdict(now.p99 <= most, measured, f"{most:.0f} ms")


def _restarts(seen: Seen) -> Verdict | None:
    return Verdict(not seen.restarts, f"its app restarted {seen.restarts} times", "0")


GATES = (
    Gate("lost requests", When.CUTOVER, _lost_requests),
    Gate("longest gap", When.CUTOVER, _longest_gap),
    Gate("readiness", When.SOAK, _readiness),
    Gate("lost share", When.SOAK, _lost_share),
    Gate("slow answers", When.SOAK, _slow_answers),
    Gate("restarts", When.DROPLET, _restarts),
)
