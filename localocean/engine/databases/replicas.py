"""Read-only replicas: machines of their own that follow a cluster's primary, until they are promoted or removed."""

from __future__ import annotations

import logging
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address

from localocean.engine.actions import Abandoned, Actions, Settle
from localocean.engine.catalogue import REGIONS
from localocean.engine.databases.catalogue import SIZES
from localocean.engine.databases.clusters import NAME, SHOWN, Clusters, check_size
from localocean.engine.databases.jobs import Jobs
from localocean.engine.databases.nodes import Nodes
from localocean.engine.errors import NotFound, Precondition, Unprocessable
from localocean.engine.tags import Tags
from localocean.host.errors import HostError
from localocean.host.postgres import copies
from localocean.store.records import (
    DATABASE,
    ERRORED,
    ONLINE,
    PRIMARY,
    REPLICA,
    RESIZING,
    Action,
    DatabaseCluster,
    DatabaseNode,
)
from localocean.store.store import Store

ROLE = "replicator_{}"
"""What a replica is called in its primary, by its number; nobody can make a user of such a name."""

FORKING, DOOMED = "forking", "doomed"
VISIBLE = f"cluster = ? AND role = '{REPLICA}' AND status NOT IN ('{DOOMED}', '{ERRORED}')"

log = logging.getLogger("localocean.databases")


class Replicas:
    """The replicas of clusters, by their names."""

    def __init__(
        self, store: Store, actions: Actions, clusters: Clusters, nodes: Nodes, jobs: Jobs, tags: Tags
    ) -> None:
        self.store = store
        self.actions = actions
        self.clusters = clusters
        self.nodes = nodes
        self.jobs = jobs
        self.tags = tags
        actions.jobs |= {
            "database_replica_create": self._create,
            "database_replica_destroy": self._destroy,
            "database_replica_promote": self._promote,
            "database_replica_resize": self._resize,
        }
        actions.undo |= {
            "database_replica_create": self._undo_create,
            "database_replica_resize": self._as_before,
        }

    def get(self, identifier: str, name: str) -> DatabaseNode:
        """Raises NotFound, and Unprocessable with the reason for one that could not be made."""
        cluster = self.clusters.record(identifier)
        found = self.store.database_nodes.first(f"{VISIBLE} AND name = ?", cluster.id, name)
        if found is None:
            self._raise_reason(cluster, name)
            raise NotFound
        return found

    def all(self, identifier: str) -> list[DatabaseNode]:
        return self.store.database_nodes.find(VISIBLE, self.clusters.record(identifier).id)

    def create(
        self,
        identifier: str,
        name: str,
        size: str = "",
        region: str = "",
        vpc: str | None = None,
        tags: Sequence[str] = (),
        storage: int = 0,
    ) -> DatabaseNode:
        """Begin a replica. Raises Unprocessable, and Precondition while its cluster is not online."""
        with self.store.transaction():
            cluster = self.clusters.online(identifier)
            size, region = size or cluster.size, region or cluster.region
            if not NAME.fullmatch(name):
                raise Unprocessable("invalid name: 2 to 63 lower-case letters, digits and dashes")
            _check_replica(cluster, size, storage)
            if region not in REGIONS:
                raise Unprocessable("invalid region")
            if self._taken(cluster, name):
                raise Unprocessable("replica name is not available")
            self._forget_failed(cluster, name)
            network = self.clusters.vpc(region, vpc or (cluster.vpc if region == cluster.region else None))
            storage = storage or max(cluster.storage_mib, SIZES[size].storage)
            node = self.nodes.add(cluster, size, region, network, role=REPLICA, name=name, storage=storage)
            self.store.database_nodes.update(node.id, status=FORKING)
            begun = self.nodes.record(node.id)
            self.tags.label(tags, DATABASE, node.uuid)
            action = self.clusters.begin("database_replica_create", cluster, node=node.id)
        self.actions.submit(action)
        return begun

    def find(self, identifier: str) -> DatabaseNode | None:
        """The replica with an id of its own."""
        where = f"uuid = ? AND role = '{REPLICA}' AND status NOT IN ('{DOOMED}', '{ERRORED}')"
        return self.store.database_nodes.first(where, identifier)

    def resize(self, node: DatabaseNode, size: str, nodes: int, storage: int) -> None:
        """Begin another size of a replica; an empty one, and 0 of the others, mean what there is.

        Raises NotFound, Unprocessable, Precondition, Unsupported.
        """
        with self.store.transaction():
            primary = self.store.database_clusters.get(node.cluster)
            cluster, node = self.clusters.online(primary.uuid if primary else ""), self.nodes.record(node.id)
            if node.status != ONLINE:
                raise Precondition(f"The replica is not ready: it is {node.status}.")
            wanted = size or node.size
            check_size(wanted, nodes or 1, storage)
            _check_replica(cluster, wanted, storage)
            if storage and storage < node.storage_mib:
                raise Unprocessable("storage_size_mib cannot be less than it is")
            self.store.database_nodes.update(node.id, status=RESIZING)
            storage = max(storage, node.storage_mib, SIZES[wanted].storage)
            args = {"node": node.id, "before": node.size, "size": wanted, "storage_mib": storage}
            action = self.clusters.begin("database_replica_resize", cluster, **args)
        self.actions.submit(action)

    def _resize(self, action: Action) -> Settle:
        """PostgreSQL's memory follows from the machine's, and a disk grows while it is off: both start anew."""
        cluster, node, storage = self.jobs.cluster(action), self._node(action), action.args["storage_mib"]
        if node.size != action.args["size"] or node.storage_mib != storage:
            self.store.database_nodes.update(node.id, size=action.args["size"])
            self.nodes.halt(node, clean=True)
        self.nodes.boot(self.nodes.record(node.id), storage)
        self.jobs.share_memory(cluster, self.nodes.record(node.id))
        changes = {"status": ONLINE, "storage_mib": action.args["storage_mib"]}
        return lambda: self.store.database_nodes.update(node.id, **changes)

    def _as_before(self, action: Action) -> None:
        """A change that failed has not happened; the watcher starts the machine again."""
        self.store.database_nodes.update(action.args["node"], status=ONLINE, size=action.args["before"])

    def delete(self, identifier: str, name: str) -> None:
        """Begin a replica's end; nobody sees it any more. Raises NotFound."""
        with self.store.transaction():
            cluster = self.clusters.record(identifier)
            where = f"cluster = ? AND role = '{REPLICA}' AND status != '{DOOMED}' AND name = ?"
            node = self.store.database_nodes.first(where, cluster.id, name)
            if node is None:
                raise NotFound
            self.store.database_nodes.update(node.id, status=DOOMED)
            self.tags.forget(DATABASE, node.uuid)
            action = self.clusters.begin("database_replica_destroy", cluster, node=node.id)
        self.actions.submit(action)

    def promote(self, identifier: str, name: str) -> None:
        """Make a replica a cluster of its own, with its name. Raises NotFound, Unprocessable, Precondition."""
        with self.store.transaction():
            cluster, node = self.clusters.online(identifier), self.get(identifier, name)
            if node.status != ONLINE:
                raise Unprocessable(f"The replica is not ready: it is {node.status}.")
            if self.store.database_clusters.first(f"name = ? AND {SHOWN}", name):
                raise Unprocessable("cluster name is not available")
            action = self.clusters.begin("database_replica_promote", cluster, node=node.id)
        self.actions.run(action)

    def _node(self, action: Action) -> DatabaseNode:
        node = self.nodes.record(action.args["node"])
        if node.status == DOOMED:
            raise Abandoned("The replica is being deleted.")
        return node

    def _create(self, action: Action) -> Settle:
        """Boot it as it comes, and have it copy the primary then.

        An attempt that was cut off may have left a machine whose server is stopped and has half a copy: it goes first.
        """
        cluster, node = self.jobs.cluster(action), self._node(action)
        primary = self.nodes.primary(cluster.id)
        self.nodes.dismantle(node.id)
        server = self.nodes.boot(node)
        password = secrets.token_urlsafe(24)
        copies.admit(self.nodes.server(primary), ROLE.format(node.id), password)
        address = primary.private_address if primary.vpc == node.vpc else primary.public_address
        copies.follow(server, IPv4Address(address), ROLE.format(node.id), password)
        self._node(action)
        return lambda: self.store.database_nodes.update(node.id, status=ONLINE)

    def _undo_create(self, action: Action) -> None:
        self._remove(action)
        self.store.database_nodes.update(action.args["node"], status=ERRORED)

    def _destroy(self, action: Action) -> Settle:
        self._remove(action)
        return lambda: self.nodes.forget(action.args["node"])

    def _remove(self, action: Action) -> None:
        """The machine, and what its primary keeps for it; a primary that is away forgets it with its own end."""
        self.nodes.dismantle(action.args["node"])
        try:
            primary = self.nodes.server(self.nodes.primary(action.resource_id))
            copies.dismiss(primary, ROLE.format(action.args["node"]))
        except (HostError, Abandoned) as error:
            log.warning("the primary of replica %d does not forget it: %s", action.args["node"], error)

    def _promote(self, action: Action) -> Settle:
        cluster, node = self.jobs.cluster(action), self._node(action)
        copies.promote(self.nodes.server(node))
        copies.dismiss(self.nodes.server(self.nodes.primary(cluster.id)), ROLE.format(node.id))
        return lambda: self._record_promotion(cluster, node)

    def _record_promotion(self, cluster: DatabaseCluster, node: DatabaseNode) -> None:
        """The new cluster has the replica's uuid, and the users, databases and trusted sources of the old one."""
        promoted = self.store.database_clusters.add(
            DatabaseCluster(
                uuid=node.uuid,
                name=node.name,
                version=cluster.version,
                status=ONLINE,
                size=node.size,
                region=node.region,
                vpc=node.vpc,
                storage_mib=node.storage_mib or max(cluster.storage_mib, SIZES[node.size].storage),
                maintenance_day=cluster.maintenance_day,
                maintenance_hour=cluster.maintenance_hour,
                config=cluster.config,
            )
        )
        for user in self.store.database_users.find("cluster = ?", cluster.id):
            self.store.database_users.add(replace(user, id=0, cluster=promoted.id))
        for each in self.store.database_names.find("cluster = ?", cluster.id):
            self.store.database_names.add(replace(each, id=0, cluster=promoted.id))
        for rule in self.store.database_rules.find("cluster = ?", cluster.id):
            self.store.database_rules.add(replace(rule, id=0, cluster=promoted.id, uuid=str(uuid.uuid4())))
        self.store.database_nodes.update(node.id, cluster=promoted.id, role=PRIMARY)

    def _taken(self, cluster: DatabaseCluster, name: str) -> bool:
        return self.store.database_nodes.first(f"{VISIBLE} AND name = ?", cluster.id, name) is not None

    def _failed(self, cluster: DatabaseCluster, name: str) -> DatabaseNode | None:
        where = "cluster = ? AND role = ? AND name = ? AND status = ?"
        return self.store.database_nodes.first(where, cluster.id, REPLICA, name, ERRORED)

    def _forget_failed(self, cluster: DatabaseCluster, name: str) -> None:
        if failed := self._failed(cluster, name):
            self.store.database_nodes.delete("id = ?", failed.id)

    def _raise_reason(self, cluster: DatabaseCluster, name: str) -> None:
        if failed := self._failed(cluster, name):
            found = self.store.actions.find(
                "type = 'database_replica_create' AND resource_id = ? AND status = ?", cluster.id, ERRORED, newest=True
            )
            reason = next((each.reason for each in found if each.args["node"] == failed.id), "it is not known why.")
            raise Unprocessable(f"The replica could not be created: {reason}")


def _check_replica(cluster: DatabaseCluster, size: str, storage: int) -> None:
    """Raises Unprocessable for a replica that could not hold what its cluster can."""
    if size not in SIZES or SIZES[size].memory < SIZES[cluster.size].memory:
        raise Unprocessable("invalid size: a replica is at least as large as its cluster")
    if storage and not cluster.storage_mib <= storage <= SIZES[size].most_storage:
        raise Unprocessable(f"invalid storage_size_mib: {cluster.storage_mib} to {SIZES[size].most_storage}")
