"""A route with all that is to be known of it: how it is called, who answers, what it takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from inspect import signature

from localocean.api.bodies import Body
from localocean.api.http import Handler
from localocean.api.schemas import Schema, object_of, page, reference

PAGE: Mapping[str, Schema] = {
    "page": {"type": "integer", "minimum": 1},
    "per_page": {"type": "integer", "minimum": 1, "maximum": 200},
}
REFUSALS = (400, 401, 403, 404, 409, 412, 413, 422, 429, 501)
"""Errors that any route can answer: DigitalOcean's body each time."""


@dataclass(frozen=True)
class Operation:
    """What a route does: the status and the body of its success (None: empty), and its query."""

    summary: str
    status: int = 200
    answer: Schema | None = None
    query: Mapping[str, Schema] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A route of a resource's table. The body that it takes is the one that its handler takes."""

    method: str
    path: str
    handler: Handler
    operation: Operation

    @cached_property
    def body(self) -> type[Body] | None:
        """The description of the body that it takes, if it takes one."""
        taken = (each.annotation for each in signature(self.handler, eval_str=True).parameters.values())
        return next((each for each in taken if isinstance(each, type) and issubclass(each, Body)), None)


def listed(summary: str, key: str, resource: str, **query: Schema) -> Operation:
    """A list in pages."""
    return Operation(summary, answer=page(key, reference(resource)), query={**query, **PAGE})


def shown(summary: str, key: str, resource: str | None = None) -> Operation:
    return Operation(summary, answer=object_of(**{key: reference(resource or key)}))


def made(summary: str, key: str, resource: str, status: int = 201) -> Operation:
    return Operation(summary, status, object_of(**{key: reference(resource)}))


def gone(summary: str, **query: Schema) -> Operation:
    """Done, with nothing to tell."""
    return Operation(summary, 204, None, query)
