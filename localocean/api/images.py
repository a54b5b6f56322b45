"""/v2/images: a public image is named by id or slug, a private one by id."""

from __future__ import annotations

from typing import Any

from localocean.api import actions
from localocean.api.bodies import Body, Word
from localocean.api.http import NOTHING, Call, Reply, listing
from localocean.api.operations import Row, gone, listed, made, shown
from localocean.api.schemas import BOOLEAN, TEXT
from localocean.engine.catalogue import REGIONS
from localocean.engine.errors import Unprocessable
from localocean.engine.images import ImageFilter, ImageView
from localocean.engine.imports import ImageOrder
from localocean.store.records import IMAGE, Image

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


class CustomImage(Body):
    NEEDED = ("name", "url", "region")
    name: str = ""
    url: str = ""
    region: str = ""
    distribution: str = ""
    description: str = ""
    tags: list[Word] = []


class ImageChange(Body):
    name: str | None = None
    distribution: str | None = None
    description: str | None = None


class ImageAction(Body):
    NEEDED = ("type",)
    type: str | None = None
    region: str = ""


def create(call: Call, body: CustomImage) -> Reply:
    order = ImageOrder(**{**body.model_dump(), "tags": tuple(body.tags)})
    return Reply(202, {"image": render(call.cloud.custom_images.create(order))})


def show(call: Call) -> Reply:
    return Reply(200, {"image": render(call.cloud.images.get(call.params["image"]))})


def update(call: Call, body: ImageChange) -> Reply:
    view = call.cloud.images.edit(call.number("image"), body.name, body.distribution, body.description)
    return Reply(200, {"image": render(view)})


def delete(call: Call) -> Reply:
    call.cloud.images.delete(call.number("image"))
    return NOTHING


def act(call: Call, body: ImageAction) -> Reply:
    match body.type:
        case "transfer":
            action = call.cloud.custom_images.transfer(call.number("image"), body.region)
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
    Row(
        "GET",
        "/v2/images",
        index,
        listed("List images", "images", "image", type=TEXT, private=BOOLEAN, tag_name=TEXT, name=TEXT),
    ),
    Row("POST", "/v2/images", create, made("Make an image of a file at a URL", "image", "image", 202)),
    Row("GET", "/v2/images/{image}", show, shown("Show an image, by id or slug", "image")),
    Row(
        "PUT",
        "/v2/images/{image}",
        update,
        made("Rename or describe an image", "image", "image", 200),
    ),
    Row("DELETE", "/v2/images/{image}", delete, gone("Delete an image")),
    Row("GET", "/v2/images/{image}/actions", actions_of, listed("List what was done to an image", "actions", "action")),
    Row(
        "POST",
        "/v2/images/{image}/actions",
        act,
        made("Transfer or convert an image", "action", "action"),
    ),
    Row("GET", "/v2/images/{image}/actions/{action}", action_of, shown("Show an action of an image", "action")),
]
