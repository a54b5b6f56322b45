"""The releases that can be made live: every image of the project, and what the reference says of it."""

from __future__ import annotations

from dataclasses import dataclass

from slipway.environment import reference
from slipway.environment.session import Session
from slipway.image import image
from slipway.reports import report
from slipway.runs.ledger import Ledger
from slipway.text import table

_RUNS = 200
"""How far back the ledger is read."""


@dataclass(frozen=True)
class Known:
    """An image of the pipeline's; ``role`` is live, standby, previous or empty. ``created_at`` is RFC 3339 in UTC.

    The last run that was to make it live, as the ledger has it, ended at ``released_at`` with ``outcome``; all three
    are empty when the ledger knows of none.
    """

    version: str
    image: str
    role: str
    release: str | None
    commit: str
    created_at: str
    released_by: str = ""
    released_at: str = ""
    outcome: str = ""


def releases(session: Session) -> list[Known]:
    """All of them, the newest first."""
    current = reference.read(session.settings.reference_path)
    last = _last_runs(session)
    by_image = {release.image: key for key, release in current.releases.items()}
    known = []
    for found in session.api.images():
        version = image.version_of(session.settings.names, found)
        if version is None:
            continue
        key = by_image.get(found.name)
        role = {current.live: "live", current.standby: "standby"}.get(key, "previous") if key else ""
        known.append(
            Known(version, found.name, role, key, found.label("commit"), found.created_at, *last.get(version, ()))
        )
    return sorted(known, key=lambda each: each.created_at, reverse=True)


def _last_runs(session: Session) -> dict[str, tuple[str, str, str]]:
    """By version: who last ran a release of it, when that ended, and how."""
    book = Ledger.of(session.settings.project, session.settings.environment)
    report.fetch(book, session.progress)
    return {
        run.target.rpartition("-")[0]: (f"{run.who}@{run.host}", run.ended_at, run.outcome)
        for run in reversed(report.all_of(book, _RUNS, session.progress.warn))
        if run.target
    }


def render(known: list[Known]) -> str:
    """The list as a person reads it."""
    if not known:
        return "There are no images yet: ./invoke build --version v1 bakes one."
    rows = [(e.version, e.role or "-", e.image, e.commit[:12], e.created_at, _released(e)) for e in known]
    return table([("version", "role", "image", "commit", "created", "last release"), *rows])


def _released(each: Known) -> str:
    return f"{each.outcome} {each.released_at} by {each.released_by}" if each.outcome else "-"
