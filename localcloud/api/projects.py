"""/v2/projects, and the resources in them."""

from __future__ import annotations

from typing import Any

from localcloud.api.account import UUID as OWNER
from localcloud.api.http import NOTHING, Call, Reply, listing, whole
from localcloud.engine.errors import Unprocessable
from localcloud.engine.projects import Resource
from localcloud.engine.records import Project

FIELDS = ("name", "description", "purpose", "environment")
PATHS = {"droplet": "droplets", "floatingip": "floating_ips", "reservedip": "reserved_ips", "dbaas": "databases"}


def render(project: Project) -> dict[str, Any]:
    # DigitalOcean names no environment, rather than an empty one, where nobody has said which.
    environment = {"environment": project.environment} if project.environment else {}
    return {
        "id": project.uuid,
        "owner_uuid": OWNER,
        "owner_id": 1,
        "name": project.name,
        "description": project.description,
        "purpose": project.purpose,
        **environment,
        "is_default": project.is_default,
        "created_at": project.created_at,
        "updated_at": project.updated_at,
    }


def index(call: Call) -> Reply:
    return listing(call, "projects", call.cloud.projects.page(call.page), render)


def create(call: Call) -> Reply:
    return Reply(201, {"project": render(call.cloud.projects.create(_values(call)))})


def show(call: Call) -> Reply:
    return Reply(200, {"project": render(call.cloud.projects.get(call.params["project"]))})


def update(call: Call) -> Reply:
    """PUT, which wants everything again."""
    missing = [name for name in (*FIELDS, "is_default") if call.body.get(name) is None]
    if missing:
        raise Unprocessable(f"{missing[0]} is required")
    return patch(call)


def patch(call: Call) -> Reply:
    project = call.cloud.projects.update(call.params["project"], _values(call), call.truth("is_default"))
    return Reply(200, {"project": render(project)})


def delete(call: Call) -> Reply:
    call.cloud.projects.delete(call.params["project"])
    return NOTHING


def resources(call: Call) -> Reply:
    found = call.cloud.projects.resources(call.params["project"])
    return listing(call, "resources", whole(found, call.page), lambda resource: _resource(call, resource))


def assign(call: Call) -> Reply:
    answers = call.cloud.projects.assign(call.params["project"], call.words("resources"))
    return Reply(200, {"resources": [_resource(call, answer) for answer in answers]})


def _values(call: Call) -> dict[str, str]:
    found = {name: call.text(name) for name in FIELDS}
    return {name: value for name, value in found.items() if value is not None}


def _resource(call: Call, resource: Resource) -> dict[str, Any]:
    kind, _, identifier = resource.urn.removeprefix("do:").partition(":")
    path = f"{PATHS.get(kind, kind)}/{identifier}"
    links = {"self": f"{call.base}/v2/{path}"}
    return {"urn": resource.urn, "assigned_at": resource.assigned_at, "links": links, "status": resource.status}


ROUTES = [
    ("GET", "/v2/projects", index),
    ("POST", "/v2/projects", create),
    ("GET", "/v2/projects/{project}", show),
    ("PUT", "/v2/projects/{project}", update),
    ("PATCH", "/v2/projects/{project}", patch),
    ("DELETE", "/v2/projects/{project}", delete),
    ("GET", "/v2/projects/{project}/resources", resources),
    ("POST", "/v2/projects/{project}/resources", assign),
]
