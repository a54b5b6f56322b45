"""Connection pools: what PgBouncer in a cluster's machine offers beside the server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from localocean.engine.actions import Actions, Settle
from localocean.engine.databases.catalogue import SIZES
from localocean.engine.databases.clusters import Clusters
from localocean.engine.databases.jobs import Jobs
from localocean.engine.databases.nodes import Nodes
from localocean.engine.errors import NotFound, Unprocessable
from localocean.host.postgres.pools import MODES, Pool, set_pools
from localocean.host.postgres.seed import KEPT_CONNECTIONS, connections
from localocean.store.records import Action, DatabaseCluster, DatabasePool, Listing, Page
from localocean.store.store import Store

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{2,59}")
RESERVED = "pgbouncer"


class Pools:
    """The pools of clusters. What a change did is undone when PgBouncer does not take it."""

    def __init__(self, store: Store, actions: Actions, clusters: Clusters, nodes: Nodes, jobs: Jobs) -> None:
        self.store = store
        self.actions = actions
        self.clusters = clusters
        self.nodes = nodes
        self.jobs = jobs
        actions.jobs |= {"database_pools": self._apply}
        actions.undo |= {"database_pools": self._undo}

    def get(self, identifier: str, name: str) -> DatabasePool:
        """Raises NotFound."""
        where = "cluster = ? AND name = ?"
        found = self.store.database_pools.first(where, self.clusters.record(identifier).id, name)
        if found is None:
            raise NotFound
        return found

    def page(self, identifier: str, page: Page) -> Listing[DatabasePool]:
        return self.store.database_pools.page(page, "cluster = ?", self.clusters.record(identifier).id)

    def create(self, identifier: str, values: Mapping[str, Any]) -> DatabasePool:
        """Raises Unprocessable, Precondition, HostError."""
        with self.store.transaction():
            cluster = self.clusters.online(identifier)
            pool = DatabasePool(cluster=cluster.id, **values)
            if not NAME.fullmatch(pool.name) or pool.name == RESERVED:
                raise Unprocessable("invalid pool name: 3 to 60 letters, digits, dashes and underscores, not reserved")
            if self.store.database_pools.first("cluster = ? AND name = ?", cluster.id, pool.name):
                raise Unprocessable("pool name is not available")
            self._check(cluster, pool)
            pool = self.store.database_pools.add(pool)
            action = self.clusters.begin("database_pools", cluster, pool=pool.id, before=None)
        self.actions.run(action)
        return pool

    def update(self, identifier: str, name: str, values: Mapping[str, Any]) -> None:
        """Give a pool another database, user, mode or size. Raises as :meth:`create` does, and NotFound."""
        with self.store.transaction():
            cluster, before = self.clusters.online(identifier), self.get(identifier, name)
            self.store.database_pools.update(before.id, **values)
            self._check(cluster, self.get(identifier, name))
            action = self.clusters.begin("database_pools", cluster, pool=before.id, before=asdict(before))
        self.actions.run(action)

    def delete(self, identifier: str, name: str) -> None:
        """Raises NotFound, Precondition, HostError."""
        with self.store.transaction():
            cluster, before = self.clusters.online(identifier), self.get(identifier, name)
            self.store.database_pools.delete("id = ?", before.id)
            action = self.clusters.begin("database_pools", cluster, pool=before.id, before=asdict(before))
        self.actions.run(action)

    def _check(self, cluster: DatabaseCluster, pool: DatabasePool) -> None:
        if pool.mode not in MODES:
            raise Unprocessable(f"invalid mode: one of {', '.join(MODES)}")
        if not self.store.database_names.first("cluster = ? AND name = ?", cluster.id, pool.database):
            raise Unprocessable("db: there is no such database")
        if pool.user and not self.store.database_users.first("cluster = ? AND name = ?", cluster.id, pool.user):
            raise Unprocessable("user: there is no such user")
        others = self.store.database_pools.find("cluster = ? AND id != ?", cluster.id, pool.id)
        most = connections(SIZES[cluster.size].memory) - KEPT_CONNECTIONS
        if pool.size < 1 or pool.size + sum(other.size for other in others) > most:
            raise Unprocessable(f"invalid size: all pools of a cluster of this size have {most} connections together")

    def _apply(self, action: Action) -> Settle:
        """Have PgBouncer offer what the records say, whichever change this is about."""
        cluster = self.jobs.cluster(action)
        found = self.store.database_pools.find("cluster = ?", cluster.id)
        pools = [Pool(each.name, each.database, each.mode, each.size, each.user) for each in found]
        server = self.nodes.server(self.nodes.primary(cluster.id))
        set_pools(server, pools, anew=action.args["before"] is not None)
        return lambda: None

    def _undo(self, action: Action) -> None:
        with self.store.transaction():
            self.store.database_pools.delete("id = ?", action.args["pool"])
            if action.args["before"]:
                self.store.database_pools.add(DatabasePool(**action.args["before"]))
