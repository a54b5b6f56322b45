"""A run as one page that needs nothing else: the steps and the prober's graph over the same axis of time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from string import Template

from slipway.reports.report import change, spelled
from slipway.runs.record import Record, Step
from slipway.traffic.edge import MOVE

WIDTH, LEFT, RIGHT = 1080, 268, 24
ROW, AXIS, GRAPH = 26, 28, 250
LOWEST, HIGHEST = 0.5, 2000.0
"""Milliseconds at the bottom and the top of the graph, whose scale is logarithmic."""
_COLOURS = 4
_LONGEST_TITLE = 38
_LABEL = (
    (14, "How long each answer took,"),
    (30, "by the release that gave it."),
    (54, "Small dots: kept connections."),
)


def page(found: Record) -> str:
    """The whole page."""
    template = Template(Path(__file__).with_name("report.html").read_text())
    return template.substitute(
        title=escape(f"{found.command} · {found.environment} · {found.run}"),
        command=escape(found.command),
        environment=escape(found.environment),
        outcome=escape(found.outcome),
        kind="good" if found.outcome == "succeeded" else "running" if found.outcome == "running" else "bad",
        live=escape(change(found)),
        error=f'<p class="error">{escape(found.error)}</p>' if found.error else "",
        cards="".join(_card(*card) for card in _cards(found)),
        timeline=_timeline(found),
        graph=_graph(found),
        details=_details(found),
    )


def _cards(found: Record) -> Iterator[tuple[str, str, str, bool]]:
    """A figure's value, unit and name, and whether it is one to be proud of."""
    yield *_seconds(found.seconds), "in total", found.outcome == "succeeded"
    if (figures := found.cutover) is None:
        return
    lost = figures["lost"] + figures["kept_lost"]
    yield f"{figures['sent'] + figures['kept_sent']:,}", "", "requests during it", True
    yield f"{lost:,}", "", "lost", lost == 0
    yield *_milliseconds(figures["longest_gap"]), "longest gap", lost == 0
    for name in ("before", "after"):
        if figures[name]["requests"] and figures[name]["p50"] is not None:
            yield f"{figures[name]['p50']:.1f}", "ms", f"typical answer {name}", True


def _seconds(seconds: float) -> tuple[str, str]:
    return (f"{seconds:.1f}", "s") if seconds < 120 else (f"{seconds / 60:.1f}", "min")


def _milliseconds(ms: float) -> tuple[str, str]:
    return (f"{ms:.0f}", "ms") if ms < 1000 else (f"{ms / 1000:.2f}", "s")


def _card(value: str, unit: str, name: str, good: bool) -> str:
    unit = f"<small>{unit}</small>" if unit else ""
    return f'<div class="card{"" if good else " bad"}"><b>{value}{unit}</b><span>{escape(name)}</span></div>'


class _Axis:
    """Seconds of the run as places on the page."""

    def __init__(self, seconds: float) -> None:
        self.seconds = max(seconds, 1.0)

    def x(self, at: float) -> float:
        """Where a time is."""
        return LEFT + min(max(at / self.seconds, 0), 1) * (WIDTH - LEFT - RIGHT)

    def ticks(self) -> Iterator[int]:
        """Round seconds, some eight of them."""
        step = next((s for s in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800) if self.seconds / s <= 9), 3600)
        yield from range(0, int(self.seconds) + 1, step)

    def lines(self, top: float, bottom: float) -> str:
        """The grid's verticals with their labels below."""
        return "".join(
            f'<path class="grid" d="M{self.x(t):.1f} {top}V{bottom}"/>'
            f'<text class="tick" x="{self.x(t):.1f}" y="{bottom + 17}" text-anchor="middle">{_clock(t)}</text>'
            for t in self.ticks()
        )


def _clock(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60}:{seconds % 60:02}"


def _timeline(found: Record) -> str:
    if not found.steps:
        return '<p class="none">No step was begun.</p>'
    axis, height = _Axis(found.seconds), len(found.steps) * ROW + 8
    rows = "".join(_row(step, number, axis) for number, step in enumerate(found.steps))
    return _svg(height + AXIS, f"The run's {len(found.steps)} steps over time", axis.lines(0, height) + rows)


def _row(step: Step, number: int, axis: _Axis) -> str:
    y, start, stop = number * ROW + 6, axis.x(step.start), axis.x(step.start + step.seconds)
    kind = {"succeeded": "good", "": "running"}.get(step.outcome, "bad")
    title = step.title if len(step.title) <= _LONGEST_TITLE else f"{step.title[:_LONGEST_TITLE]}…"
    took, how = f"{step.seconds:.1f} s", "" if kind == "good" else f", {escape(step.outcome or 'without an end')}"
    # The time stands beside the bar where there is room, else before it.
    beside = f'x="{stop + 6:.1f}"' if stop < WIDTH - 60 else f'x="{start - 6:.1f}" text-anchor="end"'
    return (
        f"<g><title>{escape(step.title)}: {took}{how}</title>"
        f'<text class="step" x="{step.depth * 14}" y="{y + 14}">{escape(title)}</text>'
        f'<rect class="bar {kind}{" within" if step.depth else ""}" x="{start:.1f}" y="{y + 2}" rx="3"'
        f' width="{max(stop - start, 2):.1f}" height="{ROW - 10}"/>'
        f'<text class="took" {beside} y="{y + 14}">{took}</text></g>'
    )


def _graph(found: Record) -> str:
    if found.samples is None or found.cutover is None:
        return '<p class="none">Nothing was live before this run, so nobody asked the address meanwhile.</p>'
    axis, samples = _Axis(found.seconds), found.samples
    offset = samples["began_at"] - _epoch(found)
    releases, points = samples["releases"], samples["points"]
    body = axis.lines(0, GRAPH) + _latencies() + _moving(found, axis)
    for number in range(len(releases)):
        colour = number % _COLOURS
        for kept in (0, 1):
            places = [(axis.x(t + offset), _y(ms)) for t, ms, who, k in points if who == number and k == kept]
            body += _dots(places, f"answer r{colour}{' kept' if kept else ''}")
    lost = [axis.x(t + offset) for t, _, who, _ in points if who == -1]
    body += "".join(f'<path class="shade" d="M{x:.1f} 4V{GRAPH}"/><path class="lost" d="M{x:.1f} 4v16"/>' for x in lost)
    legend = "".join(
        f'<li><i class="r{number % _COLOURS}"></i>{escape(key)}'
        f" <em>{found.cutover['answers'].get(key, 0):,} answers</em></li>"
        for number, key in enumerate(releases)
    )
    lost_count = found.cutover["lost"] + found.cutover["kept_lost"]
    legend += f'<li><i class="gone"></i>lost <em>{lost_count:,}</em></li>'
    label = f"Answers over time by release, in milliseconds; {lost_count} requests were lost"
    return f'<ul class="legend">{legend}</ul>' + _svg(GRAPH + AXIS, label, body)


def _epoch(found: Record) -> float:
    return datetime.fromisoformat(found.begun_at).timestamp()


def _dots(places: Sequence[tuple[float, float]], name: str) -> str:
    """Many points as one path of strokes without length, whose round ends are the dots."""
    path = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in places)
    return f'<path class="{name}" d="{path}"/>' if path else ""


def _latencies() -> str:
    return "".join(
        f'<path class="grid" d="M{LEFT} {_y(ms):.1f}H{WIDTH - RIGHT}"/>'
        f'<text class="tick" x="{LEFT - 10}" y="{_y(ms) + 4:.1f}" text-anchor="end">{label}</text>'
        for ms, label in ((1, "1 ms"), (10, "10 ms"), (100, "100 ms"), (1000, "1 s"))
    ) + "".join(f'<text class="tick" x="0" y="{y}">{words}</text>' for y, words in _LABEL)


def _moving(found: Record, axis: _Axis) -> str:
    """The moments in which the address moved."""
    said = ""
    for step in (step for step in found.steps if step.title == MOVE):
        start, stop = axis.x(step.start), axis.x(step.start + step.seconds)
        said += f'<rect class="move" x="{start:.1f}" y="0" width="{max(stop - start, 3):.1f}" height="{GRAPH}"/>'
        said += f'<text class="tick" x="{start - 6:.1f}" y="40" text-anchor="end">the address moves</text>'
    return said


def _y(ms: float) -> float:
    share = math.log(min(max(ms, LOWEST), HIGHEST) / LOWEST) / math.log(HIGHEST / LOWEST)
    return GRAPH - share * (GRAPH - 26)


def _svg(height: int, label: str, body: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{body}</svg>'


def _details(found: Record) -> str:
    facts = [
        ("run", found.run),
        ("who", f"{found.who}@{found.host}"),
        ("when", f"{_minute(found.begun_at)} to {_minute(found.ended_at)} UTC"),
        ("at commit", found.commit[:12]),
        *([("by force", found.force)] if found.force else []),
    ]
    sections = []
    if found.cutover is not None:
        sections.append(_facts("The cutover, as users met it", spelled(found.cutover)))
    if found.notes:
        sections.append(_facts("Noted on the way", [(f"{n.kind} at {n.at:.1f} s", n.text) for n in found.notes]))
    return "".join([*sections, _facts("The run", facts)])


def _minute(time: str) -> str:
    return time[:19].replace("T", " ")


def _facts(title: str, rows: Sequence[tuple[str, str]]) -> str:
    body = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows)
    return f"<section><h2>{escape(title)}</h2><table>{body}</table></section>"
