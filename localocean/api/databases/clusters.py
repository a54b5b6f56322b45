"""/v2/databases: clusters of managed PostgreSQL, and what can be changed of one."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import WithJsonSchema

from localocean.api.bodies import Body, Checked, Number, Word
from localocean.api.http import NOTHING, Call, Reply, listing
from localocean.api.operations import PAGE, Operation, Row, gone, listed, made, shown
from localocean.api.schemas import ANYTHING, TEXT, object_of, page, text
from localocean.engine.catalogue import REGIONS
from localocean.engine.databases import settings
from localocean.engine.databases.catalogue import DEFAULT_DATABASE, END_OF_LIFE, ENGINE, METRICS_PORT, PORT, SIZES
from localocean.engine.databases.clusters import EVENTS, ClusterOrder, ClusterView, versions
from localocean.store.records import CREATING, Action, DatabaseCluster, DatabaseUser


def connection(address: str, user: DatabaseUser, database: str = DEFAULT_DATABASE, port: int = PORT) -> dict[str, Any]:
    """How to get in; the address is the host, since nothing here has a name."""
    return {
        "protocol": "postgresql",
        "uri": f"postgresql://{user.name}:{quote(user.password)}@{address}:{port}/{database}?sslmode=require",
        "database": database,
        "host": address,
        "port": port,
        "user": user.name,
        "password": user.password,
        "ssl": True,
    }


def render(view: ClusterView) -> dict[str, Any]:
    cluster, made = view.cluster, view.cluster.status != CREATING
    return {
        "id": cluster.uuid,
        "name": cluster.name,
        "engine": ENGINE,
        "version": cluster.version,
        "semantic_version": cluster.version,
        "num_nodes": 1,
        "size": cluster.size,
        "region": cluster.region,
        "status": cluster.status,
        "created_at": cluster.created_at,
        "db_names": [name.name for name in view.names] if made else None,
        "users": [user(each) for each in view.users] if made else None,
        "connection": connection(view.node.public_address, view.admin),
        "private_connection": connection(view.node.private_address, view.admin),
        "maintenance_window": {
            "day": cluster.maintenance_day,
            "hour": cluster.maintenance_hour,
            "pending": False,
            "description": [],
        },
        "tags": view.tags,
        "private_network_uuid": view.vpc,
        "project_id": view.project,
        "storage_size_mib": cluster.storage_mib,
        "metrics_endpoints": [{"host": view.node.public_address, "port": METRICS_PORT}],
        **({"autoscale": cluster.autoscale} if cluster.autoscale else {}),
        "version_end_of_life": END_OF_LIFE,
        "version_end_of_availability": END_OF_LIFE,
    }


def user(record: DatabaseUser) -> dict[str, Any]:
    return {"name": record.name, "role": record.role, "password": record.password}


def index(call: Call) -> Reply:
    return listing(call, "databases", call.cloud.databases.page(call.page, call.query.get("tag_name")), render)


class Rule(Body):
    NEEDED = ("type", "value")
    type: Annotated[str, WithJsonSchema(text("ip_addr", "droplet", "tag", "k8s", "app"))] = ""
    value: Word = ""


class Backup(Body):
    """The cluster whose backup becomes another, and the moment of it; by default the latest."""

    database_name: str
    backup_created_at: str | None = None


class NewCluster(Body):
    NEEDED = ("name", "engine", "size", "region", "num_nodes")
    name: str = ""
    engine: str = ""
    version: str = ""
    size: str = ""
    region: str = ""
    num_nodes: Number = 0
    storage_size_mib: Number = 0
    private_network_uuid: str = ""
    project_id: str = ""
    tags: list[Word] = []
    rules: list[Rule] = []
    backup_restore: Backup | None = None
    autoscale: Checked = None


class ClusterSize(Body):
    size: str = ""
    num_nodes: Number = 0
    storage_size_mib: Number = 0


class ClusterPlace(Body):
    region: str = ""
    private_network_uuid: str = ""


class PostgresVersion(Body):
    version: str = ""


def create(call: Call, body: NewCluster) -> Reply:
    restore = body.backup_restore
    order = ClusterOrder(
        name=body.name,
        engine=body.engine,
        version=body.version or next(iter(versions(call.cloud.config))),
        size=body.size,
        region=body.region,
        nodes=body.num_nodes,
        storage=body.storage_size_mib,
        vpc=body.private_network_uuid or None,
        project=body.project_id or None,
        tags=body.tags,
        rules=pairs(body.rules),
        restore=(restore.database_name, restore.backup_created_at or None) if restore else None,
        autoscale=settings.autoscale(body.autoscale) if body.autoscale else {},
    )
    return Reply(201, {"database": render(call.cloud.databases.create(order))})


def show(call: Call) -> Reply:
    return Reply(200, {"database": render(call.cloud.databases.get(call.params["cluster"]))})


def delete(call: Call) -> Reply:
    call.cloud.databases.delete(call.params["cluster"])
    return NOTHING


def resize(call: Call, body: ClusterSize) -> Reply:
    """A cluster, or a replica, which its own id names here."""
    identifier, wanted = call.params["cluster"], (body.size, body.num_nodes, body.storage_size_mib)
    if replica := call.cloud.database_replicas.find(identifier):
        call.cloud.database_replicas.resize(replica, *wanted)
    else:
        call.cloud.databases.resize(identifier, *wanted)
    return Reply(202)


def migrate(call: Call, body: ClusterPlace) -> Reply:
    call.cloud.databases.migrate(call.params["cluster"], body.region, body.private_network_uuid or None)
    return Reply(202)


def upgrade(call: Call, body: PostgresVersion) -> Reply:
    call.cloud.databases.upgrade(call.params["cluster"], body.version)
    return NOTHING


def events(call: Call) -> Reply:
    cluster = call.cloud.databases.record(call.params["cluster"])
    found = call.cloud.databases.events(cluster.uuid, call.page)
    return listing(call, "events", found, lambda action: _event(cluster, action))


def _event(cluster: DatabaseCluster, action: Action) -> dict[str, Any]:
    return {
        "id": str(action.id),
        "cluster_name": cluster.name,
        "event_type": EVENTS[action.type],
        "create_time": action.started_at,
    }


def authority(call: Call) -> Reply:
    call.cloud.databases.record(call.params["cluster"])
    certificate = call.cloud.database_authority()
    return Reply(200, {"ca": {"certificate": base64.b64encode(certificate).decode()}})


def options(call: Call) -> Reply:
    """What can be ordered; what DigitalOcean has besides is not listed."""
    offered = list(versions(call.cloud.config))
    layouts = [{"num_nodes": 1, "sizes": list(SIZES)}]
    ends = [{"version": v, "end_of_life": END_OF_LIFE, "end_of_availability": END_OF_LIFE} for v in offered]
    return Reply(
        200,
        {
            "options": {ENGINE: {"regions": list(REGIONS), "versions": offered, "layouts": layouts}},
            "version_availability": {ENGINE: ends},
        },
    )


def pairs(rules: Sequence[Rule]) -> list[tuple[str, str]]:
    return [(each.type, each.value) for each in rules]


ROUTES = [
    Row(
        "GET",
        "/v2/databases/options",
        options,
        Operation(
            "Tell what databases can be ordered", answer=object_of(options=ANYTHING, version_availability=ANYTHING)
        ),
    ),
    Row("GET", "/v2/databases", index, listed("List database clusters", "databases", "database", tag_name=TEXT)),
    Row("POST", "/v2/databases", create, made("Create a database cluster", "database", "database")),
    Row("GET", "/v2/databases/{cluster}", show, shown("Show a database cluster", "database")),
    Row("DELETE", "/v2/databases/{cluster}", delete, gone("Delete a database cluster")),
    Row(
        "PUT",
        "/v2/databases/{cluster}/resize",
        resize,
        Operation(
            "Resize a database cluster, or a replica by its own id",
            202,
        ),
    ),
    Row(
        "PUT",
        "/v2/databases/{cluster}/migrate",
        migrate,
        Operation("Move a database cluster to another region", 202),
    ),
    Row("PUT", "/v2/databases/{cluster}/upgrade", upgrade, gone("Upgrade a database cluster")),
    Row(
        "GET",
        "/v2/databases/{cluster}/events",
        events,
        Operation(
            "List what was done to a database cluster",
            answer=page("events", object_of(id=TEXT, cluster_name=TEXT, event_type=TEXT, create_time=TEXT)),
            query=PAGE,
        ),
    ),
    Row(
        "GET",
        "/v2/databases/{cluster}/ca",
        authority,
        Operation("Show the authority of the servers", answer=object_of(ca=object_of(certificate=TEXT))),
    ),
]
