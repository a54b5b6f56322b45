"""/v2/floating_ips and /v2/reserved_ips: two names of the same addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from localcloud.api import actions, droplets, regions
from localcloud.api.http import NOTHING, Call, Handler, Reply, identifier, listing
from localcloud.engine.catalogue import REGIONS
from localcloud.engine.errors import NotFound, Unprocessable
from localcloud.engine.floating import FloatingView, number, urn
from localcloud.engine.records import FLOATING_IP


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


def create(call: Call, key: str) -> Reply:
    """With a droplet the address is assigned by an action of its own, so it is still free in the answer."""
    if call.body.get("droplet_id"):
        view, action = call.cloud.floating_ips.reserve_for(_droplet_id(call))
        href = f"{call.base}/v2/droplets/{action.args['droplet_id']}"
        links = {
            "droplets": [{"id": action.args["droplet_id"], "rel": "droplet", "href": href}],
            "actions": [actions.link(call, action, "assign_ip")],
        }
        return Reply(202, {key: render(call, view), "links": links})
    view = call.cloud.floating_ips.reserve(call.text("region") or "", call.text("project_id"))
    return Reply(202, {key: render(call, view), "links": {}})


def show(call: Call, key: str) -> Reply:
    return Reply(200, {key: render(call, call.cloud.floating_ips.get(call.params["ip"]))})


def delete(call: Call, key: str) -> Reply:
    call.cloud.floating_ips.release(call.params["ip"])
    return NOTHING


def act(call: Call, key: str) -> Reply:
    address = call.cloud.floating_ips.record(call.params["ip"]).address
    match call.text("type"):
        case "assign":
            action = call.cloud.floating_ips.assign(address, _droplet_id(call))
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


def _droplet_id(call: Call) -> int:
    value = call.body.get("droplet_id")
    try:
        return identifier(str(value))
    except NotFound:
        raise Unprocessable("droplet_id must be the id of a Droplet.") from None


def _named(handler: Callable[[Call, str], Reply], key: str) -> Handler:
    return lambda call: handler(call, key)


_TABLE = [
    ("GET", "", index),
    ("POST", "", create),
    ("GET", "/{ip}", show),
    ("DELETE", "/{ip}", delete),
    ("GET", "/{ip}/actions", actions_of),
    ("POST", "/{ip}/actions", act),
    ("GET", "/{ip}/actions/{action}", action_of),
]
ROUTES = [
    (method, f"/v2/{key}s{path}", _named(handler, key))
    for key in ("floating_ip", "reserved_ip")
    for method, path, handler in _TABLE
]
