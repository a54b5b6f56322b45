"""/v2/projects, and the resources in them."""

from __future__ import annotations

from typing import Any

from localocean.api.account import UUID as OWNER
from localocean.api.bodies import Body, Truth, Word
from localocean.api.http import NOTHING, Call, Reply, listing, whole
from localocean.api.operations import Operation, Row, gone, listed, made, shown
from localocean.api.schemas import many, object_of, reference
from localocean.engine.errors import Unprocessable
from localocean.engine.kinds import IN_PROJECTS
from localocean.engine.projects import Resource
from localocean.store.records import Project

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


class ProjectChange(Body):
    name: str | None = None
    description: str | None = None
    purpose: str | None = None
    environment: str | None = None
    is_default: Truth | None = None

    @property
    def values(self) -> dict[str, str]:
        """What is given of the fields of a project."""
        return self.model_dump(exclude={"is_default"}, exclude_none=True)


class Resources(Body):
    resources: list[Word] = []


def create(call: Call, body: ProjectChange) -> Reply:
    return Reply(201, {"project": render(call.cloud.projects.create(body.values))})


def show(call: Call) -> Reply:
    return Reply(200, {"project": render(call.cloud.projects.get(call.params["project"]))})


def update(call: Call, body: ProjectChange) -> Reply:
    """PUT, which wants everything again."""
    missing = [name for name, value in body if value is None]
    if missing:
        raise Unprocessable(f"{missing[0]} is required")
    return patch(call, body)


def patch(call: Call, body: ProjectChange) -> Reply:
    project = call.cloud.projects.update(call.params["project"], body.values, body.is_default)
    return Reply(200, {"project": render(project)})


def delete(call: Call) -> Reply:
    call.cloud.projects.delete(call.params["project"])
    return NOTHING


def resources(call: Call) -> Reply:
    found = call.cloud.projects.resources(call.params["project"])
    return listing(call, "resources", whole(found, call.page), lambda resource: _resource(call, resource))


def assign(call: Call, body: Resources) -> Reply:
    answers = call.cloud.projects.assign(call.params["project"], body.resources)
    return Reply(200, {"resources": [_resource(call, answer) for answer in answers]})


def _resource(call: Call, resource: Resource) -> dict[str, Any]:
    kind, _, identifier = resource.urn.removeprefix("do:").partition(":")
    path = f"{PATHS.get(kind, kind)}/{identifier}"
    links = {"self": f"{call.base}/v2/{path}"}
    return {"urn": resource.urn, "assigned_at": resource.assigned_at, "links": links, "status": resource.status}


ROUTES = [
    Row("GET", "/v2/projects", index, listed("List projects", "projects", "project")),
    Row("POST", "/v2/projects", create, made("Create a project", "project", "project")),
    Row("GET", "/v2/projects/{project}", show, shown("Show a project; `default` is one of its names", "project")),
    Row("PUT", "/v2/projects/{project}", update, made("Change a project", "project", "project", 200)),
    Row(
        "PATCH",
        "/v2/projects/{project}",
        patch,
        made("Change a project in part", "project", "project", 200),
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
            answer=object_of(resources=many(reference("project_resource"))),
        ),
    ),
]
