"""/v2/floating_ips and /v2/reserved_ips: two names of the same addresses."""

from __future__ import annotations

from functools import partial
from typing import Any

from localocean.api import actions, droplets, regions
from localocean.api.bodies import Body, DropletId
from localocean.api.http import NOTHING, Call, Reply, listing
from localocean.api.operations import Operation, Row, gone, listed, made, shown
from localocean.api.schemas import BEGUN, object_of, reference
from localocean.engine.catalogue import REGIONS
from localocean.engine.errors import Unprocessable
from localocean.engine.floating import FloatingView, number, urn
from localocean.store.records import FLOATING_IP


def render(call: Call, view: FloatingView) -> dict[str, Any]:
    return {
        "ip": view.record.address,
        "region": regions.render(REGIONS[view.record.region]),
        "droplet": droplets.render(call, view.droplet) if view.droplet else None,
        "locked": view.locked,
        "project_id": call.cloud.projects.of(urn(view.record.address)),
    }


def index(call: Call, key: str) -> Reply:
    return listing(call, f"{key}s", call.cloud.floating_ips.page(call.page), lambda view: render(call, view))


class AddressOrder(Body):
    region: str = ""
    droplet_id: DropletId = 0
    project_id: str | None = None


class AddressAction(Body):
    NEEDED = ("type",)
    type: str | None = None
    droplet_id: DropletId = 0


def create(call: Call, body: AddressOrder, key: str) -> Reply:
    """With a droplet the address is assigned by an action of its own, so it is still free in the answer."""
    if body.droplet_id:
        view, action = call.cloud.floating_ips.reserve_for(body.droplet_id)
        href = f"{call.base}/v2/droplets/{action.args['droplet_id']}"
        links = {
            "droplets": [{"id": action.args["droplet_id"], "rel": "droplet", "href": href}],
            "actions": [actions.link(call, action, "assign_ip")],
        }
        return Reply(202, {key: render(call, view), "links": links})
    view = call.cloud.floating_ips.reserve(body.region, body.project_id)
    return Reply(202, {key: render(call, view), "links": {}})


def show(call: Call, key: str) -> Reply:
    return Reply(200, {key: render(call, call.cloud.floating_ips.get(call.params["ip"]))})


def delete(call: Call, key: str) -> Reply:
    call.cloud.floating_ips.release(call.params["ip"])
    return NOTHING


def act(call: Call, body: AddressAction, key: str) -> Reply:
    address = call.cloud.floating_ips.record(call.params["ip"]).address
    match body.type:
        case "assign":
            action = call.cloud.floating_ips.assign(address, _given(body.droplet_id))
        case "unassign":
            action = call.cloud.floating_ips.unassign(address)
        case other:
            raise Unprocessable(f"The action type {other!r} is not valid for a floating IP.")
    return Reply(201, {"action": actions.render(action)})


def actions_of(call: Call, key: str) -> Reply:
    return actions.of_resource(call, FLOATING_IP, _number(call))


def action_of(call: Call, key: str) -> Reply:
    return actions.one_of_resource(call, FLOATING_IP, _number(call))


def _number(call: Call) -> int:
    return number(call.cloud.floating_ips.record(call.params["ip"]).address)


def _given(droplet: int) -> int:
    if not droplet:
        raise Unprocessable("droplet_id must be the id of a Droplet.")
    return droplet


def _rows(key: str) -> list[Row]:
    """The routes of floating IPs, which reserved IPs share."""
    path, title = f"/v2/{key}s", key.replace("_ip", " IP")
    reserved = Operation(
        f"Reserve a {title}, and assign it when a droplet is given",
        202,
        object_of(**{key: reference("address")}, links=BEGUN),
    )
    one = f"{path}/{{ip}}"
    return [
        Row("GET", path, partial(index, key=key), listed(f"List {title}s", f"{key}s", "address")),
        Row("POST", path, partial(create, key=key), reserved),
        Row("GET", one, partial(show, key=key), shown(f"Show a {title}", key, "address")),
        Row("DELETE", one, partial(delete, key=key), gone(f"Release a {title}")),
        Row(
            "GET",
            f"{one}/actions",
            partial(actions_of, key=key),
            listed(f"List what was done to a {title}", "actions", "action"),
        ),
        Row(
            "POST",
            f"{one}/actions",
            partial(act, key=key),
            made(f"Assign or unassign a {title}", "action", "action"),
        ),
        Row(
            "GET",
            f"{one}/actions/{{action}}",
            partial(action_of, key=key),
            shown(f"Show an action of a {title}", "action"),
        ),
    ]


ROUTES = [*_rows("floating_ip"), *_rows("reserved_ip")]
