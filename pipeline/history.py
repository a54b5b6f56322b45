"""The releases that can be made live: every image, and what the reference says of it."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline import image, reference
from pipeline.session import Session
from pipeline.status import table


@dataclass(frozen=True)
class Known:
    """An image of the pipeline's; ``role`` is live, standby, previous or empty. ``created_at`` is RFC 3339 in UTC."""

    version: str
    image: str
    role: str
    release: str | None
    commit: str
    created_at: str


def releases(session: Session) -> list[Known]:
    """All of them, the newest first."""
    current = reference.read(session.settings.reference_path)
    by_image = {release.image: key for key, release in current.releases.items()}
    known = []
    for found in session.api.images():
        version = image.version_of(found)
        if version is None:
            continue
        key = by_image.get(found.name)
        role = {current.live: "live", current.standby: "standby"}.get(key, "previous") if key else ""
        known.append(Known(version, found.name, role, key, found.label("commit"), found.created_at))
    return sorted(known, key=lambda each: each.created_at, reverse=True)


def render(known: list[Known]) -> str:
    """The list as a person reads it."""
    if not known:
        return "There are no images yet: ./invoke build --version v1 bakes one."
    rows = [(each.version, each.role or "-", each.image, each.commit[:12], each.created_at) for each in known]
    return table([("version", "role", "image", "commit", "created"), *rows])
