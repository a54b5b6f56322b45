"""/v2/databases/{cluster}/replicas: machines that follow a cluster's primary and answer reads."""

from __future__ import annotations

from typing import Any

from localocean.api.bodies import Named, Number, Word
from localocean.api.databases.clusters import connection
from localocean.api.http import NOTHING, Call, Reply, listing, whole
from localocean.api.operations import Row, gone, listed, made, shown
from localocean.engine.databases.catalogue import SIZES
from localocean.engine.databases.clusters import ClusterView
from localocean.store.records import DATABASE, DatabaseNode


def render(call: Call, view: ClusterView, node: DatabaseNode) -> dict[str, Any]:
    return {
        "id": node.uuid,
        "name": node.name,
        "region": node.region,
        "size": node.size,
        "status": node.status,
        "tags": call.cloud.tags.of(DATABASE, [node.uuid])[node.uuid],
        "created_at": node.created_at,
        "private_network_uuid": node.vpc,
        "storage_size_mib": node.storage_mib or SIZES[node.size].storage,
        "connection": connection(node.public_address, view.admin),
        "private_connection": connection(node.private_address, view.admin),
    }


def index(call: Call) -> Reply:
    view = call.cloud.databases.get(call.params["cluster"])
    found = whole(call.cloud.database_replicas.all(call.params["cluster"]), call.page)
    return listing(call, "replicas", found, lambda node: render(call, view, node))


class NewReplica(Named):
    size: str = ""
    region: str = ""
    private_network_uuid: str = ""
    tags: list[Word] = []
    storage_size_mib: Number = 0


def create(call: Call, body: NewReplica) -> Reply:
    node = call.cloud.database_replicas.create(
        call.params["cluster"],
        body.name,
        size=body.size,
        region=body.region,
        vpc=body.private_network_uuid or None,
        tags=body.tags,
        storage=body.storage_size_mib,
    )
    return Reply(201, {"replica": render(call, call.cloud.databases.get(call.params["cluster"]), node)})


def show(call: Call) -> Reply:
    node = call.cloud.database_replicas.get(call.params["cluster"], call.params["replica"])
    return Reply(200, {"replica": render(call, call.cloud.databases.get(call.params["cluster"]), node)})


def delete(call: Call) -> Reply:
    call.cloud.database_replicas.delete(call.params["cluster"], call.params["replica"])
    return NOTHING


def promote(call: Call) -> Reply:
    call.cloud.database_replicas.promote(call.params["cluster"], call.params["replica"])
    return NOTHING


ROUTES = [
    Row(
        "GET",
        "/v2/databases/{cluster}/replicas",
        index,
        listed("List a cluster's read-only replicas", "replicas", "database_replica"),
    ),
    Row(
        "POST",
        "/v2/databases/{cluster}/replicas",
        create,
        made("Create a read-only replica", "replica", "database_replica"),
    ),
    Row(
        "GET",
        "/v2/databases/{cluster}/replicas/{replica}",
        show,
        shown("Show a read-only replica", "replica", "database_replica"),
    ),
    Row("DELETE", "/v2/databases/{cluster}/replicas/{replica}", delete, gone("Delete a read-only replica")),
    Row(
        "PUT",
        "/v2/databases/{cluster}/replicas/{replica}/promote",
        promote,
        gone("Make a replica a cluster of its own"),
    ),
]
