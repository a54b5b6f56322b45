"""The description of the API tells of every route, and of none that is not there."""

from __future__ import annotations

from typing import Any

import schemathesis

from localocean.api.app import ROWS
from localocean.api.openapi import document


def test_no_route_is_there_twice() -> None:
    routes = [(row.method, row.path) for row in ROWS]
    assert len(routes) == len(set(routes)) > 100


def test_the_description_is_valid_openapi() -> None:
    schemathesis.openapi.from_dict(document(ROWS)).validate()


def test_names_of_operations_are_used_once() -> None:
    names = [operation["operationId"] for path in document(ROWS)["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))


def test_every_reference_has_its_target() -> None:
    described = document(ROWS)
    for reference in _references(described):
        target: Any = described
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in _references(value)]
    return [found for value in node for found in _references(value)] if isinstance(node, list) else []
