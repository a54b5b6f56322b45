"""/v2/actions: everything that was ever done, newest first; what is done to databases is not told, as there."""

from __future__ import annotations

from typing import Any

from localocean.api import regions
from localocean.api.http import Call, Reply, listing
from localocean.api.operations import Row, listed, shown
from localocean.engine.catalogue import REGIONS
from localocean.store.records import Action


def render(action: Action) -> dict[str, Any]:
    return {
        "id": action.id,
        "status": action.status,
        "type": action.type,
        "started_at": action.started_at,
        "completed_at": action.completed_at,
        "resource_id": action.resource_id,
        "resource_type": action.resource_type,
        "region": regions.render(REGIONS[action.region]),
        "region_slug": action.region,
    }


def link(call: Call, action: Action, rel: str) -> dict[str, Any]:
    """How an answer points at the action that it began."""
    return {"id": action.id, "rel": rel, "href": f"{call.base}/v2/actions/{action.id}"}


def of_resource(call: Call, resource_type: str, resource_id: int) -> Reply:
    """One resource's actions, as a list."""
    return listing(call, "actions", call.cloud.actions.page_of(resource_type, resource_id, call.page), render)


def one_of_resource(call: Call, resource_type: str, resource_id: int) -> Reply:
    action = call.cloud.actions.get_of(resource_type, resource_id, call.number("action"))
    return Reply(200, {"action": render(action)})


def index(call: Call) -> Reply:
    return listing(call, "actions", call.cloud.actions.page(call.page), render)


def show(call: Call) -> Reply:
    return Reply(200, {"action": render(call.cloud.actions.get(call.number("action")))})


ROUTES = [
    Row("GET", "/v2/actions", index, listed("List everything that was done, newest first", "actions", "action")),
    Row("GET", "/v2/actions/{action}", show, shown("Show an action", "action")),
]
