"""A run as the ledger tells it: who, what, when, how long, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from slipway.data import Malformed, Moment, OpenTable, read_json
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
    if not events or events[0].event != "begins":
        raise PipelineError("A run's file does not begin with the run.", "It is not a file of the ledger's.")
    first, last = events[0], events[-1]
    end = next((event for event in events if isinstance(event, _End)), None)
    # Of a run that died its last sign of life counts, and not when somebody found it.
    final = events[-2] if end and end.outcome == "died" and len(events) > 1 else last
    seconds = _since(first.at, final)
    cutover = next((event for event in events if isinstance(event, _Cutover)), None)
    return Record(
        run=first.run or "",
        environment=first.environment or "",
        command=first.command or "",
        who=first.who or "",
        host=first.host or "",
        commit=first.commit or "",
        begun_at=first.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        seconds=seconds,
        outcome=end.outcome if end else "running",
        error=(end and end.error) or "",
        before=first.live or "",
        target=next((event.release for event in events if isinstance(event, _Target)), None) or "",
        live=(end and end.live) or "",
        force=first.force or "",
        steps=_steps(events, first.at, seconds),
        notes=[Note(_since(first.at, each), each.event, each.text) for each in events if isinstance(each, _Text)],
        cutover=asdict(cutover.figures) if cutover else None,
        samples=asdict(cutover.samples) if cutover else None,
    )


Line = Annotated[str, AfterValidator(line)]
"""A text as one line in which nothing steers a terminal."""
_Number = Annotated[int, Field(ge=0, le=10**15)]
_Milliseconds = Annotated[float, Field(ge=0, le=1e12)]
_Seconds = Annotated[float, Field(ge=0, le=1e9)]


@dataclass(frozen=True, kw_only=True)
class _Latency(OpenTable):
    requests: _Number
    p50: _Milliseconds | None
    p99: _Milliseconds | None


@dataclass(frozen=True, kw_only=True)
class _Figures(OpenTable):
    seconds: _Seconds = 0
    sent: _Number
    lost: _Number
    longest_gap: _Milliseconds
    kept_sent: _Number
    kept_lost: _Number
    reopened: _Number
    answers: dict[Line, _Number]
    errors: dict[Line, _Number]
    before: _Latency
    during: _Latency
    after: _Latency
    changed_at: _Seconds | None = None
    late: _Milliseconds


@dataclass(frozen=True, kw_only=True)
class _Samples(OpenTable):
    began_at: Annotated[float, Field(ge=0, le=4e10)]
    releases: Annotated[list[Line], Field(max_length=50)]
    points: Annotated[
        list[
            tuple[
                Annotated[float, Field(ge=-1e9, le=1e9)],
                _Milliseconds,
                Annotated[int, Field(ge=-1, le=10**6)],
                Literal[0, 1],
            ]
        ],
        Field(max_length=20_000),
    ]


@dataclass(frozen=True, kw_only=True)
class _Event(OpenTable):
    """A line; what every kind of event may say, and the kinds below must."""

    event: Line
    at: Moment
    run: Line | None = None
    environment: Line | None = None
    command: Line | None = None
    who: Line | None = None
    host: Line | None = None
    commit: Line | None = None
    live: Line | None = None
    force: Line | None = None
    error: Line | None = None
    outcome: Line | None = None
    pid: int | None = None


@dataclass(frozen=True, kw_only=True)
class _OfAStep(_Event):
    step: Line


@dataclass(frozen=True, kw_only=True)
class _End(_Event):
    outcome: Line


@dataclass(frozen=True, kw_only=True)
class _Target(_Event):
    release: Line | None


@dataclass(frozen=True, kw_only=True)
class _Cutover(_Event):
    figures: _Figures
    samples: _Samples


@dataclass(frozen=True, kw_only=True)
class _Text(_Event):
    text: Line


_KINDS: Mapping[str, type[_Event]] = {
    "step begins": _OfAStep,
    "step ends": _OfAStep,
    "ends": _End,
    "target": _Target,
    "cutover": _Cutover,
    **dict.fromkeys(("warning", "evidence", "plan", "way back"), _Text),
}


def _events(text: str, skipped: Callable[[str], None]) -> Iterator[_Event]:
    """The lines of a run that are as runs write them; in the first one that is not finished a run may have died."""
    lines = text.split("\n")
    for number, written in enumerate(lines, 1):
        if not written.strip():
            continue
        try:
            event = read_json(written, _Event)
            yield read_json(written, _KINDS[event.event]) if event.event in _KINDS else event
        except Malformed as error:
            skipped(f"line {number} was left out: {line(str(error))[:300]}")


def _steps(events: Sequence[_Event], zero: datetime, total: float) -> list[Step]:
    """Beginnings paired with their ends by who wrote them and the title; a step lies within those that are open."""
    steps: list[Step] = []
    opened: dict[tuple[int | None, str], tuple[int, Step]] = {}
    for event in events:
        if not isinstance(event, _OfAStep):
            continue
        name, at = (event.pid, event.step), _since(zero, event)
        if event.event == "step begins":
            # Steps of one process may stand side by side; those of a process that it started lie within.
            depth = max((step.depth + 1 for (pid, _), (_, step) in opened.items() if pid != event.pid), default=0)
            step = Step(event.step, at, max(total - at, 0), "", min(depth, _DEEPEST))
            opened[name] = (len(steps), step)
            steps.append(step)
        elif name in opened:
            place, step = opened.pop(name)
            steps[place] = replace(step, seconds=max(round(at - step.start, 3), 0), outcome=event.outcome or "")
    return steps


def _since(zero: datetime, event: _Event) -> float:
    """Seconds from a run's beginning to an event; none for one whose clock says that it was before."""
    return max(round((event.at - zero).total_seconds(), 3), 0.0)
