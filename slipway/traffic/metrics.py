"""What the prober saw, in figures. `gates` says whether that is within what is allowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from slipway.verification.sample import Sample

_AROUND = 1.0
"""Seconds before and after the change that still count as during it."""
_POINTS = 2000


@dataclass(frozen=True)
class Latency:
    """Of new connections that were answered, in milliseconds; ``requests`` counts them."""

    requests: int
    p50: float | None
    p99: float | None


@dataclass(frozen=True)
class Figures:
    """A cutover as users met it. Times are in milliseconds, but ``seconds``, for which the prober was at work.

    ``longest_gap`` is between two answers to new connections, less the time in which the prober sent nothing;
    ``late`` is the longest time for which it itself stood still. A kept connection that was ``reopened`` and answered
    at once is not lost. ``changed_at`` is when another release answered first, in seconds since the prober began.
    """

    seconds: float
    sent: int
    lost: int
    longest_gap: float
    kept_sent: int
    kept_lost: int
    reopened: int
    answers: Mapping[str, int]
    errors: Mapping[str, int]
    before: Latency
    during: Latency
    after: Latency
    changed_at: float | None
    late: float


def figures(samples: Sequence[Sample]) -> Figures:
    """Count what was seen; the samples are in the order in which they were sent."""
    new = [sample for sample in samples if not sample.kept]
    kept = [sample for sample in samples if sample.kept]
    end = max((sample.at + sample.ms / 1000 for sample in samples), default=0.0)
    changed, start, stop = _window(samples, end)
    answered = [sample for sample in new if not sample.lost]
    return Figures(
        seconds=round(end, 3),
        sent=len(new),
        lost=sum(sample.lost for sample in new),
        longest_gap=round(_longest_gap(new, end), 1),
        kept_sent=len(kept),
        kept_lost=sum(sample.lost for sample in kept),
        reopened=sum(sample.again and not sample.lost for sample in kept),
        answers=dict(Counter(sample.release for sample in samples if not sample.lost)),
        errors=dict(Counter(sample.error for sample in samples if sample.lost)),
        before=latency([s for s in answered if s.at < start]),
        during=latency([s for s in answered if start <= s.at <= stop]),
        after=latency([s for s in answered if s.at > stop]),
        changed_at=changed,
        late=round(max((sample.late for sample in new), default=0.0), 1),
    )


def _window(samples: Sequence[Sample], end: float) -> tuple[float | None, float, float]:
    """When another release answered first, and from when to when the change was under way."""
    answered = [sample for sample in samples if not sample.lost]
    changes = [after.at for before, after in pairwise(answered) if after.release != before.release]
    disturbed = [*changes, *(sample.at for sample in samples if sample.lost)]
    if not disturbed:
        return None, end + 1, end + 1
    return changes[0] if changes else None, min(disturbed) - _AROUND, max(disturbed) + _AROUND


def _longest_gap(new: Sequence[Sample], end: float) -> float:
    """Milliseconds; the time before the first answer and after the last one count as well."""
    answers = sorted(sample.at + sample.ms / 1000 for sample in new if not sample.lost)
    if not new:
        return 0.0
    edges = [new[0].at, *answers, *([end] if new[-1].lost else [])]
    pauses = [(sample.at - sample.late / 1000, sample.at) for sample in new if sample.late > 0]
    return max(((b - a - _overlap(pauses, a, b)) * 1000 for a, b in pairwise(edges)), default=(end - new[0].at) * 1000)


def _overlap(pauses: Sequence[tuple[float, float]], a: float, b: float) -> float:
    return sum(max(min(stop, b) - max(start, a), 0) for start, stop in pauses)


def latency(samples: Sequence[Sample]) -> Latency:
    """Of samples that were all answered."""
    times = sorted(sample.ms for sample in samples)
    return Latency(len(times), _percentile(times, 50), _percentile(times, 99))


def _percentile(times: Sequence[float], percent: int) -> float | None:
    """By nearest rank."""
    return round(times[max(-(-len(times) * percent // 100) - 1, 0)], 2) if times else None


def sentence(figures: Figures) -> str:
    """The figures in a line."""
    sent, lost = figures.sent + figures.kept_sent, figures.lost + figures.kept_lost
    return f"{sent} requests meanwhile, {lost or 'none'} lost, at most {figures.longest_gap:.0f} ms between two answers"


def told(samples: Sequence[Sample], began_at: float) -> dict[str, Any]:
    """What the ledger keeps of a cutover: the figures of all requests, and at most some 2,000 of them as points."""
    return {"figures": asdict(figures(samples)), "samples": _points(samples, began_at)}


def _points(samples: Sequence[Sample], began_at: float) -> dict[str, Any]:
    """Points as [seconds, milliseconds, number of the release or -1, 1 for a kept connection].

    Of many only every n-th is taken, but each that was lost, was the slowest of its n, or met another release.
    """
    releases = list(dict.fromkeys(sample.release for sample in samples if not sample.lost))
    step = -(-len(samples) // (_POINTS // 2)) or 1
    taken: list[Sample] = []
    seen = ""
    for start in range(0, len(samples), step):
        some = samples[start : start + step]
        slowest = max(some, key=lambda sample: sample.ms)
        for place, sample in enumerate(some):
            fresh = not sample.lost and sample.release != seen
            if place == 0 or sample is slowest or sample.lost or (fresh and len(releases) > 1):
                taken.append(sample)
            seen = sample.release or seen
    points = [
        [round(s.at, 3), round(s.ms, 1), releases.index(s.release) if s.release else -1, int(s.kept)] for s in taken
    ]
    return {"began_at": round(began_at, 3), "releases": releases, "points": points}
