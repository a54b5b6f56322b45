"""Pending migrations where they cost nothing: in a database of its own, with the live release's own queries."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from slipway.database.migrator import UNTOUCHED, Migrator, failing_queries
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.tools.digitalocean import Cluster, Droplet
from slipway.tools.ssh import Unreachable
from slipway.verification.app import App, app

NAME = "app_rehearsal"
_EXPAND = "Expand now and contract in a later release, when no running one needs it any more: docs/data.md"


def rehearse(
    session: Session, cluster: Cluster, migrator: Migrator, pending: Sequence[int], live: Droplet
) -> str | None:
    """Take each pending step, and after each let the live release's own binary, as its own user, try its queries.

    Gives the key of the live release; None when it has no database, and nothing could break it. Raises PipelineError
    for a step that fails, or that the live release does not survive.
    """
    key = session.settings.names.release(live.name)
    with _live(session, key, live.address) as running:
        if not (user := running.database_user()):
            return None
        with _database(migrator, Migrator(session, cluster, running)):
            for version in pending:
                done = migrator.run("--rehearsal", NAME, "--to", str(version), "--role", user, steps=version)
                if failing := failing_queries(running, "--database", NAME):
                    name = {step["version"]: step["name"] for step in done["applied"]}.get(version, "")
                    raise PipelineError(
                        f"{migrator.release} is refused: its migration {version} ({name}) breaks the live release "
                        f"{key}: {failing}.",
                        f"{UNTOUCHED} {_EXPAND}",
                    )
    return key


@contextmanager
def _live(session: Session, key: str, address: str) -> Iterator[App]:
    try:
        with app(session, key, address) as running:
            yield running
    except Unreachable as error:
        hint = "It has to say whether it survives the migration: ./invoke rollback makes the standby live."
        raise PipelineError(f"The live release {key} cannot be asked: {error.message}", hint) from error


@contextmanager
def _database(candidate: Migrator, live: Migrator) -> Iterator[None]:
    """It begins with none left by a run that was killed, and none is left as long as either droplet can remove it.

    The candidate may be what failed, so that the live one is asked first. What both leave, the next migration removes.
    """
    candidate.run("--drop-rehearsal", NAME)
    try:
        yield
    finally:
        for each in (live, candidate):
            with contextlib.suppress(PipelineError):
                each.run("--drop-rehearsal", NAME)
                break
