"""/v2/tags, and the resources that carry them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localcloud.api.http import NOTHING, Call, Reply, listing
from localcloud.engine.errors import Unprocessable
from localcloud.engine.records import Tagging
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
    groups = {name: [each for each in tag.taggings if each.resource_type == kind] for kind, name in GROUPS.items()}
    each_kind = {name: _use(call, taggings) for name, taggings in groups.items()}
    return {"name": tag.name, "resources": _use(call, tag.taggings) | each_kind}


def _use(call: Call, taggings: Sequence[Tagging]) -> dict[str, Any]:
    """How many carry a tag, and which of them for the shortest time."""
    if not taggings:
        return {"count": 0}
    last = taggings[-1]
    uri = f"{call.base}/v2/{GROUPS[last.resource_type]}/{last.resource_id}"
    return {"count": len(taggings), "last_tagged_uri": uri}


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
