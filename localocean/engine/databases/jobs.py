"""What happens to a cluster's machines: one job per action, each safe to be done again after a crash."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from localocean.engine.actions import Abandoned, Actions, Settle
from localocean.engine.apart import attempt
from localocean.engine.databases import settings
from localocean.engine.databases.backups import Backups
from localocean.engine.databases.catalogue import SIZES
from localocean.engine.databases.nodes import Nodes
from localocean.store.records import DATABASE, ERRORED, ONLINE, REPLICA, Action, DatabaseCluster, DatabaseNode
from localocean.store.store import Store

AGAIN_SECONDS = 10.0
"""Between two attempts to restart a machine that does not start."""

log = logging.getLogger("localocean.databases")


class Jobs:
    """The jobs of clusters, and the care for machines that died. Raises HostError."""

    def __init__(self, store: Store, actions: Actions, nodes: Nodes, backups: Backups) -> None:
        self.store = store
        self.actions = actions
        self.nodes = nodes
        self.backups = backups
        self._tried: dict[int, float] = {}
        actions.jobs |= {
            "database_create": self._create,
            "database_destroy": self._destroy,
            "database_boot": self._boot,
            "database_resize": self._resize,
            "database_migrate": self._migrate,
            "database_configure": self._configure,
        }
        actions.undo |= {
            "database_create": self._undo_create,
            "database_resize": self._as_before,
            "database_migrate": self._as_before,
        }

    def cluster(self, action: Action) -> DatabaseCluster:
        """The cluster that an action is about. Raises Abandoned when it goes or is gone."""
        cluster = self.store.database_clusters.get(action.resource_id)
        if cluster is None or cluster.doomed:
            raise Abandoned("The database cluster is being deleted.")
        return cluster

    def revive(self) -> None:
        """Begin to start again whatever machine ought to run and does not."""
        for cluster in self.store.database_clusters.find("NOT doomed AND status = ?", ONLINE):
            for node in self.store.database_nodes.find("cluster = ? AND status = ?", cluster.id, ONLINE):
                attempt(f"database {cluster.name}", partial(self._revive, cluster, node))

    def _revive(self, cluster: DatabaseCluster, node: DatabaseNode) -> None:
        if self.nodes.is_running(node) or not self._due(node) or self.nodes.machines.host_goes_down():
            return
        with self.store.transaction():
            if self.actions.paused or self.actions.pending(DATABASE, cluster.id):
                return
            action = self.actions.begin("database_boot", DATABASE, cluster.id, cluster.region, {"node": node.id})
        self._tried[node.id] = time.monotonic()
        log.info("database %s: its machine does not run, and is started", cluster.name)
        self.actions.submit(action)

    def _due(self, node: DatabaseNode) -> bool:
        return time.monotonic() - self._tried.get(node.id, -AGAIN_SECONDS) >= AGAIN_SECONDS

    def _create(self, action: Action) -> Settle:
        cluster = self.cluster(action)
        node, source = self.nodes.primary(cluster.id), action.args.get("source")
        if source:  # an attempt that was cut off may have left half a copy, and the server of it stopped
            self.nodes.dismantle(node.id)
        server = self.nodes.boot(node)
        self.cluster(action)
        if source:
            self.backups.restore(cluster, server, source)
        for user in self.store.database_users.find("cluster = ?", cluster.id):
            server.create_user(user.name, user.password)
        for each in self.store.database_names.find("cluster = ?", cluster.id):
            server.create_database(each.name)
        return lambda: self._settled(cluster, node)

    def _undo_create(self, action: Action) -> None:
        """What could not be made is gone but for the memory of why, so that whoever waits for it hears that."""
        self._remove_machines(action.resource_id)
        cluster = self.store.database_clusters.get(action.resource_id)
        if cluster and not cluster.doomed:
            self.store.database_clusters.update(action.resource_id, status=ERRORED)

    def _destroy(self, action: Action) -> Settle:
        if cluster := self.store.database_clusters.get(action.resource_id):
            self.backups.before(cluster, "end")
        self._remove_machines(action.resource_id)
        return lambda: self._forget(action.resource_id)

    def _remove_machines(self, cluster_id: int) -> None:
        for node in self.nodes.of(cluster_id):
            self.nodes.dismantle(node.id)
            self.nodes.forget(node.id)

    def _forget(self, cluster_id: int) -> None:
        store = self.store
        for table in (store.database_users, store.database_names, store.database_rules, store.database_pools):
            table.delete("cluster = ?", cluster_id)
        self.store.database_clusters.delete("id = ?", cluster_id)

    def _boot(self, action: Action) -> Settle:
        self.cluster(action)
        node = self.nodes.record(action.args["node"])
        if not self.nodes.is_running(node):
            self.nodes.halt(node, clean=False)
        self.nodes.boot(node)
        return lambda: self._tried.pop(node.id, None)

    def _resize(self, action: Action) -> Settle:
        """PostgreSQL's memory follows from the machine's, and a disk grows while it is off: both start anew."""
        cluster = self.cluster(action)
        node, storage = self.nodes.primary(cluster.id), action.args["storage_mib"]
        if node.size != action.args["size"] or cluster.storage_mib != storage:
            self.store.database_nodes.update(node.id, size=action.args["size"])
            self.nodes.halt(node, clean=True)
        self.nodes.boot(self.nodes.record(node.id), storage)
        self.share_memory(cluster, self.nodes.record(node.id))
        return lambda: self.store.database_clusters.update(cluster.id, status=ONLINE, **action.args)

    def _migrate(self, action: Action) -> Settle:
        """All regions are this machine: the cluster gets into another private network, and its data stay."""
        cluster = self.cluster(action)
        node = self.nodes.primary(cluster.id)
        if node.vpc != action.args["vpc"]:
            self.nodes.halt(node, clean=True)
            self.nodes.move(node, action.args["region"], action.args["vpc"])
        self.nodes.boot(self.nodes.record(node.id))
        return lambda: self.store.database_clusters.update(cluster.id, status=ONLINE, **action.args)

    def _configure(self, action: Action) -> Settle:
        cluster = self.cluster(action)
        changes, before = action.args["config"], settings.effective(cluster)
        for node in self.nodes.of(cluster.id):  # standbys first, which must have as much as their primary
            if node.role == REPLICA and node.status == ONLINE:
                self.follow(node, settings.for_standby(changes, before))
        self.follow(self.nodes.primary(cluster.id), changes)
        return lambda: self.store.database_clusters.update(cluster.id, config={**cluster.config, **changes})

    def share_memory(self, cluster: DatabaseCluster, node: DatabaseNode) -> None:
        """Have PostgreSQL take the share of a resized machine's memory that somebody chose."""
        if settings.SHARE in cluster.config:
            self.follow(node, {settings.SHARE: cluster.config[settings.SHARE]})

    def follow(self, node: DatabaseNode, options: Mapping[str, Any]) -> None:
        """Have the server in a machine follow options; those that need it restart it, which ends its connections."""
        server = self.nodes.server(node)
        server.sql(settings.statements(options, SIZES[node.size].memory))
        server.restart_if_pending()

    def _as_before(self, action: Action) -> None:
        """A change that failed has not happened; a machine that was stopped for it is started again by the watcher."""
        cluster = self.store.database_clusters.get(action.resource_id)
        if cluster:
            node = self.nodes.primary(cluster.id)
            self.store.database_nodes.update(node.id, size=cluster.size)
            if node.vpc != cluster.vpc:
                self.nodes.move(node, cluster.region, cluster.vpc)
            self.store.database_clusters.update(cluster.id, status=ONLINE)

    def _settled(self, cluster: DatabaseCluster, node: DatabaseNode) -> None:
        self.store.database_nodes.update(node.id, status=ONLINE)
        self.store.database_clusters.update(cluster.id, status=ONLINE)
