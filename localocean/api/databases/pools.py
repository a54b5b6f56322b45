"""/v2/databases/{cluster}/pools: connection pools, which clients see as databases on a port of their own."""

from __future__ import annotations

from typing import Any

from localocean.api.databases.clusters import connection, number
from localocean.api.http import NOTHING, Call, Reply, listing
from localocean.api.operations import Row, gone, listed, made, shown
from localocean.api.schemas import INTEGER, TEXT, nullable, some, with_all
from localocean.engine.databases.catalogue import POOL_PORT
from localocean.engine.databases.clusters import ClusterView
from localocean.engine.errors import Unprocessable
from localocean.store.records import DatabasePool

FIELDS = {"mode": "mode", "db": "database", "user": "user"}
NEEDED = ("name", "mode", "size", "db")


def render(view: ClusterView, pool: DatabasePool) -> dict[str, Any]:
    """A pool that is for nobody in particular shows the administrator's way in."""
    user = next((each for each in view.users if each.name == pool.user), view.admin)
    return {
        "name": pool.name,
        "mode": pool.mode,
        "size": pool.size,
        "db": pool.database,
        **({"user": pool.user} if pool.user else {}),
        "connection": connection(view.node.public_address, user, pool.name, POOL_PORT),
        "private_connection": connection(view.node.private_address, user, pool.name, POOL_PORT),
    }


def index(call: Call) -> Reply:
    view = call.cloud.databases.get(call.params["cluster"])
    found = call.cloud.database_pools.page(call.params["cluster"], call.page)
    return listing(call, "pools", found, lambda pool: render(view, pool))


def create(call: Call) -> Reply:
    for name in NEEDED:
        if not call.body.get(name):
            raise Unprocessable(f"{name} is required")
    values = {"name": call.text("name"), **_values(call)}
    pool = call.cloud.database_pools.create(call.params["cluster"], values)
    return Reply(201, {"pool": render(call.cloud.databases.get(call.params["cluster"]), pool)})


def show(call: Call) -> Reply:
    pool = call.cloud.database_pools.get(call.params["cluster"], call.params["pool"])
    return Reply(200, {"pool": render(call.cloud.databases.get(call.params["cluster"]), pool)})


def update(call: Call) -> Reply:
    for name in NEEDED[1:]:
        if not call.body.get(name):
            raise Unprocessable(f"{name} is required")
    call.cloud.database_pools.update(call.params["cluster"], call.params["pool"], _values(call))
    return NOTHING


def delete(call: Call) -> Reply:
    call.cloud.database_pools.delete(call.params["cluster"], call.params["pool"])
    return NOTHING


def _values(call: Call) -> dict[str, Any]:
    return {"size": number(call, "size")} | {field: call.text(name) or "" for name, field in FIELDS.items()}


POOL_CHANGE = with_all(some(mode=TEXT, size=INTEGER, db=TEXT, user=nullable(TEXT)), "mode", "size", "db")
POOL_ORDER = with_all(
    some(name=TEXT, mode=TEXT, size=INTEGER, db=TEXT, user=nullable(TEXT)), "name", "mode", "size", "db"
)
ROUTES = [
    Row(
        "GET",
        "/v2/databases/{cluster}/pools",
        index,
        listed("List a cluster's connection pools", "pools", "database_pool"),
    ),
    Row(
        "POST",
        "/v2/databases/{cluster}/pools",
        create,
        made("Create a connection pool", "pool", "database_pool", POOL_ORDER),
    ),
    Row("GET", "/v2/databases/{cluster}/pools/{pool}", show, shown("Show a connection pool", "pool", "database_pool")),
    Row("PUT", "/v2/databases/{cluster}/pools/{pool}", update, gone("Change a connection pool", POOL_CHANGE)),
    Row("DELETE", "/v2/databases/{cluster}/pools/{pool}", delete, gone("Delete a connection pool")),
]
