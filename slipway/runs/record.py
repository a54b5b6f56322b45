"""A run as the ledger tells it: who, what, when, how long, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from slipway import shape
from slipway.errors import PipelineError
from slipway.text import line

_DEEPEST = 8


@dataclass(frozen=True)
class Step:
    """One step; ``start`` and ``seconds`` count from the run's beginning and the step's. ``depth`` is 0 at the top.

    ``outcome`` is succeeded, failed, or empty for a step of which nobody wrote the end.
    """

    title: str
    start: float
    seconds: float
    outcome: str
    depth: int


@dataclass(frozen=True)
class Note:
    """Something that was said or found ``at`` so many seconds: a plan, a warning, evidence, a way back."""

    at: float
    kind: str
    text: str


@dataclass(frozen=True)
class Record:
    """A run. ``outcome`` is succeeded, failed, interrupted, died, or running; ``seconds`` may be those so far.

    ``before`` and ``live`` are the keys of the releases that were live when it began and when it ended, ``target``
    is the one that it was to make live; ``cutover`` has the prober's figures and ``samples`` its graph, where it was at
    work.
    """

    run: str
    environment: str
    command: str
    who: str
    host: str
    commit: str
    begun_at: str
    seconds: float
    outcome: str
    error: str
    before: str
    target: str
    live: str
    force: str
    steps: Sequence[Step]
    notes: Sequence[Note]
    cutover: Mapping[str, Any] | None
    samples: Mapping[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)

    @property
    def ended_at(self) -> str:
        """When it ended, or was last heard of (RFC 3339 in UTC, whole seconds)."""
        ended = datetime.fromisoformat(self.begun_at) + timedelta(seconds=self.seconds)
        return f"{ended:%Y-%m-%dT%H:%M:%SZ}"


def parse(text: str, skipped: Callable[[str], None] = lambda problem: None) -> Record:
    """Read a run's lines; each that is not as runs write them is left out, and ``skipped`` is told which and why.

    Raises PipelineError when it does not even begin.
    """
    events = list(_events(text, skipped))
    if not events or events[0]["event"] != "begins":
        raise PipelineError("A run's file does not begin with the run.", "It is not a file of the ledger's.")
    first, last = events[0], events[-1]
    zero = first["at"]
    end = next((event for event in events if event["event"] == "ends"), {})
    # Of a run that died its last sign of life counts, and not when somebody found it.
    final = events[-2] if end.get("outcome") == "died" and len(events) > 1 else last
    seconds = _since(zero, final)
    named = {name: first.get(name) or "" for name in ("run", "environment", "command", "who", "host", "commit")}
    cutover = next((event for event in events if event["event"] == "cutover"), {})
    return Record(
        **named,
        begun_at=zero.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        seconds=seconds,
        outcome=end.get("outcome", "running"),
        error=end.get("error") or "",
        before=first.get("live") or "",
        target=next((event["release"] for event in events if event["event"] == "target"), None) or "",
        live=end.get("live") or "",
        force=first.get("force") or "",
        steps=_steps(events, zero, seconds),
        notes=[
            Note(_since(zero, event), event["event"], event["text"])
            for event in events
            if event["event"] in {"warning", "evidence", "plan", "way back"}
        ],
        cutover=cutover.get("figures"),
        samples=cutover.get("samples"),
    )


def _line(value: Any) -> str:
    """A text as one line in which nothing steers a terminal."""
    found: str = shape.text()(value)
    return line(found)


_COUNT, _LINE = shape.whole(0, 1e15), shape.maybe(_line)
_MS = shape.number(0, 1e12)
_LATENCY = shape.table({"requests": _COUNT, "p50": shape.maybe(_MS), "p99": shape.maybe(_MS)}, more=True)
_FIGURES = shape.table(
    {
        **dict.fromkeys(("sent", "lost", "kept_sent", "kept_lost", "reopened"), _COUNT),
        **dict.fromkeys(("longest_gap", "late"), _MS),
        **dict.fromkeys(("answers", "errors"), shape.map_of(_COUNT, _line)),
        **dict.fromkeys(("before", "during", "after"), _LATENCY),
    },
    {"seconds": shape.number(0, 1e9), "changed_at": shape.maybe(shape.number(0, 1e9))},
    more=True,
)
_POINT = shape.row(shape.number(-1e9, 1e9), _MS, shape.whole(-1, 1e6), shape.one_of(0, 1))
_SAMPLES = shape.table(
    {
        "began_at": shape.number(0, 4e10),
        "releases": shape.list_of(_line, 50),
        "points": shape.list_of(_POINT, 20_000),
    },
    more=True,
)
_ALWAYS: Mapping[str, shape.Check] = {"event": _line, "at": shape.moment}
_MAY: Mapping[str, shape.Check] = {
    **dict.fromkeys(
        ("run", "environment", "command", "who", "host", "commit", "live", "force", "error", "outcome"), _LINE
    ),
    "pid": shape.whole(),
}
_NEEDS: Mapping[str, Mapping[str, shape.Check]] = {
    "step begins": {"step": _line},
    "step ends": {"step": _line},
    "ends": {"outcome": _line},
    "target": {"release": _LINE},
    "cutover": {"figures": _FIGURES, "samples": _SAMPLES},
    **dict.fromkeys(("warning", "evidence", "plan", "way back"), {"text": _line}),
}
_EVENT = shape.table(_ALWAYS, more=True)


def _events(text: str, skipped: Callable[[str], None]) -> Iterator[Mapping[str, Any]]:
    """The lines of a run that are as runs write them; in the first one that is not finished a run may have died."""
    lines = text.split("\n")
    for number, written in enumerate(lines, 1):
        if not written.strip():
            continue
        try:
            kind = shape.read_json(written, _EVENT)["event"]
            yield shape.read_json(written, shape.table({**_ALWAYS, **_NEEDS.get(kind, {})}, _MAY, more=True))
        except shape.Malformed as error:
            skipped(f"line {number} was left out: {line(str(error))[:300]}")


def _steps(events: Sequence[Mapping[str, Any]], zero: datetime, total: float) -> list[Step]:
    """Beginnings paired with their ends by who wrote them and the title; a step lies within those that are open."""
    steps: list[Step] = []
    opened: dict[tuple[Any, str], tuple[int, Step]] = {}
    for event in events:
        name = (event.get("pid"), event.get("step", ""))
        at = _since(zero, event)
        if event["event"] == "step begins":
            # Steps of one process may stand side by side; those of a process that it started lie within.
            depth = max((step.depth + 1 for (pid, _), (_, step) in opened.items() if pid != name[0]), default=0)
            step = Step(name[1], at, max(total - at, 0), "", min(depth, _DEEPEST))
            opened[name] = (len(steps), step)
            steps.append(step)
        elif event["event"] == "step ends" and name in opened:
            place, step = opened.pop(name)
            steps[place] = Step(
                step.title, step.start, max(round(at - step.start, 3), 0), event.get("outcome") or "", step.depth
            )
    return steps


def _since(zero: datetime, event: Mapping[str, Any]) -> float:
    """Seconds from a run's beginning to an event; none for one whose clock says that it was before."""
    at: datetime = event["at"]
    return max(round((at - zero).total_seconds(), 3), 0.0)
