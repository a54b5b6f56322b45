"""GET /_localocean/openapi.json: the description of everything that is offered, in OpenAPI 3.1."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

from localocean.api.http import Call, Reply
from localocean.api.operations import REFUSALS, Operation, Row
from localocean.api.schemas import ANYTHING, ID, RESOURCES, TEXT, Schema, reference

OPEN = {"/_localocean/health"}
NUMBERED = {"action", "droplet", "snapshot"}
"""Path parameters that are ids; the others are names, slugs or addresses."""

REFERENCE = "#/components/schemas/{model}"
VERSION = "2.0.0"


def document(rows: Sequence[Row]) -> dict[str, Any]:
    """The description of all these routes."""
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "localocean",
            "version": VERSION,
            "description": "What the local cloud offers of DigitalOcean's API v2, and its own controls beside it.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": {**RESOURCES, **_bodies(rows)},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {"refusal": {"description": "Refused", "content": _json(reference("error"))}},
        },
    }


def _bodies(rows: Sequence[Row]) -> dict[str, Any]:
    """The descriptions of all bodies, and of the objects within them, by name."""
    bodies = dict.fromkeys(row.body for row in rows if row.body)
    _, found = models_json_schema([(body, "validation") for body in bodies], ref_template=REFERENCE)
    return dict(found["$defs"])


def _operation(row: Row) -> dict[str, Any]:
    method, path, operation = row.method, row.path, row.operation
    described: dict[str, Any] = {
        "operationId": re.sub(r"[^a-z0-9]+", "_", f"{method} {path}".lower()).strip("_"),
        "summary": operation.summary,
        "tags": [path.split("/")[2]],
        "parameters": [*_in_path(path), *_in_query(operation)],
        "responses": {
            str(operation.status): _success(operation),
            **{str(status): {"$ref": "#/components/responses/refusal"} for status in REFUSALS},
        },
    }
    if row.body is not None:
        described["requestBody"] = {"required": True, "content": _json(reference(row.body.__name__))}
    if path in OPEN:
        described["security"] = []
    return described


def _success(operation: Operation) -> dict[str, Any]:
    content = {"content": _json(operation.answer)} if operation.answer is not None else {}
    return {"description": "Done", **content}


def _in_path(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": ID if name in NUMBERED else {**TEXT, "minLength": 1}}
        for name in re.findall(r"{(\w+)}", path)
    ]


def _in_query(operation: Operation) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "schema": schema} for name, schema in operation.query.items()]


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def described(rows: Sequence[Row]) -> list[Row]:
    """The rows, and one more that shows the description of them all."""

    def show(call: Call) -> Reply:
        return Reply(200, document(whole))

    whole = [*rows, Row("GET", "/_localocean/openapi.json", show, Operation("Describe this API", answer=ANYTHING))]
    return whole
