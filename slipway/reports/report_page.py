"""A run as one page that needs nothing else: the steps and the prober's graph over the same axis of time.

`report.html.j2` is the page; what it shows is computed here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from slipway.reports.report import change, spelled
from slipway.runs.record import Record
from slipway.traffic.edge import MOVE

WIDTH, LEFT, RIGHT, GRAPH = 1080, 268, 24, 250
LAYOUT = {
    **{"WIDTH": WIDTH, "LEFT": LEFT, "RIGHT": RIGHT, "ROW": 26, "AXIS": 28, "GRAPH": GRAPH},
    **{"COLOURS": 4, "LONGEST_TITLE": 38, "MOVE": MOVE},
}
LOWEST, HIGHEST = 0.5, 2000.0
"""Milliseconds at the bottom and the top of the graph, whose scale is logarithmic."""
_TICKS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800)


def page(found: Record) -> str:
    """The whole page."""
    seconds = max(found.seconds, 1.0)
    return _template().render(
        LAYOUT,
        run=found,
        live=change(found),
        cards=list(_cards(found)),
        graph=_graph(found),
        sections=_sections(found),
        kind=lambda outcome: {"succeeded": "good", "running": "running", "": "running"}.get(outcome, "bad"),
        x=lambda at: LEFT + min(max(at / seconds, 0), 1) * (WIDTH - LEFT - RIGHT),
        y=_y,
        ticks=_ticks(seconds),
        clock=lambda at: f"{at} s" if at < 120 else f"{at // 60}:{at % 60:02}",
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("slipway.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["place"] = "{:.1f}".format
    return environment.get_template("report.html.j2")


@dataclass(frozen=True)
class _Card:
    """A figure, and whether it is one to be proud of."""

    value: str
    unit: str
    name: str
    good: bool


def _cards(found: Record) -> Iterator[_Card]:
    yield _Card(*_seconds(found.seconds), "in total", found.outcome == "succeeded")
    if (figures := found.cutover) is None:
        return
    lost = figures["lost"] + figures["kept_lost"]
    yield _Card(f"{figures['sent'] + figures['kept_sent']:,}", "", "requests during it", True)
    yield _Card(f"{lost:,}", "", "lost", lost == 0)
    yield _Card(*_milliseconds(figures["longest_gap"]), "longest gap", lost == 0)
    for name in ("before", "after"):
        if figures[name]["requests"] and figures[name]["p50"] is not None:
            yield _Card(f"{figures[name]['p50']:.1f}", "ms", f"typical answer {name}", True)


def _seconds(seconds: float) -> tuple[str, str]:
    return (f"{seconds:.1f}", "s") if seconds < 120 else (f"{seconds / 60:.1f}", "min")


def _milliseconds(ms: float) -> tuple[str, str]:
    return (f"{ms:.0f}", "ms") if ms < 1000 else (f"{ms / 1000:.2f}", "s")


def _ticks(seconds: float) -> range:
    """Round seconds, some eight of them."""
    return range(0, int(seconds) + 1, next((step for step in _TICKS_S if seconds / step <= 9), 3600))


@dataclass(frozen=True)
class _Dots:
    """Answers of the release of a number, as seconds of the run and milliseconds each."""

    release: int
    kept: int
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class _Graph:
    """What the prober saw: each release with its answers, the answers over time, and when requests were lost."""

    releases: list[tuple[str, int]]
    dots: list[_Dots]
    lost: list[float]
    lost_count: int


def _graph(found: Record) -> _Graph | None:
    if found.samples is None or found.cutover is None:
        return None
    points, figures = found.samples["points"], found.cutover
    offset = found.samples["began_at"] - datetime.fromisoformat(found.begun_at).timestamp()
    releases = [(key, figures["answers"].get(key, 0)) for key in found.samples["releases"]]
    dots = [
        _Dots(number, kept, [(at + offset, ms) for at, ms, who, k in points if who == number and k == kept])
        for number in range(len(releases))
        for kept in (0, 1)
    ]
    lost = [at + offset for at, _, who, _ in points if who == -1]
    return _Graph(releases, [each for each in dots if each.points], lost, figures["lost"] + figures["kept_lost"])


def _y(ms: float) -> float:
    share = math.log(min(max(ms, LOWEST), HIGHEST) / LOWEST) / math.log(HIGHEST / LOWEST)
    return GRAPH - share * (GRAPH - 26)


def _sections(found: Record) -> list[tuple[str, list[tuple[str, str]]]]:
    """Titles, each with names and texts."""
    facts = [
        ("run", found.run),
        ("who", f"{found.who}@{found.host}"),
        ("when", f"{_minute(found.begun_at)} to {_minute(found.ended_at)} UTC"),
        ("at commit", found.commit[:12]),
        *([("by force", found.force)] if found.force else []),
    ]
    sections = []
    if found.cutover is not None:
        sections.append(("The cutover, as users met it", spelled(found.cutover)))
    if found.notes:
        sections.append(("Noted on the way", [(f"{n.kind} at {n.at:.1f} s", n.text) for n in found.notes]))
    return [*sections, ("The run", facts)]


def _minute(time: str) -> str:
    return time[:19].replace("T", " ")
