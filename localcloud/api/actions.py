"""/v2/actions: everything that was ever done, newest first; what is done to databases is not told, as there."""

from __future__ import annotations

from typing import Any

from localcloud.api import regions
from localcloud.api.http import Call, Reply, listing
from localcloud.engine.catalogue import REGIONS
from localcloud.engine.errors import NotFound
from localcloud.engine.records import DATABASE, Action


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
    found = call.cloud.store.actions.page(
        call.page, "resource_type = ? AND resource_id = ?", resource_type, resource_id, newest=True
    )
    return listing(call, "actions", found, render)


def one_of_resource(call: Call, resource_type: str, resource_id: int) -> Reply:
    action = call.cloud.store.actions.get(call.number("action"))
    if action is None or (action.resource_type, action.resource_id) != (resource_type, resource_id):
        raise NotFound
    return Reply(200, {"action": render(action)})


def index(call: Call) -> Reply:
    found = call.cloud.store.actions.page(call.page, "resource_type != ?", DATABASE, newest=True)
    return listing(call, "actions", found, render)


def show(call: Call) -> Reply:
    action = call.cloud.store.actions.get(call.number("action"))
    if action is None or action.resource_type == DATABASE:
        raise NotFound
    return Reply(200, {"action": render(action)})


ROUTES = [
    ("GET", "/v2/actions", index),
    ("GET", "/v2/actions/{action}", show),
]
