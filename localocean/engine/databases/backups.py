"""Backups of clusters: base backups of the whole server on a schedule, kept in the state directory; and their return.

    <state>/databases/backups/<cluster uuid>/<backup uuid>.tar.gz    root's alone

All that was committed before a backup's time is in it. One is also made before anything that destroys data, and the
last one of a cluster that was deleted stays, under the cluster's name, until it is too old.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from localocean.config import Config
from localocean.engine.actions import Abandoned, Actions, Settle
from localocean.engine.apart import attempt
from localocean.engine.databases.nodes import Nodes
from localocean.engine.databases.settings import BACKUP_HOUR, BACKUP_MINUTE, backup_time, password
from localocean.engine.errors import Unprocessable
from localocean.host.errors import HostError
from localocean.host.postgres import copies
from localocean.host.postgres.layout import ADMIN
from localocean.host.postgres.server import Postgres
from localocean.host.run import run
from localocean.store.records import (
    DATABASE,
    ONLINE,
    Action,
    DatabaseBackup,
    DatabaseCluster,
    DatabaseName,
    DatabaseUser,
)
from localocean.store.store import Store

KEPT, KEPT_DAYS = 7, 7
INTERVAL_HOURS = 24
LAST_SECONDS = 600.0
"""How long something waits to be destroyed for its last backup."""

AGAIN_SECONDS = 60.0
"""After a backup that failed."""

log = logging.getLogger("localocean.databases")


class Backups:
    """Making, keeping and finding them. Raises HostError."""

    def __init__(self, config: Config, store: Store, actions: Actions, nodes: Nodes) -> None:
        self.store = store
        self.actions = actions
        self.nodes = nodes
        self._folder = config.state / "databases" / "backups"
        self._interval = timedelta(seconds=float(config.database_backups)) if config.database_backups else None
        self._tried: dict[int, datetime] = {}
        actions.jobs |= {"database_backup": self._scheduled}

    def all(self, cluster: DatabaseCluster) -> list[DatabaseBackup]:
        """The backups of a cluster, newest first."""
        return self.store.database_backups.find("cluster_uuid = ?", cluster.uuid, newest=True)

    def back_up(self, cluster: DatabaseCluster, timeout: float = copies.HOUR) -> DatabaseBackup:
        """Make a backup now, in the job of whoever calls; the oldest beyond those that are kept go."""
        backup = DatabaseBackup(uuid=str(uuid.uuid4()), cluster_uuid=cluster.uuid, cluster_name=cluster.name)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        size = copies.back_up(self.nodes.server(self.nodes.primary(cluster.id)), self._file(backup), timeout)
        stored = self.store.database_backups.add(replace(backup, size_bytes=size))
        for outdated in self.all(cluster)[KEPT:]:
            self.discard(outdated)
        return stored

    def before(self, cluster: DatabaseCluster, change: str) -> None:
        """Make a backup because something is about to be destroyed; what cannot be backed up is destroyed all the same.

        So a cluster whose machine is beyond repair can still be deleted.
        """
        if cluster.status != ONLINE or not self.nodes.is_running(self.nodes.primary(cluster.id)):
            return
        try:
            self.back_up(cluster, LAST_SECONDS)
        except (HostError, Abandoned) as error:
            log.error("database %s has no backup from before its %s: %s", cluster.name, change, error)

    def choose(self, name: str, created_at: str | None) -> dict[str, Any]:
        """What a new cluster is to be restored from, for its action: a backup by its time, else the present state.

        Of a cluster that was deleted, its last backup. Raises Unprocessable.
        """
        source = self.store.database_clusters.first("name = ? AND NOT doomed AND status = ?", name, ONLINE)
        found = self.store.database_backups.find("cluster_name = ?", name, newest=True)
        if source:
            found = [each for each in found if each.cluster_uuid == source.uuid]
        if created_at:
            found = [each for each in found if each.created_at == created_at]
        elif source:
            return {"cluster": source.id, "backup": None}
        if not found:
            raise Unprocessable(f"backup_restore: there is no such backup of a database cluster {name!r}")
        return {"cluster": source.id if source else None, "backup": found[0].id}

    def restore(self, cluster: DatabaseCluster, server: Postgres, source: dict[str, Any]) -> None:
        """Fill a new cluster's server, and record what came; users keep their passwords, the administrator's is new."""
        backup = self.store.database_backups.get(source["backup"]) if source["backup"] else None
        if backup is None:
            live = self.store.database_clusters.get(source["cluster"] or 0)
            if live is None:
                raise HostError("What the database cluster was to be restored from is gone.")
            backup = self.back_up(live)
        copies.restore(server, self._file(backup))
        self._adopt(cluster, server.user_names(), server.database_names(), source["cluster"] or 0)

    def _adopt(self, cluster: DatabaseCluster, users: Sequence[str], names: Sequence[str], source_id: int) -> None:
        """Record the users and databases that came with a backup.

        Who is no user of the source any more has another password than he had, which only the new cluster's owner sees.
        """
        with self.store.transaction():
            known = {user.name: user for user in self.store.database_users.find("cluster = ?", source_id)}
            self.store.database_users.delete("cluster = ? AND name != ?", cluster.id, ADMIN)
            for name in (name for name in users if name != ADMIN):
                secret = known[name].password if name in known else password()
                self.store.database_users.add(DatabaseUser(cluster=cluster.id, name=name, password=secret))
            self.store.database_names.delete("cluster = ?", cluster.id)
            for name in names:
                self.store.database_names.add(DatabaseName(cluster=cluster.id, name=name))

    def begin_due(self) -> None:
        """Begin the backups that are due, and let go of those of deleted clusters that are too old."""
        for cluster in self.store.database_clusters.find("NOT doomed AND status = ?", ONLINE):
            attempt(f"the backup of database {cluster.name}", partial(self._begin, cluster))
        limit = _text(datetime.now(UTC) - timedelta(days=KEPT_DAYS))
        gone = "created_at < ? AND cluster_uuid NOT IN (SELECT uuid FROM database_clusters)"
        for outdated in self.store.database_backups.find(gone, limit):
            attempt(f"the backup {outdated.uuid}", partial(self.discard, outdated))

    def _begin(self, cluster: DatabaseCluster) -> None:
        """Begin the backup of a cluster if it is due and nothing else is done to the cluster."""
        if not self._due(cluster):
            return
        with self.store.transaction():
            if self.actions.paused or self.actions.pending(DATABASE, cluster.id):
                return
            action = self.actions.begin("database_backup", DATABASE, cluster.id, cluster.region)
        self._tried[cluster.id] = datetime.now(UTC)
        self.actions.submit(action)

    def discard(self, backup: DatabaseBackup) -> None:
        """Remove a backup."""
        self.store.database_backups.delete("id = ?", backup.id)
        self._file(backup).unlink(missing_ok=True)
        with suppress(OSError):
            self._file(backup).parent.rmdir()

    def clear(self) -> None:
        """Remove the files of all; the records go with everybody's."""
        run(["rm", "-rf", "--one-file-system", str(self._folder)], timeout=600)

    def sweep(self) -> None:
        """Remove files without a record, as a crash can leave them, and records without a file."""
        there = {self._file(backup): backup for backup in self.store.database_backups.find()}
        for file in self._folder.glob("*/*"):
            if file not in there:
                file.unlink()
        for file, backup in there.items():
            if not file.is_file():
                self.discard(backup)

    def _scheduled(self, action: Action) -> Settle:
        cluster = self.store.database_clusters.get(action.resource_id)
        if cluster is None or cluster.doomed:
            raise Abandoned("The database cluster is being deleted.")
        self.back_up(cluster)
        return lambda: None

    def _due(self, cluster: DatabaseCluster) -> bool:
        """A cluster's hour and minute are those at which it was made; a time that was slept through is made up for."""
        made = self.all(cluster)
        last = _time(made[0].created_at if made else cluster.created_at)
        due = last + self._interval if self._interval else next_time(cluster, last)
        tried = self._tried.get(cluster.id)
        if tried and last < tried.replace(microsecond=0):
            due = max(due, tried + timedelta(seconds=AGAIN_SECONDS))
        return due <= datetime.now(UTC)

    def _file(self, backup: DatabaseBackup) -> Path:
        return self._folder / backup.cluster_uuid / f"{backup.uuid}.tar.gz"


def next_time(cluster: DatabaseCluster, after: datetime) -> datetime:
    """When the first scheduled backup after a moment is due."""
    chosen = backup_time(cluster)
    found = after.replace(hour=chosen[BACKUP_HOUR], minute=chosen[BACKUP_MINUTE], second=0, microsecond=0)
    return found if found > after else found + timedelta(days=1)


def schedule(cluster: DatabaseCluster) -> dict[str, int]:
    """The hour and minute of a cluster's backups, in UTC, as they are shown."""
    return {**backup_time(cluster), "backup_interval_hours": INTERVAL_HOURS}


def _time(value: str) -> datetime:
    return datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _text(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")
