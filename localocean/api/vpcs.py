"""/v2/vpcs: private networks and their members."""

from __future__ import annotations

from typing import Any

from localocean.api.bodies import Body, Truth
from localocean.api.http import NOTHING, Call, Reply, listing, whole
from localocean.api.operations import PAGE, Operation, Row, gone, listed, made, shown
from localocean.api.schemas import TEXT, object_of, page
from localocean.engine.errors import Unprocessable
from localocean.engine.kinds import CLUSTERS, DROPLETS
from localocean.store.records import DatabaseCluster, Droplet, Vpc

# What a resource's type is called in its URN.
URNS = {CLUSTERS.name: CLUSTERS.urn}


def render(vpc: Vpc) -> dict[str, Any]:
    return {
        "id": vpc.uuid,
        "urn": f"do:vpc:{vpc.uuid}",
        "name": vpc.name,
        "description": vpc.description,
        "region": vpc.region,
        "ip_range": vpc.ip_range,
        "created_at": vpc.created_at,
        "default": vpc.is_default,
    }


def index(call: Call) -> Reply:
    return listing(call, "vpcs", call.cloud.vpcs.page(call.page), render)


class VpcOrder(Body):
    name: str = ""
    region: str = ""
    description: str = ""
    ip_range: str = ""


class VpcChange(Body):
    name: str | None = None
    description: str | None = None
    default: Truth | None = None


def create(call: Call, body: VpcOrder) -> Reply:
    vpc = call.cloud.vpcs.create(body.name, body.region, body.description, body.ip_range)
    return Reply(201, {"vpc": render(vpc)})


def show(call: Call) -> Reply:
    return Reply(200, {"vpc": render(call.cloud.vpcs.get(call.params["vpc"]))})


def update(call: Call, body: VpcChange) -> Reply:
    """PUT, which wants the name again."""
    if not body.name:
        raise Unprocessable("Name can't be blank")
    return patch(call, body)


def patch(call: Call, body: VpcChange) -> Reply:
    vpc = call.cloud.vpcs.update(call.params["vpc"], body.name, body.description, body.default)
    return Reply(200, {"vpc": render(vpc)})


def delete(call: Call) -> Reply:
    call.cloud.vpcs.delete(call.params["vpc"])
    return NOTHING


def members(call: Call) -> Reply:
    """Droplets and database clusters, or those of one kind."""
    found = [_member(member) for member in call.cloud.vpcs.members(call.params["vpc"])]
    kind = call.query.get("resource_type") or ""
    wanted = [each for each in found if URNS.get(kind, kind) in ("", each["urn"].split(":")[1])]
    return listing(call, "members", whole(wanted, call.page), dict)


def _member(member: Droplet | DatabaseCluster) -> dict[str, Any]:
    urn = CLUSTERS.urn_of(member.uuid) if isinstance(member, DatabaseCluster) else DROPLETS.urn_of(member.id)
    return {"urn": urn, "name": member.name, "created_at": member.created_at}


ROUTES = [
    Row("GET", "/v2/vpcs", index, listed("List VPCs", "vpcs", "vpc")),
    Row(
        "POST",
        "/v2/vpcs",
        create,
        made("Create a VPC", "vpc", "vpc"),
    ),
    Row("GET", "/v2/vpcs/{vpc}", show, shown("Show a VPC", "vpc")),
    Row("PUT", "/v2/vpcs/{vpc}", update, made("Change a VPC", "vpc", "vpc", 200)),
    Row("PATCH", "/v2/vpcs/{vpc}", patch, made("Change a VPC in part", "vpc", "vpc", 200)),
    Row("DELETE", "/v2/vpcs/{vpc}", delete, gone("Delete a VPC")),
    Row(
        "GET",
        "/v2/vpcs/{vpc}/members",
        members,
        Operation(
            "List the droplets and databases in a VPC",
            answer=page("members", object_of(urn=TEXT, name=TEXT, created_at=TEXT)),
            query={"resource_type": TEXT, **PAGE},
        ),
    ),
]
