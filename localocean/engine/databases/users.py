"""Users and databases of a cluster: made in the server and in the records, at once or after a crash."""

from __future__ import annotations

import re

from localocean.engine.actions import Actions, Settle
from localocean.engine.databases.backups import Backups
from localocean.engine.databases.clusters import Clusters
from localocean.engine.databases.jobs import Jobs
from localocean.engine.databases.nodes import Nodes
from localocean.engine.databases.settings import password
from localocean.engine.errors import NotFound, Unprocessable
from localocean.host.postgres.server import SYSTEM, Postgres
from localocean.store.records import (
    PRIMARY,
    Action,
    DatabaseName,
    DatabaseUser,
    Listing,
    Page,
)
from localocean.store.store import Store

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
RESERVED = re.compile(r"postgres|pgbouncer|replicat\w*|pg_\w*|public|none", re.IGNORECASE)


class Users:
    """Who may log in to a cluster, and to which databases."""

    def __init__(
        self, store: Store, actions: Actions, clusters: Clusters, nodes: Nodes, jobs: Jobs, backups: Backups
    ) -> None:
        self.store = store
        self.actions = actions
        self.clusters = clusters
        self.nodes = nodes
        self.jobs = jobs
        self.backups = backups
        actions.jobs |= {
            "database_user_create": self._create_user,
            "database_user_delete": self._delete_user,
            "database_user_reset": self._reset_user,
            "database_name_create": self._create_name,
            "database_name_delete": self._delete_name,
        }
        actions.undo |= {
            "database_user_create": lambda action: store.database_users.delete("id = ?", action.args["id"]),
            "database_name_create": lambda action: store.database_names.delete("id = ?", action.args["id"]),
        }

    def user(self, identifier: str, name: str) -> DatabaseUser:
        """Raises NotFound."""
        found = self.store.database_users.first("cluster = ? AND name = ?", self.clusters.record(identifier).id, name)
        if found is None:
            raise NotFound
        return found

    def users(self, identifier: str, page: Page) -> Listing[DatabaseUser]:
        return self.store.database_users.page(page, "cluster = ?", self.clusters.record(identifier).id)

    def create_user(self, identifier: str, name: str) -> DatabaseUser:
        """Raises Unprocessable, Precondition, HostError."""
        with self.store.transaction():
            cluster = self.clusters.online(identifier)
            _check_name(name, "user")
            if self.store.database_users.first("cluster = ? AND name = ?", cluster.id, name):
                raise Unprocessable("user name is not available")
            user = self.store.database_users.add(DatabaseUser(cluster=cluster.id, name=name, password=password()))
            action = self.clusters.begin("database_user_create", cluster, id=user.id)
        self.actions.run(action)
        return user

    def delete_user(self, identifier: str, name: str) -> None:
        """Its objects are the administrator's then. Raises NotFound, Unprocessable, Precondition, HostError."""
        with self.store.transaction():
            user = self.user(identifier, name)
            if user.role == PRIMARY:
                raise Unprocessable("cannot delete the primary user")
            self._refuse_if_pooled(user.cluster, "user", name)
            action = self.clusters.begin("database_user_delete", self.clusters.online(identifier), id=user.id)
        self.actions.run(action)

    def reset_user(self, identifier: str, name: str) -> DatabaseUser:
        """Give a user another password. Raises NotFound, Precondition, HostError."""
        with self.store.transaction():
            user = self.user(identifier, name)
            action = self.clusters.begin("database_user_reset", self.clusters.online(identifier), id=user.id)
        self.actions.run(action)
        return self.user(identifier, name)

    def name(self, identifier: str, name: str) -> DatabaseName:
        """Raises NotFound."""
        found = self.store.database_names.first("cluster = ? AND name = ?", self.clusters.record(identifier).id, name)
        if found is None:
            raise NotFound
        return found

    def names(self, identifier: str, page: Page) -> Listing[DatabaseName]:
        return self.store.database_names.page(page, "cluster = ?", self.clusters.record(identifier).id)

    def create_name(self, identifier: str, name: str) -> DatabaseName:
        """Make a database. Raises Unprocessable, Precondition, HostError."""
        with self.store.transaction():
            cluster = self.clusters.online(identifier)
            _check_name(name, "database")
            if self.store.database_names.first("cluster = ? AND name = ?", cluster.id, name):
                raise Unprocessable("database name is not available")
            record = self.store.database_names.add(DatabaseName(cluster=cluster.id, name=name))
            action = self.clusters.begin("database_name_create", cluster, id=record.id)
        self.actions.run(action)
        return record

    def delete_name(self, identifier: str, name: str) -> None:
        """Remove a database with all that is in it. Raises NotFound, Precondition, HostError."""
        with self.store.transaction():
            record = self.name(identifier, name)
            self._refuse_if_pooled(record.cluster, "database", name)
            action = self.clusters.begin("database_name_delete", self.clusters.online(identifier), id=record.id)
        self.actions.run(action)

    def _refuse_if_pooled(self, cluster_id: int, field: str, name: str) -> None:
        if pool := self.store.database_pools.first(f"cluster = ? AND {field} = ?", cluster_id, name):
            raise Unprocessable(f"the {field} is in use by the connection pool {pool.name}")

    def _server(self, action: Action) -> Postgres:
        return self.nodes.server(self.nodes.primary(self.jobs.cluster(action).id))

    def _create_user(self, action: Action) -> Settle:
        if user := self.store.database_users.get(action.args["id"]):
            self._server(action).create_user(user.name, user.password)
        return lambda: None

    def _delete_user(self, action: Action) -> Settle:
        if user := self.store.database_users.get(action.args["id"]):
            self._server(action).drop_user(user.name)
        return lambda: self.store.database_users.delete("id = ?", action.args["id"])

    def _reset_user(self, action: Action) -> Settle:
        """The new password is made here, so that no action remembers it."""
        chosen = password()
        if user := self.store.database_users.get(action.args["id"]):
            self._server(action).set_password(user.name, chosen)
        return lambda: self.store.database_users.update(action.args["id"], password=chosen)

    def _create_name(self, action: Action) -> Settle:
        if record := self.store.database_names.get(action.args["id"]):
            self._server(action).create_database(record.name)
        return lambda: None

    def _delete_name(self, action: Action) -> Settle:
        if record := self.store.database_names.get(action.args["id"]):
            self.backups.before(self.jobs.cluster(action), f"database {record.name}'s end")
            self._server(action).drop_database(record.name)
        return lambda: self.store.database_names.delete("id = ?", action.args["id"])


def _check_name(name: str, kind: str) -> None:
    if not NAME.fullmatch(name) or RESERVED.fullmatch(name) or name in SYSTEM:
        raise Unprocessable(f"invalid {kind} name: up to 63 letters, digits, dashes and underscores, not reserved")
