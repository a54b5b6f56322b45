"""The machines of database clusters: made, booted, found and removed."""

from __future__ import annotations

import uuid
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from localocean.config import Config
from localocean.engine.actions import Abandoned
from localocean.engine.addresses import choose, holders
from localocean.engine.bases import Bases
from localocean.engine.databases.catalogue import SIZES
from localocean.engine.databases.numbers import number
from localocean.engine.databases.readers import reader
from localocean.engine.databases.trusted import Trusted
from localocean.engine.faults import NETWORK, Faults
from localocean.engine.machinery import Machinery
from localocean.engine.vpcs import Vpcs
from localocean.host.machines import MachineSpec
from localocean.host.postgres import metrics
from localocean.host.postgres.seed import ServerSpec, write_server
from localocean.host.postgres.server import Postgres
from localocean.storage.bases import POSTGRES
from localocean.store.records import PRIMARY, REPLICA, DatabaseCluster, DatabaseNode, Vpc
from localocean.store.store import Store

HOSTNAME_LENGTH = 63
SYSTEM_MIB = 1024
"""Beside the storage that is ordered: what the machine itself writes."""


class Nodes:
    """What happens to one machine. Raises HostError; every method can be repeated."""

    def __init__(
        self,
        config: Config,
        store: Store,
        machinery: Machinery,
        bases: Bases,
        vpcs: Vpcs,
        trusted: Trusted,
        faults: Faults,
    ) -> None:
        self.config = config
        self.store = store
        self.disks = machinery.disks
        self.machines = machinery.machines
        self.network = machinery.network
        self.authority = machinery.authority
        self.postgres = machinery.postgres
        self.bases = bases
        self.vpcs = vpcs
        self.trusted = trusted
        self.faults = faults

    def add(
        self,
        cluster: DatabaseCluster,
        size: str,
        region: str,
        vpc: Vpc,
        *,
        role: str = PRIMARY,
        name: str = "",
        storage: int = 0,
    ) -> DatabaseNode:
        """Record a machine with addresses of its own; to be called in a transaction. Raises Unprocessable."""
        node = self.store.database_nodes.add(
            DatabaseNode(
                cluster=cluster.id,
                uuid=str(uuid.uuid4()),
                name=name or cluster.name,
                role=role,
                size=size,
                region=region,
                vpc=vpc.uuid,
                storage_mib=storage,
            )
        )
        others = holders(self.store)
        public = choose(self.config.public_addresses(), (each.public_address for each in others), node.id - 1)
        private = choose(self.vpcs.addresses(vpc), (each.private_address for each in others), node.id - 1)
        self.store.database_nodes.update(node.id, public_address=public, private_address=private)
        return self.record(node.id)

    def move(self, node: DatabaseNode, region: str, vpc: str) -> None:
        """Record another private network for a machine that is off, and its address there. Raises Unprocessable."""
        with self.store.transaction():
            network = self.vpcs.get(vpc)
            used = (each.private_address for each in holders(self.store))
            private = choose(self.vpcs.addresses(network), used, node.id - 1)
            self.store.database_nodes.update(node.id, region=region, vpc=vpc, private_address=private)

    def record(self, node_id: int) -> DatabaseNode:
        """Raises Abandoned when the machine is gone."""
        node = self.store.database_nodes.get(node_id)
        if node is None:
            raise Abandoned(f"The database machine {node_id} no longer exists.")
        return node

    def of(self, cluster_id: int) -> list[DatabaseNode]:
        """The machines of a cluster, its primary first."""
        return self.store.database_nodes.find("cluster = ?", cluster_id)

    def primary(self, cluster_id: int) -> DatabaseNode:
        """Raises Abandoned when the cluster is gone."""
        node = self.store.database_nodes.first("cluster = ? AND role = ?", cluster_id, PRIMARY)
        if node is None:
            raise Abandoned("The database cluster no longer exists.")
        return node

    def boot(self, node: DatabaseNode, storage_mib: int = 0) -> Postgres:
        """Start the machine on its disk, which is made when it is not there; its server, as soon as it answers.

        With a storage the disk becomes as large, if the machine is off.
        """
        self.trusted.refresh()
        root = self.mount(node, storage_mib)
        if not self.is_running(node):
            write_server(root, self._server_spec(node))
        self._mute(node)
        self.machines.start(self._spec(node, root))
        self._mute(node)
        server = self.server(node)
        server.wait_ready()
        return server

    def mount(self, node: DatabaseNode, storage_mib: int = 0) -> Path:
        """Have the machine's disk mounted, made if need be; its root."""
        if not node.base_path:
            node = self._with_base(node)
        wanted = max(storage_mib, self._storage_mib(node)) + SYSTEM_MIB
        return self.disks.mount(number(node.id), [Path(node.base_path)], wanted / 1024)

    def halt(self, node: DatabaseNode, *, clean: bool) -> None:
        """Stop the machine, by force when it does not go by itself, and let go of its disk."""
        self.disks.release(number(node.id))
        if not (clean and self.machines.shutdown(number(node.id))):
            self.machines.kill(number(node.id))
        self.disks.unmount(number(node.id))

    def dismantle(self, node_id: int) -> None:
        """Leave nothing of the machine; its record stays."""
        self.disks.release(number(node_id))
        self.machines.kill(number(node_id))
        self.disks.delete(number(node_id))
        self.machines.forget(number(node_id))

    def forget(self, node_id: int) -> None:
        """The machine is gone, and its addresses are free."""
        self.store.database_nodes.delete("id = ?", node_id)
        self.trusted.refresh()

    def _storage_mib(self, node: DatabaseNode) -> int:
        """The storage of a machine, which is its cluster's or its own as a replica."""
        cluster = self.store.database_clusters.get(node.cluster) if node.role == PRIMARY else None
        kept = cluster.storage_mib if cluster else node.storage_mib
        return max(kept, SIZES[node.size].storage)

    def is_running(self, node: DatabaseNode) -> bool:
        return self.machines.is_running(number(node.id))

    def unit(self, node: DatabaseNode) -> str:
        """The name of the machine's control group."""
        return f"{self.config.unit_prefix}{number(node.id)}"

    def server(self, node: DatabaseNode) -> Postgres:
        """The PostgreSQL in the machine."""
        return self.postgres(self.unit(node))

    def mute(self, node: DatabaseNode, muted: bool = True) -> None:
        """Let nothing through the machine's interfaces, or everything again."""
        self.network.mute(self.config.interfaces(number(node.id)), muted)

    def _mute(self, node: DatabaseNode) -> None:
        cluster = self.store.database_clusters.get(node.cluster)
        if cluster and self.faults.holds(NETWORK, database_id=cluster.uuid):
            self.mute(node)

    def _with_base(self, node: DatabaseNode) -> DatabaseNode:
        base = self.bases.wait(POSTGRES)
        self.record(node.id)
        self.store.database_nodes.update(node.id, base_path=str(base))
        return self.record(node.id)

    def _spec(self, node: DatabaseNode, root: Path) -> MachineSpec:
        size = SIZES[node.size]
        return MachineSpec(
            droplet_id=number(node.id),
            hostname=_hostname(node),
            root=root,
            memory_mb=size.memory,
            vcpus=size.vcpus,
            public_address=IPv4Address(node.public_address),
            private_address=IPv4Address(node.private_address),
            vpc_bridge=self.vpcs.ready(self.vpcs.of(node)),
            vpc_range=IPv4Network(self.vpcs.of(node).ip_range),
        )

    def _server_spec(self, node: DatabaseNode) -> ServerSpec:
        public, private = IPv4Address(node.public_address), IPv4Address(node.private_address)
        allowed = reader(self.store)
        return ServerSpec(
            public_address=public,
            public_network=self.config.public_network,
            gateway=self.config.gateway,
            private_address=private,
            private_network=IPv4Network(self.vpcs.of(node).ip_range),
            memory_mb=SIZES[node.size].memory,
            identity=self.authority.issue(_hostname(node), [public, private]),
            metrics=metrics.settings(allowed.username, allowed.password),
            standby=node.role == REPLICA,
        )


def _hostname(node: DatabaseNode) -> str:
    return node.name[:HOSTNAME_LENGTH].rstrip("-")
