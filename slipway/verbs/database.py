"""Verbs for the database's backups."""

from __future__ import annotations

from dataclasses import asdict

from slipway.environment.session import Session
from slipway.verbs.given import count
from slipway.verbs.verb import Answer, confirm, verb

_FOLDER = "where the backups are; by default .slipway/ENVIRONMENT/backups"


@verb(
    name="now",
    json="as JSON",
    to="the folder to write to; default: .slipway/ENVIRONMENT/backups",
    keep="how many backups to keep, with this one; default: all",
)
def backup_now(session: Session, to: str | None = None, keep: int | None = None) -> Answer:
    """Back up the database: one moment of it dumped, counted and described."""
    from slipway.database import backup

    made, path = backup.backup(session, to=to, keep=count(keep))
    text = f"{path}: {len(made.tables)} tables, {made.rows} rows, {made.size} bytes"
    return Answer(text, {**asdict(made), "path": str(path)})


@verb(
    name="verify",
    json="as JSON",
    folder=_FOLDER,
    max_age="fail when the newest backup is older than this, such as 26h",
)
def backup_verify(session: Session, folder: str | None = None, max_age: str | None = None) -> Answer:
    """Restore the newest backup into a new cluster, compare every table, remove the cluster; fail where they differ."""
    from slipway.database import drill

    held = drill.verify(session, folder=folder, max_age=max_age)
    return Answer(drill.render(held), asdict(held), failed=bool(held.problems))


@verb(name="restore", json="as JSON", folder=_FOLDER, dump="the file's name; default: the newest", yes="do not ask")
def backup_restore(session: Session, folder: str | None = None, dump: str | None = None, yes: bool = False) -> Answer:
    """Restore a backup into the database, after a backup of what is there."""
    from slipway.database import restore

    if not yes:
        confirm(session, "Replace the data of", "Nothing was changed.")
    done = restore.restore(session, folder=folder, dump=dump)
    return Answer(restore.render(done), asdict(done), failed=bool(done.problems))
