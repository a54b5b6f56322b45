"""What is set of a database cluster: its window, options, growth, trusted sources, and who reads the metrics."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import WithJsonSchema, model_validator

from localocean.api.bodies import Body, Checked
from localocean.api.databases.clusters import Rule, pairs
from localocean.api.http import NOTHING, Call, Reply
from localocean.api.operations import Operation, Row, gone
from localocean.api.schemas import ANYTHING, TEXT, many, object_of, reference
from localocean.engine.databases import settings
from localocean.store.records import DatabaseRule

CREDENTIALS = object_of(basic_auth_username=TEXT, basic_auth_password=TEXT)


def rule(call: Call, record: DatabaseRule) -> dict[str, Any]:
    return {
        "uuid": record.uuid,
        "cluster_uuid": call.params["cluster"],
        "type": record.type,
        "value": record.value,
        "created_at": record.created_at,
    }


class Rules(Body):
    """All trusted sources; null, as godo writes it, is none of them."""

    rules: list[Rule] | None

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        return data


class Window(Body):
    day: str = ""
    hour: str = ""


class PostgresOptions(Body):
    NEEDED = ("config",)
    config: Checked = None


class Autoscale(Body):
    NEEDED = ("storage",)
    storage: Checked = None


class MetricsCredentials(Body):
    NEEDED = ("credentials",)
    credentials: Annotated[Any, WithJsonSchema(CREDENTIALS)] = None


def maintain(call: Call, body: Window) -> Reply:
    window = settings.window(body.day, body.hour)
    call.cloud.databases.update(call.params["cluster"], **window)
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


def firewall(call: Call) -> Reply:
    cluster = call.cloud.databases.record(call.params["cluster"])
    return Reply(200, {"rules": [rule(call, each) for each in call.cloud.trusted.rules(cluster.id)]})


def set_firewall(call: Call, body: Rules) -> Reply:
    call.cloud.databases.trust(call.params["cluster"], pairs(body.rules or []))
    return NOTHING


def metrics_credentials(call: Call) -> Reply:
    found = call.cloud.database_metrics.credentials()
    told = {"basic_auth_username": found.username, "basic_auth_password": found.password}
    return Reply(200, {"credentials": told})


def set_metrics_credentials(call: Call, body: MetricsCredentials) -> Reply:
    call.cloud.database_metrics.set_credentials(body.credentials)
    return NOTHING


ROUTES = [
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
    Row(
        "PUT",
        "/v2/databases/{cluster}/maintenance",
        maintain,
        gone("Set the maintenance window"),
    ),
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
]
