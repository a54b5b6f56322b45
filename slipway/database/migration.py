"""droplet -> migrated: the schema that a release needs, reached in steps that the live release survives.

Each step is first taken in a rehearsal database of the same cluster, and the live release's own binary, as its own
user, asks there all that it ever asks. Only when every step has passed is the real schema touched. There is no way
down: a rollback finds a schema that was made so that it still works with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slipway.database.cluster import online
from slipway.database.migrator import Migrator, failing_queries
from slipway.database.rehearsal import rehearse
from slipway.environment.reference import Release
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.tools.digitalocean import Cluster
from slipway.verification import evidence
from slipway.verification.app import app


@dataclass(frozen=True)
class Migrated:
    """What was done to the schema: where it was, where it is, and the steps between, in milliseconds each."""

    release: str
    before: int
    after: int
    applied: Sequence[Mapping[str, Any]]
    rehearsed_with: str | None


def migrate(session: Session, release: Release, address: str) -> Migrated:
    """Bring the schema to what a release needs, from the release's own droplet.

    Raises PipelineError when a step fails, takes too long or breaks the live release, and when the database cannot be
    asked; the evidence is kept then.
    """
    with session.progress.step(f"migrate the schema for {release.key}"):
        try:
            return _migrate(session, release, address)
        except PipelineError as error:
            folder = evidence.keep(session, release, address, error)
            raise evidence.failure(folder) or error from error


def status(session: Session, cluster: Cluster, release: str, address: str) -> dict[str, Any]:
    """What the binary of a running release says of the schema: ``current``, ``latest`` and ``pending``."""
    with app(session, release, address) as running:
        return Migrator(session, cluster, running).run("--status")


def render(migrated: Migrated) -> str:
    """What was done, as a person reads it."""
    if not migrated.applied:
        return f"The schema is at {migrated.after}, which {migrated.release} works with."
    rehearsed = f", rehearsed with {migrated.rehearsed_with}" if migrated.rehearsed_with else ""
    return f"The schema went from {migrated.before} to {migrated.after} for {migrated.release}{rehearsed}."


def _migrate(session: Session, release: Release, address: str) -> Migrated:
    cluster, settings = online(session), session.settings
    with app(session, release.key, address, settle=settings.project.verification.deadline) as candidate:
        migrator = Migrator(session, cluster, candidate)
        pending, live = list(migrator.run("--status")["pending"]), session.api.live_droplet(settings.tag)
        rehearsed = None
        if pending and live is not None and live.address != address:
            rehearsed = rehearse(session, cluster, migrator, pending, live)
        done = migrator.run("--role", release.database_user, steps=max(1, len(pending)))
        if failing := failing_queries(candidate):
            raise PipelineError(
                f"{release.key} does not work with the schema that it asked for: {failing}.",
                "The live release is not affected: each step was rehearsed with it.",
            )
    for step in done["applied"]:
        session.progress.detail(f"{step['version']} {step['name']}: {step['ms']} ms")
    return Migrated(release.key, int(done["from"]), int(done["to"]), done["applied"], rehearsed)
