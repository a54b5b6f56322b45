"""Projects and the resources in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.support import Api


@pytest.fixture(autouse=True)
def emptied(clean: None) -> Iterator[None]:
    yield


def make(api: Api, **fields: str) -> Any:
    return api.call("POST", "/v2/projects", {"name": "p", "purpose": "tests", **fields}, status=201)["project"]


def urns(api: Api, project: str) -> list[str]:
    return [resource["urn"] for resource in api.get(f"/v2/projects/{project}/resources")["resources"]]


def test_a_project_is_made_changed_and_removed(api: Api) -> None:
    project = make(api, description="text", environment="Staging")
    assert project["is_default"] is False and project["purpose"] == "Other: tests"
    path = f"/v2/projects/{project['id']}"
    assert api.get(path)["project"] == project
    assert api.call("PATCH", path, {"name": "q"}, status=200)["project"]["name"] == "q"
    assert "required" in api.call("PUT", path, {"name": "r"}, status=422)["message"]
    whole = {
        "name": "r",
        "description": "",
        "purpose": "Web Application",
        "environment": "Production",
        "is_default": False,
    }
    changed = api.call("PUT", path, whole, status=200)["project"]
    assert {name: changed[name] for name in whole} == whole
    assert api.get("/v2/projects")["meta"]["total"] == 2
    api.call("DELETE", path, status=204)
    api.call("GET", path, status=404)


@pytest.mark.parametrize(
    "fields", [{"name": ""}, {"purpose": ""}, {"name": "x" * 176}, {"environment": "Lab"}, {"name": "local"}]
)
def test_what_cannot_be_is_refused(api: Api, fields: dict[str, str]) -> None:
    api.call("POST", "/v2/projects", {"name": "p", "purpose": "tests", **fields}, status=422)


def test_a_project_without_an_environment_names_none(api: Api) -> None:
    assert "environment" not in make(api)


@pytest.mark.parametrize("urn", ["do:vpc:5a4981aa-9653-4bd1-bef5-d6bff52042e4", "droplet:1", "do:droplet:", "x"])
def test_a_resource_that_no_project_takes_is_refused_by_name(api: Api, urn: str) -> None:
    project = make(api)["id"]
    path = f"/v2/projects/{project}/resources"
    refused = api.call("POST", path, {"resources": ["do:droplet:1", urn]}, status=400)
    assert urn in refused["message"] and "droplet" in refused["message"]


def test_resources_move_between_projects(api: Api) -> None:
    project = make(api)["id"]
    ip = api.call("POST", "/v2/floating_ips", {"region": "nyc3"}, status=202)["floating_ip"]["ip"]
    urn, path = f"do:floatingip:{ip}", f"/v2/projects/{project}/resources"
    assert urns(api, "default") == [urn]
    for expected in ("assigned", "already_assigned"):
        answer = api.call("POST", path, {"resources": [urn, "do:droplet:1"]}, status=200)["resources"]
        assert [each["status"] for each in answer] == [expected, "not_found"]
    assert (urns(api, project), urns(api, "default")) == ([urn], [])
    assert api.get(f"/v2/floating_ips/{ip}")["floating_ip"]["project_id"] == project
    error = api.call("DELETE", f"/v2/projects/{project}", status=412)
    assert (error["id"], error["message"]) == ("precondition_failed", "cannot delete a project with resources")
    api.call("POST", "/v2/projects/default/resources", {"resources": [urn.replace("floating", "reserved")]}, status=200)
    assert (urns(api, project), urns(api, "default")) == ([], [urn])
    api.call("DELETE", f"/v2/projects/{project}", status=204)


def test_an_address_begins_in_the_project_that_its_order_names(api: Api) -> None:
    project = make(api)["id"]
    order = {"region": "nyc3", "project_id": project}
    address = api.call("POST", "/v2/reserved_ips", order, status=202)["reserved_ip"]
    assert address["project_id"] == project
    assert urns(api, project) == [f"do:floatingip:{address['ip']}"]
    api.call("POST", "/v2/floating_ips", order | {"project_id": "none"}, status=422)
    assert api.get("/v2/floating_ips")["meta"]["total"] == 1


def test_there_is_always_one_default(api: Api) -> None:
    former = api.get("/v2/projects/default")["project"]["id"]
    ip = api.call("POST", "/v2/floating_ips", {"region": "nyc3"}, status=202)["floating_ip"]["ip"]
    project = make(api)["id"]
    api.call("PATCH", f"/v2/projects/{project}", {"is_default": True}, status=200)
    assert api.get("/v2/projects/default")["project"]["id"] == project
    assert (urns(api, former), urns(api, project)) == ([f"do:floatingip:{ip}"], [])
    api.call("PATCH", f"/v2/projects/{project}", {"is_default": False}, status=422)
    api.call("DELETE", f"/v2/projects/{project}", status=412)
