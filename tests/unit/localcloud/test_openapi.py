"""The description of the API tells of every route, and of none that is not there."""

from __future__ import annotations

from typing import Any

import schemathesis

from localcloud.api.app import RESOURCES
from localcloud.api.openapi import document
from localcloud.api.operations import OPERATIONS


def test_every_route_is_described_and_every_description_has_its_route() -> None:
    routes = {(method, path) for resource in RESOURCES for method, path, _ in resource.ROUTES}
    assert routes - OPERATIONS.keys() == set(), "add these to localcloud/api/operations.py"
    assert OPERATIONS.keys() - routes == set(), "remove these from localcloud/api/operations.py"


def test_the_description_is_valid_openapi() -> None:
    schemathesis.openapi.from_dict(document()).validate()


def test_names_of_operations_are_used_once() -> None:
    names = [operation["operationId"] for path in document()["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))


def test_every_reference_has_its_target() -> None:
    described = document()
    for reference in _references(described):
        target: Any = described
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in _references(value)]
    return [found for value in node for found in _references(value)] if isinstance(node, list) else []
