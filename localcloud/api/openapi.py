"""GET /_localcloud/openapi.json: the description of everything that is offered, in OpenAPI 3.1."""

from __future__ import annotations

import re
from typing import Any

from localcloud.api.http import Call, Reply
from localcloud.api.operations import OPERATIONS, REFUSALS, Operation
from localcloud.api.schemas import ID, RESOURCES, TEXT, Schema, reference

OPEN = {"/_localcloud/health"}
NUMBERED = {"action", "droplet", "snapshot"}
"""Path parameters that are ids; the others are names, slugs or addresses."""

VERSION = "2.0.0"


def document() -> dict[str, Any]:
    """The whole description."""
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in OPERATIONS.items():
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "localcloud",
            "version": VERSION,
            "description": "What the local cloud offers of DigitalOcean's API v2, and its own controls beside it.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": RESOURCES,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {"refusal": {"description": "Refused", "content": _json(reference("error"))}},
        },
    }


def show(call: Call) -> Reply:
    return Reply(200, document())


def _operation(method: str, path: str, operation: Operation) -> dict[str, Any]:
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
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": _json(operation.body)}
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


ROUTES = [("GET", "/_localcloud/openapi.json", show)]
