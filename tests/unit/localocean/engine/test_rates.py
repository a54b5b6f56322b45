"""Requests are counted in sliding windows, and refused only where that is wanted."""

from __future__ import annotations

import pytest

from localocean.engine.rates import Limits, Rates


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_limits_are_read_from_text() -> None:
    assert Limits.parse("") is None and Limits.parse("off") is None
    assert Limits.parse("on") == Limits(250, 5000)
    assert Limits.parse("3/10") == Limits(3, 10)
    for wrong in ("0/1", "5", "-1/2", "a/b"):
        with pytest.raises(ValueError):
            Limits.parse(wrong)


def test_nothing_is_refused_without_a_limit() -> None:
    rates = Rates(None, Clock())
    tickets = [rates.take() for _ in range(6000)]
    assert not any(ticket.refused for ticket in tickets)
    assert (tickets[0].limit, tickets[0].remaining, tickets[-1].remaining) == (5000, 4999, 1)
    assert tickets[0].reset == 4600


def test_a_burst_may_go_on_when_the_minute_has_room() -> None:
    clock = Clock()
    rates = Rates(Limits(2, 100), clock)
    assert not rates.take().refused
    clock.now += 10
    assert not rates.take().refused
    refused = rates.take()
    assert (refused.refused, refused.retry_after, refused.remaining) == (True, 50, 98)
    clock.now += 50
    assert not rates.take().refused
    assert rates.take().retry_after == 10


def test_the_hour_has_an_end_and_tells_when() -> None:
    clock = Clock()
    rates = Rates(Limits(2, 3), clock)
    for _ in range(3):
        assert not rates.take().refused
        clock.now += 100
    refused = rates.take()
    assert (refused.refused, refused.retry_after, refused.remaining, refused.reset) == (True, None, 0, 4600)
    clock.now = 4601
    assert not rates.take().refused
