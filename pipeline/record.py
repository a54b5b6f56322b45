"""A run as the ledger tells it: who, what, when, how long, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from pipeline.errors import PipelineError


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


def parse(text: str) -> Record:
    """Read a run's lines, leaving out what is not whole; raises PipelineError when it does not even begin."""
    events = list(_events(text))
    if not events or events[0]["event"] != "begins":
        raise PipelineError("A run's file does not begin with the run.", "It is not a file of the ledger's.")
    first, last = events[0], events[-1]
    zero = _time(first)
    end = next((event for event in events if event["event"] == "ends"), {})
    # Of a run that died its last sign of life counts, and not when somebody found it.
    final = events[-2] if end.get("outcome") == "died" and len(events) > 1 else last
    seconds = round(_time(final) - zero, 3)
    named = {name: str(first.get(name, "")) for name in ("run", "environment", "command", "who", "host", "commit")}
    return Record(
        **named,
        begun_at=str(first["at"]),
        seconds=seconds,
        outcome=str(end.get("outcome", "running")),
        error=str(end.get("error", "")),
        before=str(first.get("live") or ""),
        target=str(next((event["release"] for event in events if event["event"] == "target"), None) or ""),
        live=str(end.get("live") or ""),
        force=str(first.get("force", "")),
        steps=_steps(events, zero, seconds),
        notes=[
            Note(round(_time(event) - zero, 3), event["event"], str(event.get("text", "")))
            for event in events
            if event["event"] in {"warning", "evidence", "plan", "way back"}
        ],
        cutover=next((event["figures"] for event in events if event["event"] == "cutover"), None),
        samples=next((event["samples"] for event in events if event["event"] == "cutover"), None),
    )


def _events(text: str) -> Iterator[Mapping[str, Any]]:
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and isinstance(event.get("event"), str) and isinstance(event.get("at"), str):
            yield event


def _steps(events: Sequence[Mapping[str, Any]], zero: float, total: float) -> list[Step]:
    """Beginnings paired with their ends by who wrote them and the title; a step lies within those that are open."""
    steps: list[Step] = []
    opened: dict[tuple[Any, str], tuple[int, Step]] = {}
    for event in events:
        name = (event.get("pid"), str(event.get("step", "")))
        at = round(_time(event) - zero, 3)
        if event["event"] == "step begins":
            # Steps of one process may stand side by side; those of a process that it started lie within.
            depth = max((step.depth + 1 for (pid, _), (_, step) in opened.items() if pid != name[0]), default=0)
            step = Step(name[1], at, max(total - at, 0), "", depth)
            opened[name] = (len(steps), step)
            steps.append(step)
        elif event["event"] == "step ends" and name in opened:
            place, step = opened.pop(name)
            steps[place] = Step(
                step.title, step.start, round(at - step.start, 3), str(event.get("outcome")), step.depth
            )
    return steps


def _time(event: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(event["at"]).timestamp()
