"""/v2/tags, and the resources that carry them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localocean.api.bodies import Body, Named, Word
from localocean.api.http import NOTHING, Call, Reply, listing
from localocean.api.operations import Row, gone, listed, made, shown
from localocean.engine.kinds import TAGGABLE
from localocean.engine.tags import ELSEWHERE, TagUse
from localocean.store.records import Tagging

# Clients read a count of each of these, whether or not anything carries the tag.
GROUPS = {**{kind.name: kind.path for kind in TAGGABLE.values()}, **{name: f"{name}s" for name in ELSEWHERE}}


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


class TaggedResource(Body):
    NEEDED = ("resource_id", "resource_type")
    resource_id: Word = ""
    resource_type: str = ""


class TaggedResources(Body):
    resources: list[TaggedResource]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Each as its type and its id."""
        return [(each.resource_type, each.resource_id) for each in self.resources]


def create(call: Call, body: Named) -> Reply:
    return Reply(201, {"tag": render(call, call.cloud.tags.create(body.name))})


def show(call: Call) -> Reply:
    return Reply(200, {"tag": render(call, call.cloud.tags.get(call.params["name"]))})


def delete(call: Call) -> Reply:
    call.cloud.tags.delete(call.params["name"])
    return NOTHING


def attach(call: Call, body: TaggedResources) -> Reply:
    call.cloud.tags.attach(call.params["name"], body.pairs)
    return NOTHING


def detach(call: Call, body: TaggedResources) -> Reply:
    call.cloud.tags.detach(call.params["name"], body.pairs)
    return NOTHING


ROUTES = [
    Row("GET", "/v2/tags", index, listed("List tags", "tags", "tag")),
    Row("POST", "/v2/tags", create, made("Create a tag, or find it", "tag", "tag")),
    Row("GET", "/v2/tags/{name}", show, shown("Show a tag and what carries it", "tag")),
    Row("DELETE", "/v2/tags/{name}", delete, gone("Delete a tag")),
    Row("POST", "/v2/tags/{name}/resources", attach, gone("Tag resources")),
    Row("DELETE", "/v2/tags/{name}/resources", detach, gone("Untag resources")),
]
