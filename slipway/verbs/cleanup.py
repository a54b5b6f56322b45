"""Verbs that remove what nothing needs any more, or everything."""

from __future__ import annotations

from datetime import timedelta

from slipway import durations
from slipway.cleanup import reap as reaping
from slipway.cleanup.reap import Reaped
from slipway.environment.session import Session
from slipway.release import destroy as ending
from slipway.verbs.given import count
from slipway.verbs.verb import Answer, confirm, verb


@verb(
    json="as JSON",
    apply="remove what was found; default: only list it",
    older_than="the age from which something that no state names counts as left over, such as 90m; default: 1h",
    address="a floating IP that points at nothing and that nobody needs",
)
def reap(session: Session, apply: bool = False, older_than: str | None = None, address: str | None = None) -> Answer:
    """Find what no release needs and what it costs: what dead runs left, failed candidates, images of old versions."""
    age = timedelta(seconds=durations.age(older_than)) if older_than else None
    return _answer(reaping.reap(session, apply=apply, older_than=age, address=address or ""))


@verb(
    json="as JSON",
    keep="how many of the newest images to keep; default: [retention] in slipway.toml",
    apply="remove what was found; default: only list it",
)
def prune(session: Session, keep: int | None = None, apply: bool = False) -> Answer:
    """Find the images of old versions, never one that git, a live droplet or a standby refers to."""
    return _answer(reaping.prune(session, keep=count(keep), apply=apply))


@verb(
    yes="do not ask",
    with_database="remove the database too, after a backup",
    no_backup="remove the database without a backup",
)
def destroy(session: Session, yes: bool = False, with_database: bool = False, no_backup: bool = False) -> None:
    """Remove an environment's droplets, address and key. Images stay, and so does the database unless asked for."""
    if not yes:
        but = ""
        if session.settings.project.database:
            but = ", its database included," if with_database else " but the database"
        confirm(session, f"Remove everything{but} of", "Nothing was removed.")
    ending.destroy(session, with_database=with_database, backup_first=not no_backup)


def _answer(reaped: Reaped) -> Answer:
    return Answer(reaping.render(reaped), reaped.as_json(), failed=any(each.problem for each in reaped.found))
