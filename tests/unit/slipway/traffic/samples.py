"""Samples made by hand, as a prober takes them every 50 ms."""

from __future__ import annotations

from slipway.verification.sample import Sample


def steady(release: str, start: float, stop: float, ms: float = 2, interval: float = 0.05) -> list[Sample]:
    return [Sample(start + i * interval, ms, release) for i in range(round((stop - start) / interval))]


def lost(start: float, stop: float) -> list[Sample]:
    return [Sample(start + i * 0.05, 2000, "", error="no answer in time") for i in range(round((stop - start) / 0.05))]


MOVED = [*steady("v1", 0, 10), *steady("v2", 10, 20, ms=4)]
