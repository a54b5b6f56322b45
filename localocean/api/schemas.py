"""The shapes of what the API takes and gives, in JSON Schema; what is not listed as required may be absent."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
INTEGER: Schema = {"type": "integer"}
TRUTH: Schema = {"type": "boolean"}
ANYTHING: Schema = {"type": "object"}
ID: Schema = {"type": "integer", "minimum": 1}
# Where a slug, a fingerprint or an id will do.
NAME_OR_ID: Schema = {"anyOf": [TEXT, ID]}


def text(*choices: str) -> Schema:
    """One of some words, or any."""
    return {"type": "string", "enum": list(choices)} if choices else TEXT


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def many(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def some(**properties: Schema) -> Schema:
    """An object that may have these properties."""
    return {"type": "object", "properties": properties}


def thing(**properties: Schema) -> Schema:
    """An object that has all of these properties."""
    return {**some(**properties), "required": list(properties)}


def with_all(schema: Schema, *required: str) -> Schema:
    """The object, with those properties required."""
    return {**schema, "required": list(required)}


def with_optional(schema: Schema, **properties: Schema) -> Schema:
    """The object, which may also have those properties."""
    return {**schema, "properties": {**schema["properties"], **properties}}


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def page(key: str, items: Schema) -> Schema:
    """One page of a list."""
    return thing(**{key: many(items)}, links=some(pages=some(**dict.fromkeys(LINKS, TEXT))), meta=thing(total=INTEGER))


LINKS = ("first", "prev", "next", "last")
ADDRESS = thing(ip_address=TEXT, netmask={"anyOf": [TEXT, INTEGER]}, gateway=TEXT, type=text("public", "private"))
BEGUN = some(actions=many(thing(id=ID, rel=TEXT, href=TEXT)), droplets=many(thing(id=ID, rel=TEXT, href=TEXT)))
TAGGABLE = ("droplets", "images", "volumes", "volume_snapshots", "databases")
COUNT = with_all(some(count=INTEGER, last_tagged_uri=TEXT), "count")

PROJECT = with_optional(
    thing(
        id=TEXT,
        owner_uuid=TEXT,
        owner_id=INTEGER,
        name=TEXT,
        description=TEXT,
        purpose=TEXT,
        is_default=TRUTH,
        created_at=TEXT,
        updated_at=TEXT,
    ),
    environment=text("Development", "Staging", "Production"),
)
AUTOSCALE = with_all(some(enabled=TRUTH, threshold_percent=INTEGER, increment_gib=INTEGER), "enabled")
DATABASE = with_optional(
    thing(
        id=TEXT,
        name=TEXT,
        engine=TEXT,
        version=TEXT,
        num_nodes=INTEGER,
        size=TEXT,
        region=TEXT,
        status=text("creating", "online", "resizing", "migrating", "forking"),
        created_at=TEXT,
        db_names=nullable(many(TEXT)),
        users=nullable(many(reference("database_user"))),
        connection=reference("database_connection"),
        private_connection=reference("database_connection"),
        maintenance_window=thing(day=TEXT, hour=TEXT, pending=TRUTH),
        tags=many(TEXT),
        private_network_uuid=TEXT,
        project_id=TEXT,
        storage_size_mib=INTEGER,
        metrics_endpoints=many(thing(host=TEXT, port=INTEGER)),
    ),
    autoscale=some(storage=AUTOSCALE),
)

RESOURCES: dict[str, Schema] = {
    "error": thing(id=TEXT, message=TEXT, request_id=TEXT),
    "account": thing(
        droplet_limit=INTEGER,
        floating_ip_limit=INTEGER,
        reserved_ip_limit=INTEGER,
        volume_limit=INTEGER,
        email=TEXT,
        name=TEXT,
        uuid=TEXT,
        email_verified=TRUTH,
        status=TEXT,
        status_message=TEXT,
        team=thing(uuid=TEXT, name=TEXT),
    ),
    "action": thing(
        id=ID,
        status=text("in-progress", "completed", "errored"),
        type=TEXT,
        started_at=TEXT,
        completed_at=nullable(TEXT),
        resource_id=INTEGER,
        resource_type=TEXT,
        region=reference("region"),
        region_slug=TEXT,
    ),
    "region": thing(slug=TEXT, name=TEXT, sizes=many(TEXT), available=TRUTH, features=many(TEXT)),
    "size": thing(
        slug=TEXT,
        memory=INTEGER,
        vcpus=INTEGER,
        disk=INTEGER,
        transfer=NUMBER,
        price_monthly=NUMBER,
        price_hourly=NUMBER,
        regions=many(TEXT),
        available=TRUTH,
        description=TEXT,
    ),
    "image": thing(
        id=ID,
        name=TEXT,
        type=TEXT,
        distribution=TEXT,
        slug=nullable(TEXT),
        public=TRUTH,
        regions=many(TEXT),
        created_at=TEXT,
        min_disk_size=INTEGER,
        size_gigabytes=NUMBER,
        description=TEXT,
        tags=many(TEXT),
        status=TEXT,
        error_message=TEXT,
    ),
    "snapshot": thing(
        id=TEXT,
        name=TEXT,
        created_at=TEXT,
        regions=many(TEXT),
        min_disk_size=INTEGER,
        size_gigabytes=NUMBER,
        resource_id=TEXT,
        resource_type=TEXT,
        tags=many(TEXT),
    ),
    "droplet": thing(
        id=ID,
        name=TEXT,
        memory=INTEGER,
        vcpus=INTEGER,
        disk=INTEGER,
        locked=TRUTH,
        status=text("new", "active", "off", "archive"),
        kernel=nullable(ANYTHING),
        created_at=TEXT,
        features=many(TEXT),
        backup_ids=many(ID),
        next_backup_window=nullable(ANYTHING),
        snapshot_ids=many(ID),
        image=reference("image"),
        volume_ids=many(TEXT),
        size=reference("size"),
        size_slug=TEXT,
        networks=thing(v4=many(ADDRESS), v6=many(ADDRESS)),
        region=reference("region"),
        tags=many(TEXT),
        vpc_uuid=TEXT,
    ),
    "ssh_key": thing(id=ID, name=TEXT, fingerprint=TEXT, public_key=TEXT),
    "address": thing(
        ip=TEXT, region=reference("region"), droplet=nullable(reference("droplet")), locked=TRUTH, project_id=TEXT
    ),
    "tag": thing(
        name=TEXT,
        resources=with_all(some(**COUNT["properties"], **dict.fromkeys(TAGGABLE, COUNT)), "count", *TAGGABLE),
    ),
    "vpc": thing(
        id=TEXT, urn=TEXT, name=TEXT, description=TEXT, region=TEXT, ip_range=TEXT, created_at=TEXT, default=TRUTH
    ),
    "project": PROJECT,
    "database": DATABASE,
    "database_connection": thing(
        protocol=TEXT, uri=TEXT, database=TEXT, host=TEXT, port=INTEGER, user=TEXT, password=TEXT, ssl=TRUTH
    ),
    "database_user": thing(name=TEXT, role=text("primary", "normal"), password=TEXT),
    "database_name": thing(name=TEXT),
    "database_pool": with_all(
        some(
            name=TEXT,
            mode=text("session", "transaction", "statement"),
            size=INTEGER,
            db=TEXT,
            user=TEXT,
            connection=reference("database_connection"),
            private_connection=reference("database_connection"),
        ),
        "name",
        "mode",
        "size",
        "db",
        "connection",
        "private_connection",
    ),
    "database_replica": thing(
        id=TEXT,
        name=TEXT,
        region=TEXT,
        size=TEXT,
        status=text("creating", "online", "resizing", "migrating", "forking"),
        tags=many(TEXT),
        created_at=TEXT,
        private_network_uuid=TEXT,
        storage_size_mib=INTEGER,
        connection=reference("database_connection"),
        private_connection=reference("database_connection"),
    ),
    "database_backup": thing(created_at=TEXT, size_gigabytes=NUMBER, incremental=TRUTH),
    "database_rule": thing(uuid=TEXT, cluster_uuid=TEXT, type=TEXT, value=TEXT, created_at=TEXT),
    "project_resource": thing(urn=TEXT, assigned_at=TEXT, links=thing(self=TEXT), status=TEXT),
}
