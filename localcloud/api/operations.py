"""What each route does, takes and gives: one row per route. A test compares these rows with the routes themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from localcloud.api.schemas import (
    ANYTHING,
    BACKUP_POLICY,
    BEGUN,
    DATABASE_ORDER,
    DATABASE_RULES,
    DROPLET_ORDER,
    ID,
    INTEGER,
    NAME_OR_ID,
    TEXT,
    TRUTH,
    Schema,
    many,
    nullable,
    page,
    reference,
    some,
    text,
    thing,
    with_all,
)

PAGE: Mapping[str, Schema] = {
    "page": {"type": "integer", "minimum": 1},
    "per_page": {"type": "integer", "minimum": 1, "maximum": 200},
}
# Errors that any route can answer: DigitalOcean's body each time.
REFUSALS = (400, 401, 403, 404, 409, 412, 413, 422, 429, 501)


@dataclass(frozen=True)
class Operation:
    """A route: the status and the body of its success (None: empty), the body that it takes, its query."""

    summary: str
    status: int = 200
    answer: Schema | None = None
    body: Schema | None = None
    query: Mapping[str, Schema] = field(default_factory=dict)


def listed(summary: str, key: str, resource: str, **query: Schema) -> Operation:
    """A list in pages."""
    return Operation(summary, answer=page(key, reference(resource)), query={**query, **PAGE})


def shown(summary: str, key: str, resource: str | None = None) -> Operation:
    return Operation(summary, answer=thing(**{key: reference(resource or key)}))


def made(summary: str, key: str, resource: str, body: Schema, status: int = 201) -> Operation:
    return Operation(summary, status, thing(**{key: reference(resource)}), body)


def gone(summary: str, body: Schema | None = None, **query: Schema) -> Operation:
    """Done, with nothing to tell."""
    return Operation(summary, 204, None, body, query)


CREDENTIALS = thing(basic_auth_username=TEXT, basic_auth_password=TEXT)
CLUSTER = "/v2/databases/{cluster}"
POOL_CHANGE = with_all(some(mode=TEXT, size=INTEGER, db=TEXT, user=nullable(TEXT)), "mode", "size", "db")
POOL_ORDER = with_all(
    some(name=TEXT, mode=TEXT, size=INTEGER, db=TEXT, user=nullable(TEXT)), "name", "mode", "size", "db"
)
REPLICA_ORDER = with_all(
    some(
        name=TEXT,
        size=nullable(TEXT),
        region=nullable(TEXT),
        private_network_uuid=nullable(TEXT),
        tags=nullable(many(TEXT)),
        storage_size_mib=INTEGER,
    ),
    "name",
)
NAMED = with_all(some(name=TEXT), "name")
DROPLET_ACTION = with_all(
    some(type=TEXT, name=TEXT, image=NAME_OR_ID, size=TEXT, disk=TRUTH, backup_policy=BACKUP_POLICY), "type"
)
WITH_ASSOCIATED = "/v2/droplets/{droplet}/destroy_with_associated_resources"
ASSOCIATED = thing(**dict.fromkeys(("reserved_ips", "floating_ips", "snapshots"), many(some(id=TEXT, name=TEXT))))
ADDRESS_ACTION = with_all(some(type=text("assign", "unassign"), droplet_id=ID), "type")
IMAGE_ACTION = with_all(some(type=text("transfer", "convert"), region=TEXT), "type")
IMAGE_ORDER = with_all(
    some(name=TEXT, url=TEXT, region=TEXT, distribution=TEXT, description=TEXT, tags=many(TEXT)),
    "name",
    "url",
    "region",
)
FAULT = with_all(some(kind=text("response", "action", "boot", "network", "move")), "kind")
TAGGED = thing(resources=many(thing(resource_id=NAME_OR_ID, resource_type=TEXT)))
VPC_CHANGE = some(name=TEXT, description=TEXT, default=TRUTH)
PROJECT_CHANGE = some(name=TEXT, description=TEXT, purpose=TEXT, environment=TEXT, is_default=TRUTH)
ADDRESS_ORDER = some(region=TEXT, droplet_id=ID, project_id=nullable(TEXT))


def _addresses(key: str) -> dict[tuple[str, str], Operation]:
    """The routes of floating IPs, which reserved IPs share."""
    path, title = f"/v2/{key}s", key.replace("_ip", " IP")
    reserved = Operation(
        f"Reserve a {title}, and assign it when a droplet is given",
        202,
        thing(**{key: reference("address")}, links=BEGUN),
        ADDRESS_ORDER,
    )
    return {
        ("GET", path): listed(f"List {title}s", f"{key}s", "address"),
        ("POST", path): reserved,
        ("GET", f"{path}/{{ip}}"): shown(f"Show a {title}", key, "address"),
        ("DELETE", f"{path}/{{ip}}"): gone(f"Release a {title}"),
        ("GET", f"{path}/{{ip}}/actions"): listed(f"List what was done to a {title}", "actions", "action"),
        ("POST", f"{path}/{{ip}}/actions"): made(f"Assign or unassign a {title}", "action", "action", ADDRESS_ACTION),
        ("GET", f"{path}/{{ip}}/actions/{{action}}"): shown(f"Show an action of a {title}", "action"),
    }


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "/v2/account"): shown("Show the account and its limits", "account"),
    ("GET", "/v2/account/keys"): listed("List SSH keys", "ssh_keys", "ssh_key"),
    ("POST", "/v2/account/keys"): made("Register an SSH key", "ssh_key", "ssh_key", thing(name=TEXT, public_key=TEXT)),
    ("GET", "/v2/account/keys/{key}"): shown("Show an SSH key, by id or fingerprint", "ssh_key"),
    ("PUT", "/v2/account/keys/{key}"): made("Rename an SSH key", "ssh_key", "ssh_key", NAMED, 200),
    ("DELETE", "/v2/account/keys/{key}"): gone("Forget an SSH key"),
    ("GET", "/v2/actions"): listed("List everything that was done, newest first", "actions", "action"),
    ("GET", "/v2/actions/{action}"): shown("Show an action", "action"),
    ("GET", "/v2/regions"): listed("List regions", "regions", "region"),
    ("GET", "/v2/sizes"): listed("List sizes of droplets", "sizes", "size"),
    ("GET", "/v2/droplets"): listed("List droplets", "droplets", "droplet", tag_name=TEXT, name=TEXT, type=TEXT),
    ("POST", "/v2/droplets"): Operation(
        "Create a droplet, or one for each of `names`",
        202,
        with_all(some(droplet=reference("droplet"), droplets=many(reference("droplet")), links=BEGUN), "links"),
        DROPLET_ORDER,
    ),
    ("DELETE", "/v2/droplets"): gone("Delete the droplets that carry a tag", tag_name=TEXT),
    ("GET", "/v2/droplets/{droplet}"): shown("Show a droplet", "droplet"),
    ("DELETE", "/v2/droplets/{droplet}"): gone("Delete a droplet"),
    ("GET", "/v2/droplets/{droplet}/actions"): listed("List what was done to a droplet", "actions", "action"),
    ("POST", "/v2/droplets/{droplet}/actions"): made("Do something to a droplet", "action", "action", DROPLET_ACTION),
    ("GET", "/v2/droplets/{droplet}/actions/{action}"): shown("Show an action of a droplet", "action"),
    ("POST", "/v2/droplets/actions"): Operation(
        "Do something to all droplets that carry a tag",
        201,
        thing(actions=many(reference("action"))),
        DROPLET_ACTION,
        {"tag_name": TEXT},
    ),
    ("GET", "/v2/droplets/{droplet}/snapshots"): listed("List a droplet's snapshots", "snapshots", "image"),
    ("GET", "/v2/droplets/{droplet}/backups"): listed("List a droplet's backups", "backups", "image"),
    ("GET", "/v2/droplets/{droplet}/backups/policy"): Operation(
        "Show when a droplet's backups are due", answer=thing(policy=ANYTHING)
    ),
    ("GET", "/v2/droplets/backups/policies"): Operation(
        "Show when backups are due, by droplet", answer=with_all(some(policies=ANYTHING), "policies"), query=PAGE
    ),
    ("GET", "/v2/droplets/backups/supported_policies"): Operation(
        "List what a backup policy can be", answer=thing(supported_policies=many(ANYTHING))
    ),
    ("GET", WITH_ASSOCIATED): Operation("List what belongs to a droplet and would outlive it", answer=ASSOCIATED),
    ("GET", f"{WITH_ASSOCIATED}/status"): Operation(
        "Show how far a droplet's end has come",
        answer=with_all(some(droplet=ANYTHING, resources=ASSOCIATED), "droplet"),
    ),
    ("DELETE", f"{WITH_ASSOCIATED}/dangerous"): Operation(
        "Delete a droplet and all that belongs to it; needs the header X-Dangerous: true", 202
    ),
    ("DELETE", f"{WITH_ASSOCIATED}/selective"): Operation(
        "Delete a droplet and some of what belongs to it",
        202,
        body=some(floating_ips=many(TEXT), reserved_ips=many(TEXT), snapshots=many(NAME_OR_ID)),
    ),
    ("POST", f"{WITH_ASSOCIATED}/retry"): Operation("Delete once more what could not be deleted", 202),
    ("GET", "/v2/droplets/{droplet}/firewalls"): Operation(
        "List a droplet's firewalls: there are none", answer=page("firewalls", ANYTHING), query=PAGE
    ),
    ("GET", "/v2/firewalls"): Operation(
        "List firewalls: there are none", answer=page("firewalls", ANYTHING), query=PAGE
    ),
    ("GET", "/v2/reports/droplet_neighbors_ids"): Operation(
        "List droplets that share a host", answer=thing(neighbor_ids=many(many(ID)))
    ),
    ("GET", "/v2/droplets/{droplet}/kernels"): Operation(
        "List a droplet's kernels: there are none", answer=page("kernels", ANYTHING), query=PAGE
    ),
    ("GET", "/v2/droplets/{droplet}/neighbors"): listed("List a droplet's neighbours", "droplets", "droplet"),
    ("GET", "/v2/images"): listed("List images", "images", "image", type=TEXT, private=TRUTH, tag_name=TEXT, name=TEXT),
    ("POST", "/v2/images"): made("Make an image of a file at a URL", "image", "image", IMAGE_ORDER, 202),
    ("GET", "/v2/images/{image}/actions"): listed("List what was done to an image", "actions", "action"),
    ("POST", "/v2/images/{image}/actions"): made("Transfer or convert an image", "action", "action", IMAGE_ACTION),
    ("GET", "/v2/images/{image}/actions/{action}"): shown("Show an action of an image", "action"),
    ("GET", "/v2/images/{image}"): shown("Show an image, by id or slug", "image"),
    ("PUT", "/v2/images/{image}"): made(
        "Rename or describe an image", "image", "image", some(name=TEXT, distribution=TEXT, description=TEXT), 200
    ),
    ("DELETE", "/v2/images/{image}"): gone("Delete an image"),
    ("GET", "/v2/snapshots"): listed("List snapshots", "snapshots", "snapshot", resource_type=TEXT),
    ("GET", "/v2/snapshots/{snapshot}"): shown("Show a snapshot", "snapshot"),
    ("DELETE", "/v2/snapshots/{snapshot}"): gone("Delete a snapshot"),
    **_addresses("floating_ip"),
    **_addresses("reserved_ip"),
    ("GET", "/v2/tags"): listed("List tags", "tags", "tag"),
    ("POST", "/v2/tags"): made("Create a tag, or find it", "tag", "tag", NAMED),
    ("GET", "/v2/tags/{name}"): shown("Show a tag and what carries it", "tag"),
    ("DELETE", "/v2/tags/{name}"): gone("Delete a tag"),
    ("POST", "/v2/tags/{name}/resources"): gone("Tag resources", TAGGED),
    ("DELETE", "/v2/tags/{name}/resources"): gone("Untag resources", TAGGED),
    ("GET", "/v2/vpcs"): listed("List VPCs", "vpcs", "vpc"),
    ("POST", "/v2/vpcs"): made(
        "Create a VPC", "vpc", "vpc", some(name=TEXT, region=TEXT, description=TEXT, ip_range=TEXT)
    ),
    ("GET", "/v2/vpcs/{vpc}"): shown("Show a VPC", "vpc"),
    ("PUT", "/v2/vpcs/{vpc}"): made("Change a VPC", "vpc", "vpc", VPC_CHANGE, 200),
    ("PATCH", "/v2/vpcs/{vpc}"): made("Change a VPC in part", "vpc", "vpc", VPC_CHANGE, 200),
    ("DELETE", "/v2/vpcs/{vpc}"): gone("Delete a VPC"),
    ("GET", "/v2/vpcs/{vpc}/members"): Operation(
        "List the droplets and databases in a VPC",
        answer=page("members", thing(urn=TEXT, name=TEXT, created_at=TEXT)),
        query={"resource_type": TEXT, **PAGE},
    ),
    ("GET", "/v2/databases/options"): Operation(
        "Tell what databases can be ordered", answer=thing(options=ANYTHING, version_availability=ANYTHING)
    ),
    ("GET", "/v2/databases/metrics/credentials"): Operation(
        "Tell who may read the clusters' metrics", answer=thing(credentials=CREDENTIALS)
    ),
    ("PUT", "/v2/databases/metrics/credentials"): gone(
        "Have somebody else read the clusters' metrics", thing(credentials=CREDENTIALS)
    ),
    ("GET", "/v2/databases"): listed("List database clusters", "databases", "database", tag_name=TEXT),
    ("POST", "/v2/databases"): made("Create a database cluster", "database", "database", DATABASE_ORDER),
    ("GET", CLUSTER): shown("Show a database cluster", "database"),
    ("DELETE", CLUSTER): gone("Delete a database cluster"),
    ("PUT", f"{CLUSTER}/resize"): Operation(
        "Resize a database cluster, or a replica by its own id",
        202,
        body=some(size=TEXT, num_nodes=INTEGER, storage_size_mib=INTEGER),
    ),
    ("PUT", f"{CLUSTER}/migrate"): Operation(
        "Move a database cluster to another region", 202, body=some(region=TEXT, private_network_uuid=TEXT)
    ),
    ("PUT", f"{CLUSTER}/maintenance"): gone("Set the maintenance window", some(day=TEXT, hour=TEXT)),
    ("PUT", f"{CLUSTER}/upgrade"): gone("Upgrade a database cluster", some(version=TEXT)),
    ("GET", f"{CLUSTER}/config"): Operation("Show the options of PostgreSQL", answer=thing(config=ANYTHING)),
    ("PATCH", f"{CLUSTER}/config"): Operation("Set options of PostgreSQL", body=thing(config=ANYTHING)),
    ("GET", f"{CLUSTER}/autoscale"): Operation("Show how storage would grow", answer=thing(autoscale=ANYTHING)),
    ("PUT", f"{CLUSTER}/autoscale"): gone("Remember how storage would grow", thing(storage=ANYTHING)),
    ("GET", f"{CLUSTER}/events"): Operation(
        "List what was done to a database cluster",
        answer=page("events", thing(id=TEXT, cluster_name=TEXT, event_type=TEXT, create_time=TEXT)),
        query=PAGE,
    ),
    ("GET", f"{CLUSTER}/ca"): Operation("Show the authority of the servers", answer=thing(ca=thing(certificate=TEXT))),
    ("GET", f"{CLUSTER}/firewall"): Operation(
        "List trusted sources", answer=thing(rules=many(reference("database_rule")))
    ),
    ("PUT", f"{CLUSTER}/firewall"): gone("Replace all trusted sources", thing(rules=DATABASE_RULES)),
    ("GET", f"{CLUSTER}/users"): listed("List a cluster's users", "users", "database_user"),
    ("POST", f"{CLUSTER}/users"): made("Create a user", "user", "database_user", NAMED),
    ("GET", f"{CLUSTER}/users/{{user}}"): shown("Show a user", "user", "database_user"),
    ("DELETE", f"{CLUSTER}/users/{{user}}"): gone("Delete a user"),
    ("POST", f"{CLUSTER}/users/{{user}}/reset_auth"): made(
        "Give a user another password", "user", "database_user", some(), 200
    ),
    ("GET", f"{CLUSTER}/dbs"): listed("List the databases in a cluster", "dbs", "database_name"),
    ("POST", f"{CLUSTER}/dbs"): made("Create a database", "db", "database_name", NAMED),
    ("GET", f"{CLUSTER}/dbs/{{database}}"): shown("Show a database", "db", "database_name"),
    ("DELETE", f"{CLUSTER}/dbs/{{database}}"): gone("Delete a database"),
    ("GET", f"{CLUSTER}/pools"): listed("List a cluster's connection pools", "pools", "database_pool"),
    ("POST", f"{CLUSTER}/pools"): made("Create a connection pool", "pool", "database_pool", POOL_ORDER),
    ("GET", f"{CLUSTER}/pools/{{pool}}"): shown("Show a connection pool", "pool", "database_pool"),
    ("PUT", f"{CLUSTER}/pools/{{pool}}"): gone("Change a connection pool", POOL_CHANGE),
    ("DELETE", f"{CLUSTER}/pools/{{pool}}"): gone("Delete a connection pool"),
    ("GET", f"{CLUSTER}/replicas"): listed("List a cluster's read-only replicas", "replicas", "database_replica"),
    ("POST", f"{CLUSTER}/replicas"): made("Create a read-only replica", "replica", "database_replica", REPLICA_ORDER),
    ("GET", f"{CLUSTER}/replicas/{{replica}}"): shown("Show a read-only replica", "replica", "database_replica"),
    ("DELETE", f"{CLUSTER}/replicas/{{replica}}"): gone("Delete a read-only replica"),
    ("PUT", f"{CLUSTER}/replicas/{{replica}}/promote"): gone("Make a replica a cluster of its own"),
    ("GET", f"{CLUSTER}/backups"): Operation(
        "List a cluster's backups",
        answer=thing(backups=many(reference("database_backup")), scheduled_backup_time=ANYTHING),
    ),
    ("GET", "/v2/projects"): listed("List projects", "projects", "project"),
    ("POST", "/v2/projects"): made("Create a project", "project", "project", PROJECT_CHANGE),
    ("PUT", "/v2/projects/{project}"): made("Change a project", "project", "project", PROJECT_CHANGE, 200),
    ("PATCH", "/v2/projects/{project}"): made("Change a project in part", "project", "project", PROJECT_CHANGE, 200),
    ("DELETE", "/v2/projects/{project}"): gone("Delete a project that nothing belongs to"),
    ("POST", "/v2/projects/{project}/resources"): Operation(
        "Put resources into a project",
        answer=thing(resources=many(reference("project_resource"))),
        body=some(resources=many(TEXT)),
    ),
    ("GET", "/v2/projects/{project}"): shown("Show a project; `default` is one of its names", "project"),
    ("GET", "/v2/projects/{project}/resources"): listed(
        "List what belongs to a project", "resources", "project_resource"
    ),
    ("GET", "/_localcloud/health"): Operation(
        "Say that this cloud is alive; needs no token",
        answer=thing(status=TEXT, pid=ID, state=TEXT, bases=ANYTHING),
    ),
    ("GET", "/_localcloud/status"): Operation("Show all that is in the cloud", answer=ANYTHING),
    ("GET", "/_localcloud/usage"): Operation(
        "Count bytes on disk of droplets and images", answer=thing(droplets=ANYTHING, images=ANYTHING)
    ),
    ("GET", "/_localcloud/droplets/{droplet}/login"): Operation(
        "Tell a droplet's address and host keys", answer=thing(address=TEXT, host_keys=many(TEXT))
    ),
    ("GET", "/_localcloud/faults"): Operation("List the faults that wait", answer=thing(faults=many(ANYTHING))),
    ("POST", "/_localcloud/faults"): Operation(
        "Have something go wrong", status=201, answer=thing(fault=ANYTHING), body=FAULT
    ),
    ("DELETE", "/_localcloud/faults"): gone("Clear all faults"),
    ("DELETE", "/_localcloud/faults/{fault}"): gone("Clear a fault"),
    ("POST", "/_localcloud/droplets/{droplet}/backup"): made("Back a droplet up now", "action", "action", some()),
    ("GET", "/_localcloud/droplets/{droplet}/password"): Operation(
        "Tell root's password after a reset", answer=thing(password=TEXT)
    ),
    ("GET", "/_localcloud/openapi.json"): Operation("Describe this API", answer=ANYTHING),
    ("GET", "/_localcloud/rate_limit"): Operation("Show the limit of requests", answer=ANYTHING),
    ("PUT", "/_localcloud/rate_limit"): Operation("Limit requests, or no more", answer=ANYTHING, body=some(limit=TEXT)),
    ("POST", "/_localcloud/reset"): gone("Remove everything in the cloud"),
}
