"""/v2/tags, and the resources that carry them."""

from __future__ import annotations

from typing import Any

from localcloud.api.http import NOTHING, Call, Reply, listing
from localcloud.engine.errors import Unprocessable
from localcloud.engine.tags import TagUse

# Clients read a count of each of these, whether or not anything carries the tag.
GROUPS = {
    "droplet": "droplets",
    "image": "images",
    "volume": "volumes",
    "volume_snapshot": "volume_snapshots",
    "database": "databases",
}


def render(call: Call, tag: TagUse) -> dict[str, Any]:
    resources: dict[str, Any] = {"count": sum(map(len, tag.resources.values()))}
    for kind, group in GROUPS.items():
        identifiers = tag.resources[kind]
        resources[group] = {"count": len(identifiers)}
        if identifiers:
            resources[group]["last_tagged_uri"] = f"{call.base}/v2/{group}/{identifiers[-1]}"
    return {"name": tag.name, "resources": resources}


def index(call: Call) -> Reply:
    return listing(call, "tags", call.cloud.tags.page(call.page), lambda tag: render(call, tag))


def create(call: Call) -> Reply:
    return Reply(201, {"tag": render(call, call.cloud.tags.create(call.text("name") or ""))})


def show(call: Call) -> Reply:
    return Reply(200, {"tag": render(call, call.cloud.tags.get(call.params["name"]))})


def delete(call: Call) -> Reply:
    call.cloud.tags.delete(call.params["name"])
    return NOTHING


def attach(call: Call) -> Reply:
    call.cloud.tags.attach(call.params["name"], _resources(call))
    return NOTHING


def detach(call: Call) -> Reply:
    call.cloud.tags.detach(call.params["name"], _resources(call))
    return NOTHING


def _resources(call: Call) -> list[tuple[str, str]]:
    resources = call.body.get("resources")
    if not isinstance(resources, list) or not all(isinstance(item, dict) for item in resources):
        raise Unprocessable("resources must be a list of objects.")
    return [(str(item.get("resource_type")), str(item.get("resource_id"))) for item in resources]


ROUTES = [
    ("GET", "/v2/tags", index),
    ("POST", "/v2/tags", create),
    ("GET", "/v2/tags/{name}", show),
    ("DELETE", "/v2/tags/{name}", delete),
    ("POST", "/v2/tags/{name}/resources", attach),
    ("DELETE", "/v2/tags/{name}/resources", detach),
]
