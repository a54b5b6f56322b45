"""/v2/projects: the default project, which holds everything."""

from __future__ import annotations

import uuid
from typing import Any

from localcloud.api.account import UUID as OWNER
from localcloud.api.http import Call, Reply, listing, whole
from localcloud.engine.errors import NotFound

CREATED_AT = "2023-07-20T19:23:26Z"
ID = str(uuid.uuid5(uuid.NAMESPACE_DNS, "default.project.localcloud"))
PROJECT = {
    "id": ID,
    "owner_uuid": OWNER,
    "owner_id": 1,
    "name": "local",
    "description": "Everything in the local cloud",
    "purpose": "Other: rehearsal",
    "environment": "Development",
    "is_default": True,
    "created_at": CREATED_AT,
    "updated_at": CREATED_AT,
}


def index(call: Call) -> Reply:
    return listing(call, "projects", whole([PROJECT], call.page), lambda project: project)


def show(call: Call) -> Reply:
    _check(call)
    return Reply(200, {"project": PROJECT})


def resources(call: Call) -> Reply:
    _check(call)
    store = call.cloud.store
    held = [(f"do:droplet:{d.id}", d.created_at, f"droplets/{d.id}") for d in store.droplets.find()]
    held += [
        (f"do:floatingip:{ip.address}", ip.created_at, f"floating_ips/{ip.address}") for ip in store.floating_ips.find()
    ]
    return listing(call, "resources", whole(held, call.page), lambda row: _resource(call, row))


def _resource(call: Call, row: tuple[str, str, str]) -> dict[str, Any]:
    urn, assigned_at, path = row
    return {"urn": urn, "assigned_at": assigned_at, "links": {"self": f"{call.base}/v2/{path}"}, "status": "ok"}


def _check(call: Call) -> None:
    if call.params["project"] not in ("default", ID):
        raise NotFound


ROUTES = [
    ("GET", "/v2/projects", index),
    ("GET", "/v2/projects/{project}", show),
    ("GET", "/v2/projects/{project}/resources", resources),
]
