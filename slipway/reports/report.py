"""A run told to people: in the terminal, as JSON, and as a page (`report_page`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from slipway.errors import PipelineError
from slipway.progress import Progress
from slipway.runs import record
from slipway.runs.ledger import Ledger
from slipway.runs.record import Record
from slipway.text import table

MARKS = {"succeeded": "✓", "failed": "✗", "": "…"}


def fetch(ledger: Ledger, progress: Progress) -> None:
    """Fetch the runs that others have shared; when that fails, warn and go on with the local ones."""
    try:
        ledger.fetch()
    except PipelineError as error:
        progress.warn(f"what others did since is not known: {error.message}")


def find(ledger: Ledger, run: str | None, warn: Callable[[str], None] = lambda text: None) -> Record:
    """The run of an id, or of the beginning of one; by default the last. Raises PipelineError for none or several.

    ``warn`` is told of what in it cannot be read.
    """
    known = ledger.runs()
    found = [each for each in known if each.startswith(run)] if run else known[-1:]
    if not found:
        raise PipelineError(
            f"There is no run {run}." if run else "There is no run yet.", "./invoke report --list shows them."
        )
    if len(found) > 1:
        raise PipelineError(f"{len(found)} runs begin with {run}: {', '.join(found[:5])}.", "Give more of the one.")
    return _read(ledger, found[0], warn)


def all_of(ledger: Ledger, latest: int = 50, warn: Callable[[str], None] = lambda text: None) -> list[Record]:
    """The latest runs that can be read, the newest first; ``warn`` is told of what cannot."""
    found = []
    for run in reversed(ledger.runs()[-latest:]):
        try:
            found.append(_read(ledger, run, warn))
        except PipelineError as error:
            warn(f"run {run} is left out: {error.message}")
    return found


def _read(ledger: Ledger, run: str, warn: Callable[[str], None]) -> Record:
    return record.parse(ledger.text(run), lambda problem: warn(f"run {run}: {problem}"))


def render_all(records: Sequence[Record]) -> str:
    """The list as a person reads it."""
    if not records:
        return "There is no run yet: ./invoke build deploy --version v1 makes the first."
    rows = [(r.run, r.command, f"{r.who}@{r.host}", f"{r.seconds:.0f} s", r.outcome, r.live) for r in records]
    return table([("run", "what", "who", "took", "outcome", "live"), *rows])


def render(found: Record) -> str:
    """A run as a person reads it."""
    rows = [
        ("run", found.run),
        ("what", f"{found.command} on {found.environment}" + (f", by force: {found.force}" if found.force else "")),
        ("who", f"{found.who}@{found.host}, at commit {found.commit[:12]}"),
        ("when", f"{found.begun_at} to {found.ended_at}, {found.seconds:.1f} s"),
        ("outcome", found.outcome + (f": {found.error}" if found.error else "")),
        ("live", change(found)),
    ]
    return "\n".join([table(rows), *_steps(found), *_cutover(found.cutover), *_notes(found)])


def change(found: Record) -> str:
    """Which release was live before and which afterwards."""
    before, after = found.before or "nothing", found.live or "nothing"
    if found.outcome in {"died", "running"}:
        return f"{before} when it began"
    return after if before == after else f"{before} → {after}"


def _steps(found: Record) -> list[str]:
    lines = [
        f"  {MARKS.get(step.outcome, '✗')} {step.start:7.1f} s  {'  ' * step.depth}{step.title} · {step.seconds:.1f} s"
        for step in found.steps
    ]
    return ["", "steps", *lines] if lines else []


def _cutover(figures: Mapping[str, Any] | None) -> list[str]:
    if figures is None:
        return []
    rows = [("  " + name, value) for name, value in spelled(figures)]
    return ["", "cutover", table(rows)]


def spelled(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The prober's figures as names and texts."""
    reopened = figures["reopened"]
    rows = [
        ("new connections", f"{figures['sent']} sent, {figures['lost']} lost"),
        (
            "kept connections",
            f"{figures['kept_sent']} requests, {figures['kept_lost']} lost"
            + (f", {reopened} opened anew and answered" if reopened else ""),
        ),
        ("longest gap", f"{figures['longest_gap']:.0f} ms"),
        *((f"latency {name}", latency(figures[name])) for name in ("before", "during", "after")),
        ("answered by", ", ".join(f"{key} ({count})" for key, count in figures["answers"].items()) or "nobody"),
    ]
    if figures["errors"]:
        rows.append(("lost to", ", ".join(f"{what} ({count})" for what, count in figures["errors"].items())))
    if figures["late"] > 50:
        rows.append(("the prober", f"was itself held up for up to {figures['late']:.0f} ms by the machine it ran on"))
    return rows


def latency(data: Mapping[str, Any]) -> str:
    """A percentile and another, with how many requests they are of."""
    if not data["requests"]:
        return "-"
    return f"p50 {_ms(data['p50'])}, p99 {_ms(data['p99'])}, of {data['requests']}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"


def _notes(found: Record) -> list[str]:
    lines = [f"  {note.at:7.1f} s  {note.kind}: {note.text}" for note in found.notes]
    return ["", "notes", *lines] if lines else []
