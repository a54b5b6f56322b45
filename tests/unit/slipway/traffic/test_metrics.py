"""Figures of a cutover, from samples made by hand."""

from __future__ import annotations

import pytest

from slipway.durations import milliseconds
from slipway.errors import PipelineError
from slipway.traffic import metrics
from slipway.verification.sample import Sample
from tests.unit.slipway.traffic.samples import lost, steady


def test_before_during_and_after_are_told_apart() -> None:
    found = metrics.figures([*steady("v1", 0, 10, ms=2), *steady("v2", 10, 11, ms=90), *steady("v2", 11, 20, ms=4)])
    assert (found.before.p50, found.after.p50, found.during.p99) == (2, 4, 90)
    assert found.before.requests + found.during.requests + found.after.requests == found.sent == 400
    assert found.answers == {"v1": 200, "v2": 200}
    assert found.changed_at == pytest.approx(10)


def test_what_is_gone_back_from_ends_with_the_way_back() -> None:
    found = metrics.figures([*steady("v1", 0, 10), *steady("v2", 10, 12), *steady("v1", 12, 20)])
    assert (found.before.requests, found.after.requests) == (180, 139)
    assert found.changed_at == pytest.approx(10)


def test_the_longest_gap_is_between_two_answers() -> None:
    found = metrics.figures([*steady("v1", 0, 5), *lost(5, 6.5), *steady("v2", 6.5, 10)])
    assert (found.lost, found.errors) == (30, {"no answer in time": 30})
    assert found.longest_gap == pytest.approx(1550, abs=1)


def test_an_outage_that_lasts_to_the_end_counts() -> None:
    assert metrics.figures([*steady("v1", 0, 5), *lost(5, 8)]).longest_gap > 3000
    assert metrics.figures(lost(0, 3)).longest_gap > 3000


def test_time_in_which_the_prober_itself_stood_still_is_not_held_against_the_release() -> None:
    paused = [*steady("v1", 0, 5), Sample(7, 2, "v1", late=2000), *steady("v1", 7.05, 9)]
    found = metrics.figures(paused)
    assert found.longest_gap < 100 and found.late == 2000


def test_nothing_asked_is_nothing_lost() -> None:
    found = metrics.figures([])
    assert (found.sent, found.lost, found.longest_gap, found.before.p50, found.changed_at) == (0, 0, 0, None, None)


def test_the_graph_keeps_every_loss_and_the_moment_of_the_change() -> None:
    many = [*steady("v1", 0, 100, interval=0.01), *lost(100, 101), *steady("v2", 101, 200, interval=0.01)]
    points = metrics.told(many, 0)["samples"]
    assert len(points["points"]) < 2500 < len(many)
    assert points["releases"] == ["v1", "v2"]
    assert sum(point[2] == -1 for point in points["points"]) == 20
    assert [round(p[0], 2) for p in points["points"] if p[2] == 1][0] == 101


def test_durations_are_read() -> None:
    assert [milliseconds(text) for text in ("500ms", "2s", "1m", "0.5s")] == [500, 2000, 60000, 500]
    for text in ("", "5", "5 s", "-1s", "1h", 5, None):
        with pytest.raises(PipelineError, match="not a duration"):
            milliseconds(text)
