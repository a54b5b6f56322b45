"""Database clusters as the caller sees them: ordering, looking, changing, deleting."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from localocean.config import Config
from localocean.engine.actions import Actions
from localocean.engine.bases import Bases
from localocean.engine.catalogue import REGIONS
from localocean.engine.databases import settings
from localocean.engine.databases.backups import Backups
from localocean.engine.databases.catalogue import (
    ADMIN,
    DEFAULT_DATABASE,
    ENGINE,
    OTHER_ENGINES,
    SIZES,
    VERSION,
    DatabaseSize,
)
from localocean.engine.databases.nodes import Nodes
from localocean.engine.databases.trusted import Trusted
from localocean.engine.errors import NotFound, Precondition, Unprocessable, Unsupported
from localocean.engine.kinds import CLUSTERS
from localocean.engine.projects import Projects
from localocean.engine.tags import Tags
from localocean.engine.vpcs import Vpcs
from localocean.host.postgres.server import text
from localocean.storage.bases import POSTGRES
from localocean.store.records import (
    DATABASE,
    ERRORED,
    MIGRATING,
    ONLINE,
    PRIMARY,
    RESIZING,
    Action,
    DatabaseCluster,
    DatabaseName,
    DatabaseNode,
    DatabaseUser,
    Listing,
    Page,
    Vpc,
)
from localocean.store.store import Store

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,61}[a-z0-9]")
SHOWN = f"NOT doomed AND status != '{ERRORED}'"
TAGGED = (
    "uuid IN (SELECT resource_id FROM taggings JOIN tags ON tags.id = tag_id"
    " WHERE resource_type = 'database' AND tags.name = ? COLLATE NOCASE)"
)

# What DigitalOcean calls them.
EVENTS = {
    "database_create": "cluster_create",
    "database_resize": "cluster_update",
    "database_migrate": "cluster_update",
    "database_configure": "cluster_update",
    "database_boot": "cluster_poweron",
}


@dataclass(frozen=True)
class ClusterOrder:
    """What a caller asks for; storage is in MiB, 0 for what the size has."""

    name: str
    engine: str
    version: str
    size: str
    region: str
    nodes: int
    storage: int = 0
    vpc: str | None = None
    project: str | None = None
    tags: Sequence[str] = ()
    rules: Sequence[tuple[str, str]] = ()
    restore: tuple[str, str | None] | None = None
    """The name of a cluster, and the time of a backup of it; without one, as it is."""

    autoscale: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ClusterView:
    """A cluster with all that is shown of it."""

    cluster: DatabaseCluster
    node: DatabaseNode
    users: list[DatabaseUser]
    names: list[DatabaseName]
    vpc: str
    project: str
    tags: list[str] = field(default_factory=list)

    @property
    def admin(self) -> DatabaseUser:
        return next(user for user in self.users if user.role == PRIMARY)


class Clusters:
    """The records; what happens on the machines is the jobs'."""

    def __init__(
        self,
        config: Config,
        store: Store,
        actions: Actions,
        bases: Bases,
        nodes: Nodes,
        trusted: Trusted,
        tags: Tags,
        vpcs: Vpcs,
        projects: Projects,
        backups: Backups,
    ) -> None:
        self.config = config
        self.store = store
        self.actions = actions
        self.bases = bases
        self.nodes = nodes
        self.trusted = trusted
        self.tags = tags
        self.vpcs = vpcs
        self.projects = projects
        self.backups = backups

    def create(self, order: ClusterOrder) -> ClusterView:
        """Record a cluster and begin making it. Raises Unprocessable, and Unsupported for what is not PostgreSQL."""
        self._check(order)
        with self.store.transaction():
            if self.store.database_clusters.first(f"name = ? AND {SHOWN}", order.name):
                raise Unprocessable("cluster name is not available")
            vpc = self.vpc(order.region, order.vpc)
            cluster = self.store.database_clusters.add(
                DatabaseCluster(
                    uuid=str(uuid.uuid4()),
                    name=order.name,
                    version=order.version,
                    size=order.size,
                    region=order.region,
                    vpc=vpc.uuid,
                    storage_mib=order.storage or SIZES[order.size].storage,
                    maintenance_day=settings.DAY,
                    maintenance_hour=settings.HOUR,
                    autoscale=dict(order.autoscale),
                )
            )
            self.nodes.add(cluster, order.size, order.region, vpc)
            self.store.database_users.add(
                DatabaseUser(cluster=cluster.id, name=ADMIN, role=PRIMARY, password=settings.password())
            )
            self.store.database_names.add(DatabaseName(cluster=cluster.id, name=DEFAULT_DATABASE))
            self.trusted.replace(cluster.id, order.rules)
            self.tags.label(order.tags, DATABASE, cluster.uuid)
            if order.project:
                self.projects.file(urn(cluster), order.project)
            args = {"source": self.backups.choose(*order.restore)} if order.restore else {}
            action = self.actions.begin("database_create", DATABASE, cluster.id, cluster.region, args)
            begun = self.get(cluster.uuid)
        self.bases.prepare(POSTGRES)
        self.actions.submit(action)
        return begun

    def get(self, identifier: str) -> ClusterView:
        """Raises NotFound, and Unprocessable with the reason for a cluster that could not be made."""
        return self.views([self.record(identifier)])[0]

    def record(self, identifier: str) -> DatabaseCluster:
        cluster = self.store.database_clusters.first("uuid = ? AND NOT doomed", identifier)
        if cluster is None:
            raise NotFound
        if cluster.status == ERRORED:
            raise Unprocessable(f"The database cluster could not be created: {self._reason(cluster)}")
        return cluster

    def online(self, identifier: str, *during: str) -> DatabaseCluster:
        """A cluster that can be asked for something now. Raises Precondition while it cannot."""
        cluster = self.record(identifier)
        if cluster.status not in (ONLINE, *during):
            raise Precondition(f"The database cluster is not ready: it is {cluster.status}.")
        return cluster

    def page(self, page: Page, tag_name: str | None = None) -> Listing[ClusterView]:
        where, values = (f"{SHOWN} AND {TAGGED}", [tag_name]) if tag_name else (SHOWN, [])
        listing = self.store.database_clusters.page(page, where, *values)
        return Listing(self.views(listing.items), listing.total)

    def views(self, clusters: Sequence[DatabaseCluster]) -> list[ClusterView]:
        with self.store.transaction():
            tags = self.tags.of(DATABASE, [cluster.uuid for cluster in clusters])
            return [
                ClusterView(
                    cluster=cluster,
                    node=self.nodes.primary(cluster.id),
                    users=self.store.database_users.find("cluster = ?", cluster.id),
                    names=self.store.database_names.find("cluster = ?", cluster.id),
                    vpc=cluster.vpc,
                    project=self.projects.of(urn(cluster)),
                    tags=tags[cluster.uuid],
                )
                for cluster in clusters
            ]

    def begin(self, type: str, cluster: DatabaseCluster, **args: Any) -> Action:
        """Record an action on a cluster, whatever else is under way there; as :meth:`Actions.begin` does."""
        return self.actions.begin(type, DATABASE, cluster.id, cluster.region, args, force=True)

    def delete(self, identifier: str) -> None:
        """Begin the end; nobody sees the cluster any more. Raises NotFound."""
        with self.store.transaction():
            cluster = self.store.database_clusters.first("uuid = ? AND NOT doomed", identifier)
            if cluster is None:
                raise NotFound
            self.store.database_clusters.update(cluster.id, doomed=True)
            self.tags.forget(DATABASE, cluster.uuid)
            self.store.memberships.delete("urn = ?", urn(cluster))
            action = self.begin("database_destroy", cluster)
        self.actions.submit(action)

    def resize(self, identifier: str, size: str, nodes: int, storage: int) -> None:
        """Begin another size; an empty one, and 0 of the others, mean what there is."""
        with self.store.transaction():
            cluster = self.online(identifier)
            wanted = size or cluster.size
            check_size(wanted, nodes or 1, storage)
            least = max(cluster.storage_mib, SIZES[wanted].storage)
            if storage and storage < cluster.storage_mib:
                raise Unprocessable("storage_size_mib cannot be less than it is")
            if SIZES[wanted].most_storage < cluster.storage_mib:
                raise Unprocessable("size: the storage of the cluster is more than this size can have")
            self.store.database_clusters.update(cluster.id, status=RESIZING)
            action = self.begin("database_resize", cluster, size=wanted, storage_mib=max(storage, least))
        self.actions.submit(action)

    def migrate(self, identifier: str, region: str, vpc: str | None) -> None:
        """Begin a move to another region."""
        with self.store.transaction():
            cluster = self.online(identifier)
            _check_region(region)
            chosen = self.vpc(region, vpc)
            self.store.database_clusters.update(cluster.id, status=MIGRATING)
            action = self.begin("database_migrate", cluster, region=region, vpc=chosen.uuid)
        self.actions.submit(action)

    def configure(self, identifier: str, values: object) -> None:
        """Have the server follow options, now. Raises Unprocessable, Precondition, HostError."""
        checked = settings.config(values)
        self._check_zone(self.online(identifier), checked.get("timezone"))
        with self.store.transaction():
            action = self.begin("database_configure", self.online(identifier), config=checked)
        self.actions.run(action)

    def _check_zone(self, cluster: DatabaseCluster, zone: str | None) -> None:
        """Raises Unprocessable for a time zone that the server does not know."""
        known = f"SELECT 1 FROM pg_timezone_names WHERE name = {text(zone or '')}"
        if zone and not self.nodes.server(self.nodes.primary(cluster.id)).sql(known):
            raise Unprocessable(f"invalid timezone: {zone!r}")

    def upgrade(self, identifier: str, version: str) -> None:
        """Another version by name; what runs is the one that there is. Raises Unprocessable, Precondition."""
        with self.store.transaction():
            cluster = self.online(identifier)
            offered = sorted(versions(self.config), key=lambda each: [int(part) for part in each.split("-")])
            if version not in offered or offered.index(version) <= offered.index(cluster.version):
                raise Unprocessable(
                    f"invalid version: the cluster has {cluster.version}, and there is {', '.join(offered)}"
                )
            self.store.database_clusters.update(cluster.id, version=version)

    def events(self, identifier: str, page: Page) -> Listing[Action]:
        """What was done to a cluster, newest first."""
        cluster = self.record(identifier)
        kinds = ", ".join(f"'{kind}'" for kind in EVENTS)
        where = f"resource_type = ? AND resource_id = ? AND type IN ({kinds})"
        return self.store.actions.page(page, where, DATABASE, cluster.id, newest=True)

    def update(self, identifier: str, **changes: Any) -> DatabaseCluster:
        """Change what only the record has."""
        with self.store.transaction():
            cluster = self.record(identifier)
            self.store.database_clusters.update(cluster.id, **changes)
        return self.record(identifier)

    def trust(self, identifier: str, rules: Sequence[tuple[str, str]]) -> None:
        """Make these (type, value) pairs the trusted sources, at once."""
        with self.store.transaction():
            self.trusted.replace(self.record(identifier).id, rules)
        self.trusted.refresh()

    def _check(self, order: ClusterOrder) -> None:
        if order.engine in OTHER_ENGINES:
            raise Unsupported(f"The local cloud does not implement databases of the engine {order.engine}.")
        if order.engine != ENGINE:
            raise Unprocessable(f"invalid engine: {order.engine!r}")
        if order.version not in versions(self.config):
            raise Unprocessable(f"invalid version: the local cloud has PostgreSQL {', '.join(versions(self.config))}")
        if not NAME.fullmatch(order.name):
            raise Unprocessable("invalid name: 2 to 63 lower-case letters, digits and dashes, no dash at either end")
        _check_region(order.region)
        check_size(order.size, order.nodes, order.storage)

    def vpc(self, region: str, identifier: str | None) -> Vpc:
        """The private network that is asked for, or the region's own. Raises Unprocessable."""
        try:
            return self.vpcs.choose(region, identifier)
        except Unprocessable:
            raise Unprocessable("invalid private_network_uuid") from None

    def _reason(self, cluster: DatabaseCluster) -> str:
        where = "resource_type = ? AND resource_id = ? AND status = ?"
        failed: list[Action] = self.store.actions.find(where, DATABASE, cluster.id, ERRORED, newest=True)
        return failed[0].reason if failed else "it is not known why."


def versions(config: Config) -> Mapping[str, str]:
    """The versions that can be ordered, each with the one that runs then."""
    return {VERSION: VERSION, **config.database_versions}


def urn(cluster: DatabaseCluster) -> str:
    return CLUSTERS.urn_of(cluster.uuid)


def _check_region(region: str) -> None:
    if region not in REGIONS:
        raise Unprocessable("invalid region")


def check_size(slug: str, nodes: int, storage: int) -> DatabaseSize:
    """The size of that name. Raises Unprocessable, and Unsupported for more than one node."""
    size = SIZES.get(slug)
    if size is None:
        raise Unprocessable("invalid size")
    if nodes < 1 or nodes > 3:
        raise Unprocessable("invalid num_nodes: 1 to 3")
    if nodes > 1:
        raise Unsupported("The local cloud does not implement database clusters of more than one node.")
    if storage and not size.storage <= storage <= size.most_storage:
        raise Unprocessable(f"invalid storage_size_mib: {size.storage} to {size.most_storage} with {slug}")
    return size
