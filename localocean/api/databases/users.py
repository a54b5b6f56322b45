"""/v2/databases/{cluster}/users and /dbs: who may use a cluster, and the databases in it."""

from __future__ import annotations

from typing import Any

from localocean.api.bodies import Named
from localocean.api.databases.clusters import user
from localocean.api.http import NOTHING, Call, Reply, listing
from localocean.api.operations import Row, gone, listed, made, shown
from localocean.engine.errors import Unprocessable
from localocean.store.records import DatabaseName


class NewUser(Named):
    mysql_settings: Any = None


def users(call: Call) -> Reply:
    return listing(call, "users", call.cloud.database_users.users(call.params["cluster"], call.page), user)


def create_user(call: Call, body: NewUser) -> Reply:
    if body.mysql_settings:
        raise Unprocessable("mysql_settings is not for PostgreSQL")
    made = call.cloud.database_users.create_user(call.params["cluster"], body.name)
    return Reply(201, {"user": user(made)})


def show_user(call: Call) -> Reply:
    return Reply(200, {"user": user(call.cloud.database_users.user(call.params["cluster"], call.params["user"]))})


def delete_user(call: Call) -> Reply:
    call.cloud.database_users.delete_user(call.params["cluster"], call.params["user"])
    return NOTHING


def reset_user(call: Call) -> Reply:
    found = call.cloud.database_users.reset_user(call.params["cluster"], call.params["user"])
    return Reply(200, {"user": user(found)})


def names(call: Call) -> Reply:
    return listing(call, "dbs", call.cloud.database_users.names(call.params["cluster"], call.page), _name)


def create_name(call: Call, body: Named) -> Reply:
    made = call.cloud.database_users.create_name(call.params["cluster"], body.name)
    return Reply(201, {"db": _name(made)})


def show_name(call: Call) -> Reply:
    return Reply(200, {"db": _name(call.cloud.database_users.name(call.params["cluster"], call.params["database"]))})


def delete_name(call: Call) -> Reply:
    call.cloud.database_users.delete_name(call.params["cluster"], call.params["database"])
    return NOTHING


def _name(record: DatabaseName) -> dict[str, Any]:
    return {"name": record.name}


ROUTES = [
    Row("GET", "/v2/databases/{cluster}/users", users, listed("List a cluster's users", "users", "database_user")),
    Row("POST", "/v2/databases/{cluster}/users", create_user, made("Create a user", "user", "database_user")),
    Row("GET", "/v2/databases/{cluster}/users/{user}", show_user, shown("Show a user", "user", "database_user")),
    Row("DELETE", "/v2/databases/{cluster}/users/{user}", delete_user, gone("Delete a user")),
    Row(
        "POST",
        "/v2/databases/{cluster}/users/{user}/reset_auth",
        reset_user,
        made("Give a user another password", "user", "database_user", 200),
    ),
    Row("GET", "/v2/databases/{cluster}/dbs", names, listed("List the databases in a cluster", "dbs", "database_name")),
    Row("POST", "/v2/databases/{cluster}/dbs", create_name, made("Create a database", "db", "database_name")),
    Row("GET", "/v2/databases/{cluster}/dbs/{database}", show_name, shown("Show a database", "db", "database_name")),
    Row("DELETE", "/v2/databases/{cluster}/dbs/{database}", delete_name, gone("Delete a database")),
]
