"""/v2/images: a public image is named by id or slug, a private one by id."""

from __future__ import annotations

from typing import Any

from localcloud.api.http import NOTHING, Call, Reply, listing
from localcloud.engine.catalogue import REGIONS
from localcloud.engine.images import ImageFilter, ImageView
from localcloud.engine.records import Image

GIGABYTE = 1_000_000_000


def gigabytes(image: Image) -> float:
    return max(0.01, round(image.size_bytes / GIGABYTE, 2))


def regions(image: Image) -> list[str]:
    return [image.region] if image.region else list(REGIONS)


def render(view: ImageView) -> dict[str, Any]:
    image = view.image
    return {
        "id": image.id,
        "name": image.name,
        "type": "snapshot" if image.slug is None else "base",
        "distribution": image.distribution,
        "slug": image.slug,
        "public": image.slug is not None,
        "regions": regions(image),
        "created_at": image.created_at,
        "min_disk_size": image.min_disk_size,
        "size_gigabytes": gigabytes(image),
        "description": image.description,
        "tags": view.tags,
        "status": "deleted" if image.deleted else "available",
        "error_message": "",
    }


def index(call: Call) -> Reply:
    wanted = ImageFilter(
        private=True if call.query.get("private", "").lower() == "true" else None,
        type=call.query.get("type"),
        tag_name=call.query.get("tag_name"),
        name=call.query.get("name"),
    )
    return listing(call, "images", call.cloud.images.page(call.page, wanted), render)


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


ROUTES = [
    ("GET", "/v2/images", index),
    ("GET", "/v2/images/{image}", show),
    ("PUT", "/v2/images/{image}", update),
    ("DELETE", "/v2/images/{image}", delete),
]
