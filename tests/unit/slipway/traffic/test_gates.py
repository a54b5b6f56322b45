"""The gates of a release that is live, each from samples made by hand."""

from __future__ import annotations

import pytest

from slipway.project import Limits
from slipway.traffic.gates import GATES, Seen, When, failed
from slipway.traffic.metrics import latency
from slipway.verification.sample import Sample
from tests.unit.slipway.traffic.samples import MOVED, lost, steady


def cutover(limits: Limits, samples: list[Sample]) -> str:
    return failed(When.CUTOVER, Seen(samples, limits))


def answers(ms: float, count: int = 100) -> list[Sample]:
    return [Sample(number * 0.05, ms, "v2") for number in range(count)]


def test_every_gate_has_a_name_of_its_own_and_says_nothing_of_nothing() -> None:
    assert len({gate.name for gate in GATES}) == len(GATES)
    assert [failed(when, Seen()) for when in When] == [""] * len(When)


def test_a_cutover_within_its_limits_says_nothing() -> None:
    assert cutover(Limits(), lost(0, 3)) == ""
    assert cutover(Limits(max_lost=0, max_gap=500), MOVED) == ""


def test_a_cutover_over_its_limits_says_by_how_much() -> None:
    found = [*steady("v1", 0, 5), *lost(5, 6), *steady("v2", 6, 9)]
    assert cutover(Limits(max_lost=0), found) == "20 of 180 requests were lost (0 allowed)"
    assert cutover(Limits(max_gap=500), found) == "for 1050 ms nothing answered (500 ms allowed)"
    assert cutover(Limits(max_lost=20, max_gap=2000), found) == ""
    assert cutover(Limits(max_lost=0, max_gap=500), found).count(" and ") == 1


def test_a_kept_connection_that_is_lost_counts() -> None:
    found = [*MOVED, Sample(12, 5, "", kept=True, error="connection reset")]
    assert cutover(Limits(max_lost=0), found).startswith("1 of 401")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (10, 12, ""),
        (10, 105, ""),
        (10, 120, "takes 120 ms or more, and took 10 ms before (110 ms allowed)"),
        (200, 500, ""),
        (200, 650, "takes 650 ms"),
    ],
)
def test_slower_is_much_slower_than_before(before: float, after: float, says: str) -> None:
    said = failed(When.SOAK, Seen(answers(after), before=latency(answers(before))))
    assert says in said and bool(said) == bool(says)


def test_too_few_requests_say_nothing() -> None:
    assert failed(When.SOAK, Seen(answers(5000, 10), before=latency(answers(1)))) == ""


def test_more_than_one_request_in_a_hundred_may_not_be_lost() -> None:
    assert failed(When.SOAK, Seen([*answers(1, 99), *lost(5, 5.05)])) == ""
    assert failed(When.SOAK, Seen([*answers(1, 98), *lost(5, 5.1)])) == "2 of 100 requests were lost (1% allowed)"


def test_a_release_may_be_unready_twice_and_restart_never() -> None:
    assert failed(When.SOAK, Seen(unready=2)) == ""
    assert failed(When.SOAK, Seen(unready=3)) == "it was not ready 3 times in a row (2 allowed)"
    assert failed(When.DROPLET, Seen(restarts=1)) == "its app restarted 1 times (0 allowed)"
