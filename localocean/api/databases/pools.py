"""/v2/databases/{cluster}/pools: connection pools, which clients see as databases on a port of their own."""

from __future__ import annotations

from typing import Any, ClassVar

from localocean.api.bodies import Body, Number
from localocean.api.databases.clusters import connection
from localocean.api.http import NOTHING, Call, Reply, listing
from localocean.api.operations import Row, gone, listed, made, shown
from localocean.engine.databases.catalogue import POOL_PORT
from localocean.engine.databases.clusters import ClusterView
from localocean.engine.errors import Unprocessable
from localocean.store.records import DatabasePool


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


class PoolChange(Body):
    NEEDED: ClassVar[tuple[str, ...]] = ("mode", "size", "db")
    mode: str = ""
    size: Number = 0
    db: str = ""
    user: str = ""

    @property
    def values(self) -> dict[str, Any]:
        """The same for the engine; raises Unprocessable when something is missing."""
        for name in self.NEEDED:
            if not getattr(self, name):
                raise Unprocessable(f"{name} is required")
        return {"mode": self.mode, "size": self.size, "database": self.db, "user": self.user}


class NewPool(PoolChange):
    NEEDED = ("name", "mode", "size", "db")
    name: str = ""


def create(call: Call, body: NewPool) -> Reply:
    pool = call.cloud.database_pools.create(call.params["cluster"], {**body.values, "name": body.name})
    return Reply(201, {"pool": render(call.cloud.databases.get(call.params["cluster"]), pool)})


def show(call: Call) -> Reply:
    pool = call.cloud.database_pools.get(call.params["cluster"], call.params["pool"])
    return Reply(200, {"pool": render(call.cloud.databases.get(call.params["cluster"]), pool)})


def update(call: Call, body: PoolChange) -> Reply:
    call.cloud.database_pools.update(call.params["cluster"], call.params["pool"], body.values)
    return NOTHING


def delete(call: Call) -> Reply:
    call.cloud.database_pools.delete(call.params["cluster"], call.params["pool"])
    return NOTHING


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
        made("Create a connection pool", "pool", "database_pool"),
    ),
    Row("GET", "/v2/databases/{cluster}/pools/{pool}", show, shown("Show a connection pool", "pool", "database_pool")),
    Row("PUT", "/v2/databases/{cluster}/pools/{pool}", update, gone("Change a connection pool")),
    Row("DELETE", "/v2/databases/{cluster}/pools/{pool}", delete, gone("Delete a connection pool")),
]
