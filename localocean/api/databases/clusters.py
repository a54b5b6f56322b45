"""/v2/databases: clusters of managed PostgreSQL, and what can be changed of one."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import WithJsonSchema, model_validator

from localocean.api.bodies import Body, Checked, Named, Number, Word
from localocean.api.http import NOTHING, Call, Reply, listing
from localocean.api.operations import PAGE, Operation, Row, gone, listed, made, shown
from localocean.api.schemas import ANYTHING, TEXT, many, object_of, page, reference, text
from localocean.engine.catalogue import REGIONS
from localocean.engine.databases import settings
from localocean.engine.databases.catalogue import DEFAULT_DATABASE, END_OF_LIFE, ENGINE, METRICS_PORT, PORT, SIZES
from localocean.engine.databases.clusters import EVENTS, ClusterOrder, ClusterView, versions
from localocean.engine.errors import Unprocessable
from localocean.store.records import CREATING, Action, DatabaseCluster, DatabaseName, DatabaseRule, DatabaseUser

CREDENTIALS = object_of(basic_auth_username=TEXT, basic_auth_password=TEXT)


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


def rule(call: Call, record: DatabaseRule) -> dict[str, Any]:
    return {
        "uuid": record.uuid,
        "cluster_uuid": call.params["cluster"],
        "type": record.type,
        "value": record.value,
        "created_at": record.created_at,
    }


def index(call: Call) -> Reply:
    return listing(call, "databases", call.cloud.databases.page(call.page, call.query.get("tag_name")), render)


class Rule(Body):
    NEEDED = ("type", "value")
    type: Annotated[str, WithJsonSchema(text("ip_addr", "droplet", "tag", "k8s", "app"))] = ""
    value: Word = ""


class Rules(Body):
    """All trusted sources; null, as godo writes it, is none of them."""

    rules: list[Rule] | None

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        return data


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


class Window(Body):
    day: str = ""
    hour: str = ""


class PostgresVersion(Body):
    version: str = ""


class PostgresOptions(Body):
    NEEDED = ("config",)
    config: Checked = None


class Autoscale(Body):
    NEEDED = ("storage",)
    storage: Checked = None


class NewUser(Named):
    mysql_settings: Any = None


class MetricsCredentials(Body):
    NEEDED = ("credentials",)
    credentials: Annotated[Any, WithJsonSchema(CREDENTIALS)] = None


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
        rules=_pairs(body.rules),
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


def maintain(call: Call, body: Window) -> Reply:
    window = settings.window(body.day, body.hour)
    call.cloud.databases.update(call.params["cluster"], **window)
    return NOTHING


def upgrade(call: Call, body: PostgresVersion) -> Reply:
    call.cloud.databases.upgrade(call.params["cluster"], body.version)
    return NOTHING


def config(call: Call) -> Reply:
    cluster = call.cloud.databases.record(call.params["cluster"])
    return Reply(200, {"config": settings.effective(cluster)})


def set_config(call: Call, body: PostgresOptions) -> Reply:
    call.cloud.databases.configure(call.params["cluster"], body.config)
    return Reply(200)


def autoscale(call: Call) -> Reply:
    kept = call.cloud.databases.record(call.params["cluster"]).autoscale
    return Reply(200, {"autoscale": kept or {"storage": {"enabled": False}}})


def set_autoscale(call: Call, body: Autoscale) -> Reply:
    wanted = settings.autoscale(body.model_dump(exclude_unset=True))
    call.cloud.databases.update(call.params["cluster"], autoscale=wanted)
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


def firewall(call: Call) -> Reply:
    cluster = call.cloud.databases.record(call.params["cluster"])
    return Reply(200, {"rules": [rule(call, each) for each in call.cloud.trusted.rules(cluster.id)]})


def set_firewall(call: Call, body: Rules) -> Reply:
    call.cloud.databases.trust(call.params["cluster"], _pairs(body.rules or []))
    return NOTHING


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


def metrics_credentials(call: Call) -> Reply:
    found = call.cloud.database_metrics.credentials()
    told = {"basic_auth_username": found.username, "basic_auth_password": found.password}
    return Reply(200, {"credentials": told})


def set_metrics_credentials(call: Call, body: MetricsCredentials) -> Reply:
    call.cloud.database_metrics.set_credentials(body.credentials)
    return NOTHING


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


def _name(record: DatabaseName) -> dict[str, Any]:
    return {"name": record.name}


def _pairs(rules: Sequence[Rule]) -> list[tuple[str, str]]:
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
    Row(
        "GET",
        "/v2/databases/metrics/credentials",
        metrics_credentials,
        Operation("Tell who may read the clusters' metrics", answer=object_of(credentials=CREDENTIALS)),
    ),
    Row(
        "PUT",
        "/v2/databases/metrics/credentials",
        set_metrics_credentials,
        gone("Have somebody else read the clusters' metrics"),
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
    Row(
        "PUT",
        "/v2/databases/{cluster}/maintenance",
        maintain,
        gone("Set the maintenance window"),
    ),
    Row("PUT", "/v2/databases/{cluster}/upgrade", upgrade, gone("Upgrade a database cluster")),
    Row(
        "GET",
        "/v2/databases/{cluster}/config",
        config,
        Operation("Show the options of PostgreSQL", answer=object_of(config=ANYTHING)),
    ),
    Row(
        "PATCH",
        "/v2/databases/{cluster}/config",
        set_config,
        Operation("Set options of PostgreSQL"),
    ),
    Row(
        "GET",
        "/v2/databases/{cluster}/autoscale",
        autoscale,
        Operation("Show how storage would grow", answer=object_of(autoscale=ANYTHING)),
    ),
    Row(
        "PUT",
        "/v2/databases/{cluster}/autoscale",
        set_autoscale,
        gone("Remember how storage would grow"),
    ),
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
    Row(
        "GET",
        "/v2/databases/{cluster}/firewall",
        firewall,
        Operation("List trusted sources", answer=object_of(rules=many(reference("database_rule")))),
    ),
    Row(
        "PUT",
        "/v2/databases/{cluster}/firewall",
        set_firewall,
        gone("Replace all trusted sources"),
    ),
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
