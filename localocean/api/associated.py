"""/v2/droplets/{id}/destroy_with_associated_resources: a droplet's end, and that of what belongs to it."""

from __future__ import annotations

from typing import Any

from localocean.api.bodies import Body, Word
from localocean.api.http import Call, Reply
from localocean.api.images import gigabytes
from localocean.api.operations import Operation, Row
from localocean.api.schemas import ANYTHING, TEXT, many, object_of, optional_object, with_all
from localocean.engine.errors import BadRequest, NotFound
from localocean.store.records import COMPLETED, ERRORED, FloatingIP, Image

# US dollars a month: what DigitalOcean takes for an address that nobody uses, and for a gigabyte of snapshots.
FLOATING_IP_COST = 5.0
GIGABYTE_COST = 0.06
ACCEPTED = Reply(202)


def show(call: Call) -> Reply:
    found = call.cloud.associated.of(call.number("droplet"))
    addresses = [_address(ip) for ip in found.floating_ips]
    return Reply(200, _resources(addresses, [_snapshot(image) for image in found.snapshots]))


def destroy_all(call: Call) -> Reply:
    if call.headers.get("x-dangerous", "").lower() != "true":
        raise BadRequest("The header X-Dangerous must be true.")
    call.cloud.associated.destroy_all(call.number("droplet"))
    return ACCEPTED


class Selected(Body):
    floating_ips: list[Word] = []
    reserved_ips: list[Word] = []
    snapshots: list[Word] = []
    volumes: list[Word] = []
    volume_snapshots: list[Word] = []


def destroy_some(call: Call, body: Selected) -> Reply:
    """An address may be listed under either of its names; there are no volumes that could be listed."""
    if body.volumes or body.volume_snapshots:
        raise NotFound
    addresses = dict.fromkeys(body.floating_ips + body.reserved_ips)
    call.cloud.associated.destroy_some(call.number("droplet"), list(addresses), body.snapshots)
    return ACCEPTED


def retry(call: Call) -> Reply:
    call.cloud.associated.retry(call.number("droplet"))
    return ACCEPTED


def status(call: Call) -> Reply:
    """What belonged to the droplet was gone at once; the droplet takes its time."""
    action = call.cloud.associated.last(call.number("droplet"))
    gone = {"destroyed_at": action.started_at, "error_message": ""}
    groups = {name: [item | gone for item in items] for name, items in action.args["associated"].items()}
    droplet = {
        "id": str(action.resource_id),
        "name": action.args["name"],
        "error_message": action.reason,
        **({"destroyed_at": action.completed_at} if action.status == COMPLETED else {}),
    }
    return Reply(
        200,
        {
            "droplet": droplet,
            "resources": _resources(groups["floating_ips"], groups["snapshots"]),
            **({"completed_at": action.completed_at} if action.completed_at else {}),
            "failures": int(action.status == ERRORED),
        },
    )


def _resources(addresses: list[dict[str, Any]], snapshots: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "reserved_ips": addresses,
        "floating_ips": addresses,
        "snapshots": snapshots,
        "volumes": [],
        "volume_snapshots": [],
    }


def _address(ip: FloatingIP) -> dict[str, Any]:
    return {"id": str(ip.id), "name": ip.address, "cost": f"{FLOATING_IP_COST:.2f}"}


def _snapshot(image: Image) -> dict[str, Any]:
    return {"id": str(image.id), "name": image.name, "cost": f"{max(0.01, gigabytes(image) * GIGABYTE_COST):.2f}"}


PATH = "/v2/droplets/{droplet}/destroy_with_associated_resources"
_LISTED = many(optional_object(id=TEXT, name=TEXT))
ASSOCIATED = object_of(**dict.fromkeys(("reserved_ips", "floating_ips", "snapshots"), _LISTED))
ROUTES = [
    Row("GET", PATH, show, Operation("List what belongs to a droplet and would outlive it", answer=ASSOCIATED)),
    Row(
        "GET",
        f"{PATH}/status",
        status,
        Operation(
            "Show how far a droplet's end has come",
            answer=with_all(optional_object(droplet=ANYTHING, resources=ASSOCIATED), "droplet"),
        ),
    ),
    Row(
        "DELETE",
        f"{PATH}/dangerous",
        destroy_all,
        Operation("Delete a droplet and all that belongs to it; needs the header X-Dangerous: true", 202),
    ),
    Row(
        "DELETE",
        f"{PATH}/selective",
        destroy_some,
        Operation("Delete a droplet and some of what belongs to it", 202),
    ),
    Row("POST", f"{PATH}/retry", retry, Operation("Delete once more what could not be deleted", 202)),
]
