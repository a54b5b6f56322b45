"""/v2/snapshots: those of the private images that are snapshots, with ids that are strings."""

from __future__ import annotations

from typing import Any

from localocean.api.http import NOTHING, Call, Reply, listing, whole
from localocean.api.images import gigabytes, regions
from localocean.api.operations import Row, gone, listed, shown
from localocean.api.schemas import TEXT
from localocean.engine.errors import BadRequest
from localocean.engine.images import ImageView
from localocean.store.records import SNAPSHOT


def render(view: ImageView) -> dict[str, Any]:
    image = view.image
    return {
        "id": str(image.id),
        "name": image.name,
        "created_at": image.created_at,
        "regions": regions(image),
        "min_disk_size": image.min_disk_size,
        "size_gigabytes": gigabytes(image),
        "resource_id": str(image.droplet_id),
        "resource_type": "droplet",
        "tags": view.tags,
    }


def index(call: Call) -> Reply:
    if call.query.get("resource_type", "droplet") != "droplet":
        return listing(call, "snapshots", whole([], call.page), render)
    return listing(call, "snapshots", call.cloud.images.snapshots(call.page), render)


def show(call: Call) -> Reply:
    return Reply(200, {"snapshot": render(_snapshot(call))})


def delete(call: Call) -> Reply:
    call.cloud.images.delete(_snapshot(call).image.id)
    return NOTHING


def _snapshot(call: Call) -> ImageView:
    view = call.cloud.images.get(str(call.number("snapshot")))
    if view.image.type != SNAPSHOT:
        raise BadRequest("the resource is not a snapshot")
    return view


ROUTES = [
    Row("GET", "/v2/snapshots", index, listed("List snapshots", "snapshots", "snapshot", resource_type=TEXT)),
    Row("GET", "/v2/snapshots/{snapshot}", show, shown("Show a snapshot", "snapshot")),
    Row("DELETE", "/v2/snapshots/{snapshot}", delete, gone("Delete a snapshot")),
]
