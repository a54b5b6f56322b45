"""Verbs that remove what nothing needs any more, or everything."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from slipway import durations
from slipway.environment.session import Session
from slipway.verbs.given import count
from slipway.verbs.verb import Answer, confirm, verb

if TYPE_CHECKING:
    from slipway.cleanup.reap import Reaped


@verb(
    json="as JSON",
    apply="remove what was found; default: only list it",
    older_than="the age from which something that no state names counts as left over, such as 90m; default: 1h",
    address="a floating IP that points at nothing and that nobody needs",
)
def reap(session: Session, apply: bool = False, older_than: str | None = None, address: str | None = None) -> Answer:
    """Find what no release needs and what it costs: what dead runs left, failed candidates, images of old versions."""
    from slipway.cleanup.reap import reap as reap_leftovers

    age = timedelta(seconds=durations.age(older_than)) if older_than else None
    return _answer(reap_leftovers(session, apply=apply, older_than=age, address=address or ""))


@verb(
    json="as JSON",
    keep="how many of the newest images to keep; default: [retention] in slipway.toml",
    apply="remove what was found; default: only list it",
)
def prune(session: Session, keep: int | None = None, apply: bool = False) -> Answer:
    """Find the images of old versions, never one that git, a live droplet or a standby refers to."""
    from slipway.cleanup.reap import prune as prune_images

    return _answer(prune_images(session, keep=count(keep), apply=apply))


@verb(
    yes="do not ask",
    with_database="remove the database too, after a backup",
    no_backup="remove the database without a backup",
)
def destroy(session: Session, yes: bool = False, with_database: bool = False, no_backup: bool = False) -> None:
    """Remove an environment's droplets, address and key. Images stay, and so does the database unless asked for."""
    from slipway.release.destroy import destroy as destroy_environment

    if not yes:
        but = ""
        if session.settings.project.database:
            but = ", its database included," if with_database else " but the database"
        confirm(session, f"Remove everything{but} of", "Nothing was removed.")
    destroy_environment(session, with_database=with_database, backup_first=not no_backup)


def _answer(reaped: Reaped) -> Answer:
    from slipway.cleanup.reap import render

    return Answer(render(reaped), reaped.as_json(), failed=any(each.problem for each in reaped.found))
