"""/v2/projects, and the resources in them."""

from __future__ import annotations

from typing import Any

from localocean.api.account import UUID as OWNER
from localocean.api.http import NOTHING, Call, Reply, listing, whole
from localocean.api.operations import Operation, Row, gone, listed, made, shown
from localocean.api.schemas import TEXT, TRUTH, many, reference, some, thing
from localocean.engine.errors import Unprocessable
from localocean.engine.kinds import IN_PROJECTS
from localocean.engine.projects import Resource
from localocean.store.records import Project

FIELDS = ("name", "description", "purpose", "environment")
PATHS = {kind.urn: kind.path for kind in IN_PROJECTS.values()}


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


PROJECT_CHANGE = some(name=TEXT, description=TEXT, purpose=TEXT, environment=TEXT, is_default=TRUTH)
ROUTES = [
    Row("GET", "/v2/projects", index, listed("List projects", "projects", "project")),
    Row("POST", "/v2/projects", create, made("Create a project", "project", "project", PROJECT_CHANGE)),
    Row("GET", "/v2/projects/{project}", show, shown("Show a project; `default` is one of its names", "project")),
    Row("PUT", "/v2/projects/{project}", update, made("Change a project", "project", "project", PROJECT_CHANGE, 200)),
    Row(
        "PATCH",
        "/v2/projects/{project}",
        patch,
        made("Change a project in part", "project", "project", PROJECT_CHANGE, 200),
    ),
    Row("DELETE", "/v2/projects/{project}", delete, gone("Delete a project that nothing belongs to")),
    Row(
        "GET",
        "/v2/projects/{project}/resources",
        resources,
        listed("List what belongs to a project", "resources", "project_resource"),
    ),
    Row(
        "POST",
        "/v2/projects/{project}/resources",
        assign,
        Operation(
            "Put resources into a project",
            answer=thing(resources=many(reference("project_resource"))),
            body=some(resources=many(TEXT)),
        ),
    ),
]
