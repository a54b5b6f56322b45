"""/v2/floating_ips and /v2/reserved_ips: two names of the same addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from localocean.api import actions, droplets, regions
from localocean.api.http import NOTHING, Call, Handler, Reply, identifier, listing
from localocean.api.operations import Operation, Row, gone, listed, made, shown
from localocean.api.schemas import BEGUN, ID, TEXT, nullable, reference, some, text, thing, with_all
from localocean.engine.catalogue import REGIONS
from localocean.engine.errors import NotFound, Unprocessable
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


def _rows(key: str) -> list[Row]:
    """The routes of floating IPs, which reserved IPs share."""
    path, title = f"/v2/{key}s", key.replace("_ip", " IP")
    reserved = Operation(
        f"Reserve a {title}, and assign it when a droplet is given",
        202,
        thing(**{key: reference("address")}, links=BEGUN),
        some(region=TEXT, droplet_id=ID, project_id=nullable(TEXT)),
    )
    action = with_all(some(type=text("assign", "unassign"), droplet_id=ID), "type")
    one = f"{path}/{{ip}}"
    return [
        Row("GET", path, _named(index, key), listed(f"List {title}s", f"{key}s", "address")),
        Row("POST", path, _named(create, key), reserved),
        Row("GET", one, _named(show, key), shown(f"Show a {title}", key, "address")),
        Row("DELETE", one, _named(delete, key), gone(f"Release a {title}")),
        Row(
            "GET",
            f"{one}/actions",
            _named(actions_of, key),
            listed(f"List what was done to a {title}", "actions", "action"),
        ),
        Row(
            "POST",
            f"{one}/actions",
            _named(act, key),
            made(f"Assign or unassign a {title}", "action", "action", action),
        ),
        Row(
            "GET", f"{one}/actions/{{action}}", _named(action_of, key), shown(f"Show an action of a {title}", "action")
        ),
    ]


ROUTES = [*_rows("floating_ip"), *_rows("reserved_ip")]
