"""/v2/images: a public image is named by id or slug, a private one by id."""

from __future__ import annotations

from typing import Any

from localcloud.api import actions
from localcloud.api.http import NOTHING, Call, Reply, listing
from localcloud.engine.catalogue import REGIONS
from localcloud.engine.errors import Unprocessable
from localcloud.engine.images import ImageFilter, ImageView
from localcloud.engine.imports import ImageOrder
from localcloud.engine.records import IMAGE, Image

GIGABYTE = 1_000_000_000


def gigabytes(image: Image) -> float:
    return max(0.01, round(image.size_bytes / GIGABYTE, 2))


def regions(image: Image) -> list[str]:
    return [image.region, *image.regions] if image.region else list(REGIONS)


def render(view: ImageView) -> dict[str, Any]:
    image = view.image
    return {
        "id": image.id,
        "name": image.name,
        "type": image.type if image.slug is None else "snapshot",
        "distribution": image.distribution,
        "slug": image.slug,
        "public": image.slug is not None,
        "regions": regions(image),
        "created_at": image.created_at,
        "min_disk_size": image.min_disk_size,
        "size_gigabytes": gigabytes(image),
        "description": image.description,
        "tags": view.tags,
        "status": "deleted" if image.deleted else image.status,
        "error_message": image.error,
    }


def index(call: Call) -> Reply:
    wanted = ImageFilter(
        private=True if call.query.get("private", "").lower() == "true" else None,
        type=call.query.get("type"),
        tag_name=call.query.get("tag_name"),
        name=call.query.get("name"),
    )
    return listing(call, "images", call.cloud.images.page(call.page, wanted), render)


def create(call: Call) -> Reply:
    order = ImageOrder(
        name=call.text("name") or "",
        url=call.text("url") or "",
        region=call.text("region") or "",
        distribution=call.text("distribution") or "",
        description=call.text("description") or "",
        tags=tuple(call.words("tags")),
    )
    return Reply(202, {"image": render(call.cloud.custom_images.create(order))})


def show(call: Call) -> Reply:
    return Reply(200, {"image": render(call.cloud.images.get(call.params["image"]))})


def update(call: Call) -> Reply:
    view = call.cloud.images.edit(
        call.number("image"), call.text("name"), call.text("distribution"), call.text("description")
    )
    return Reply(200, {"image": render(view)})


def delete(call: Call) -> Reply:
    call.cloud.images.delete(call.number("image"))
    return NOTHING


def act(call: Call) -> Reply:
    match call.text("type"):
        case "transfer":
            action = call.cloud.custom_images.transfer(call.number("image"), call.text("region") or "")
        case "convert":
            action = call.cloud.custom_images.convert(call.number("image"))
        case other:
            raise Unprocessable(f"The action type {other!r} is not valid for an image.")
    return Reply(201, {"action": actions.render(action)})


def actions_of(call: Call) -> Reply:
    return actions.of_resource(call, IMAGE, call.cloud.images.get(call.params["image"]).image.id)


def action_of(call: Call) -> Reply:
    return actions.one_of_resource(call, IMAGE, call.cloud.images.get(call.params["image"]).image.id)


ROUTES = [
    ("GET", "/v2/images", index),
    ("POST", "/v2/images", create),
    ("GET", "/v2/images/{image}", show),
    ("PUT", "/v2/images/{image}", update),
    ("DELETE", "/v2/images/{image}", delete),
    ("GET", "/v2/images/{image}/actions", actions_of),
    ("POST", "/v2/images/{image}/actions", act),
    ("GET", "/v2/images/{image}/actions/{action}", action_of),
]
