"""The proof of a backup: restored into a new cluster and compared, table by table; then the cluster is removed."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from slipway.database import backup, bridge
from slipway.database.backup import Backup
from slipway.durations import age, moment, spell
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.retries import polled
from slipway.runs.checkout_lock import only_one
from slipway.tools import postgres
from slipway.tools.digitalocean import Cluster
from slipway.tools.programs.children import ended_by_signals

_ONLINE_WITHIN = 20 * 60
"""Seconds that a new cluster may take; DigitalOcean needs about five minutes."""
FRESH = "defaultdb"
"""What is in every new cluster, and empty."""
_REACHABLE_WITHIN = 90
LEFT_BEHIND = timedelta(hours=3)
"""From this age on a cluster of a drill is left over."""


@dataclass(frozen=True)
class Drill:
    """What restoring a backup showed; it is good when there are no ``problems``. Times are in seconds."""

    backup: str
    taken_at: str
    age: float
    tables: int
    rows: int
    cluster_took: float
    restore_took: float
    problems: Sequence[str]


def verify(session: Session, *, folder: str | None = None, max_age: str | None = None) -> Drill:
    """Restore the newest backup into a new cluster, compare every table, and remove the cluster again.

    Raises PipelineError when there is no backup, or when the drill could not be held.
    """
    limit = age(max_age) if max_age else None
    place = backup.folder_of(session, folder)
    found = backup.known(place, session.settings.names, session.progress.warn)
    if not found:
        raise PipelineError(f"There is no backup of {session.settings.environment} in {place}.", "./invoke backup")
    newest = found[-1]
    with only_one(session.settings.work / "drill", "backup.verify"):
        dump = backup.intact(place, newest)
        old = (datetime.now(UTC) - datetime.fromisoformat(newest.taken_at)).total_seconds()
        like = bridge.cluster(session)
        client = postgres.Client.of(max(newest.version, bridge.version(like)), session.progress.detail)
        start = time.monotonic()
        with (
            session.progress.step(f"restore {newest.dump} into a new cluster"),
            bridge.through_live(session) as way,
            _new_cluster(session, like, way) as cluster,
            way.reach(session.api, cluster, FRESH) as database,
        ):
            _wait_for(database)
            ready = time.monotonic()
            client.restore(database, dump)
            done = time.monotonic()
            problems = differences(newest, postgres.contents(database))
    if limit is not None and old > limit:
        problems.append(f"the newest backup is {spell(old)} old, and at most {max_age} was asked for")
    took = round(ready - start, 1), round(done - ready, 1)
    return Drill(newest.dump, newest.taken_at, round(old), len(newest.tables), newest.rows, *took, problems)


def differences(wanted: Backup, found: postgres.Contents) -> list[str]:
    """Sentences about what the restored database lacks, has otherwise or has beside it."""
    said = []
    for name in sorted({*wanted.tables, *found.tables}):
        before, after = wanted.tables.get(name), found.tables.get(name)
        if before is None or after is None:
            said.append(f"table {name} is {'not in the backup' if before is None else 'missing'}")
        elif before[0] != after[0]:
            said.append(f"table {name} has {after[0]} rows instead of {before[0]}")
        elif before[1] != after[1]:
            said.append(f"table {name} has other contents")
    if dict(wanted.sequences) != dict(found.sequences):
        said.append("the sequences stand elsewhere")
    return said


def render(drill: Drill) -> str:
    """A drill as a person reads it."""
    lines = [
        f"{drill.backup}, {spell(drill.age)} old: {drill.tables} tables and {drill.rows} rows restored in"
        f" {drill.restore_took} s, into a cluster that took {drill.cluster_took} s and is gone again"
    ]
    return "\n".join([*lines, *(f"✗ {problem}" for problem in drill.problems)])


@contextmanager
def _new_cluster(session: Session, like: Cluster, way: bridge.Bridge) -> Iterator[Cluster]:
    """A cluster like another one, which trusts one droplet; removed whatever ends the drill.

    What a killed drill left is found by its name: of this checkout at once, of others after three hours.
    """
    api, names = session.api, session.settings.names
    here = f"{os.uname().nodename} {session.settings.project.root}"
    own = hashlib.sha256(here.encode()).hexdigest()[:6]
    oldest = datetime.now(UTC) - LEFT_BEHIND

    def sweep(*, others: bool) -> None:
        for found in api.clusters():
            drilled = names.is_drill(found.name, found.tags)
            made = moment(found.created_at)
            left = others and drilled and made is not None and made < oldest
            if left or names.is_drill(found.name, found.tags, own):
                api.delete_cluster(found.id)

    with ended_by_signals():
        sweep(others=True)
        try:
            made = api.create_cluster(names.drill(own, secrets.token_hex(2)), like, names.tags)
            yield _online(session, made, way)
        finally:
            try:
                sweep(others=False)
            except PipelineError as error:
                session.progress.warn(
                    f"a cluster {names.drill(own, '…')} may be left: {error.message} The next drill removes it."
                )


def _online(session: Session, made: Cluster, way: bridge.Bridge) -> Cluster:
    session.progress.detail(f"waiting for {made.name}")

    def found_online() -> Cluster | None:
        found = session.api.cluster(made.name, session.settings.tag)
        if found is None:
            raise PipelineError(f"{made.name} was removed by somebody else.")
        return found if found.status == "online" else None

    found = polled(found_online, _ONLINE_WITHIN, 1)
    if found is None:
        raise PipelineError(f"{made.name} was not online after {_ONLINE_WITHIN // 60} minutes.")
    session.api.trust_droplet(found.id, way.droplet.id)
    return found


def _wait_for(database: postgres.Database) -> None:
    """Trusted sources take a moment to be known to a cluster; raises PipelineError when that is too long."""

    def connects() -> bool:
        try:
            with postgres.connect(database):
                return True
        except PipelineError:
            return False

    if not polled(connects, _REACHABLE_WITHIN, 1):
        with postgres.connect(database):
            pass
