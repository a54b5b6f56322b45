"""The shapes of what the API takes and gives, in JSON Schema; what is not listed as required may be absent."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
INTEGER: Schema = {"type": "integer"}
BOOLEAN: Schema = {"type": "boolean"}
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


def optional_object(**properties: Schema) -> Schema:
    """An object that may have these properties."""
    return {"type": "object", "properties": properties}


def object_of(**properties: Schema) -> Schema:
    """An object that has all of these properties."""
    return {**optional_object(**properties), "required": list(properties)}


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
    return object_of(
        **{key: many(items)},
        links=optional_object(pages=optional_object(**dict.fromkeys(LINKS, TEXT))),
        meta=object_of(total=INTEGER),
    )


LINKS = ("first", "prev", "next", "last")
ADDRESS = object_of(ip_address=TEXT, netmask={"anyOf": [TEXT, INTEGER]}, gateway=TEXT, type=text("public", "private"))
BEGUN = optional_object(
    actions=many(object_of(id=ID, rel=TEXT, href=TEXT)), droplets=many(object_of(id=ID, rel=TEXT, href=TEXT))
)
TAGGABLE = ("droplets", "images", "volumes", "volume_snapshots", "databases")
COUNT = with_all(optional_object(count=INTEGER, last_tagged_uri=TEXT), "count")

PROJECT = with_optional(
    object_of(
        id=TEXT,
        owner_uuid=TEXT,
        owner_id=INTEGER,
        name=TEXT,
        description=TEXT,
        purpose=TEXT,
        is_default=BOOLEAN,
        created_at=TEXT,
        updated_at=TEXT,
    ),
    environment=text("Development", "Staging", "Production"),
)
AUTOSCALE = with_all(optional_object(enabled=BOOLEAN, threshold_percent=INTEGER, increment_gib=INTEGER), "enabled")
DATABASE = with_optional(
    object_of(
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
        maintenance_window=object_of(day=TEXT, hour=TEXT, pending=BOOLEAN),
        tags=many(TEXT),
        private_network_uuid=TEXT,
        project_id=TEXT,
        storage_size_mib=INTEGER,
        metrics_endpoints=many(object_of(host=TEXT, port=INTEGER)),
    ),
    autoscale=optional_object(storage=AUTOSCALE),
)

RESOURCES: dict[str, Schema] = {
    "error": object_of(id=TEXT, message=TEXT, request_id=TEXT),
    "account": object_of(
        droplet_limit=INTEGER,
        floating_ip_limit=INTEGER,
        reserved_ip_limit=INTEGER,
        volume_limit=INTEGER,
        email=TEXT,
        name=TEXT,
        uuid=TEXT,
        email_verified=BOOLEAN,
        status=TEXT,
        status_message=TEXT,
        team=object_of(uuid=TEXT, name=TEXT),
    ),
    "action": object_of(
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
    "region": object_of(slug=TEXT, name=TEXT, sizes=many(TEXT), available=BOOLEAN, features=many(TEXT)),
    "size": object_of(
        slug=TEXT,
        memory=INTEGER,
        vcpus=INTEGER,
        disk=INTEGER,
        transfer=NUMBER,
        price_monthly=NUMBER,
        price_hourly=NUMBER,
        regions=many(TEXT),
        available=BOOLEAN,
        description=TEXT,
    ),
    "image": object_of(
        id=ID,
        name=TEXT,
        type=TEXT,
        distribution=TEXT,
        slug=nullable(TEXT),
        public=BOOLEAN,
        regions=many(TEXT),
        created_at=TEXT,
        min_disk_size=INTEGER,
        size_gigabytes=NUMBER,
        description=TEXT,
        tags=many(TEXT),
        status=TEXT,
        error_message=TEXT,
    ),
    "snapshot": object_of(
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
    "droplet": object_of(
        id=ID,
        name=TEXT,
        memory=INTEGER,
        vcpus=INTEGER,
        disk=INTEGER,
        locked=BOOLEAN,
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
        networks=object_of(v4=many(ADDRESS), v6=many(ADDRESS)),
        region=reference("region"),
        tags=many(TEXT),
        vpc_uuid=TEXT,
    ),
    "ssh_key": object_of(id=ID, name=TEXT, fingerprint=TEXT, public_key=TEXT),
    "address": object_of(
        ip=TEXT, region=reference("region"), droplet=nullable(reference("droplet")), locked=BOOLEAN, project_id=TEXT
    ),
    "tag": object_of(
        name=TEXT,
        resources=with_all(
            optional_object(**COUNT["properties"], **dict.fromkeys(TAGGABLE, COUNT)), "count", *TAGGABLE
        ),
    ),
    "vpc": object_of(
        id=TEXT, urn=TEXT, name=TEXT, description=TEXT, region=TEXT, ip_range=TEXT, created_at=TEXT, default=BOOLEAN
    ),
    "project": PROJECT,
    "database": DATABASE,
    "database_connection": object_of(
        protocol=TEXT, uri=TEXT, database=TEXT, host=TEXT, port=INTEGER, user=TEXT, password=TEXT, ssl=BOOLEAN
    ),
    "database_user": object_of(name=TEXT, role=text("primary", "normal"), password=TEXT),
    "database_name": object_of(name=TEXT),
    "database_pool": with_all(
        optional_object(
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
    "database_replica": object_of(
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
    "database_backup": object_of(created_at=TEXT, size_gigabytes=NUMBER, incremental=BOOLEAN),
    "database_rule": object_of(uuid=TEXT, cluster_uuid=TEXT, type=TEXT, value=TEXT, created_at=TEXT),
    "project_resource": object_of(urn=TEXT, assigned_at=TEXT, links=object_of(self=TEXT), status=TEXT),
}
