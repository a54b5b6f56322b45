"""/_localocean/faults: what is to go wrong, asked for; never under /v2, where DigitalOcean has no such thing."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, WithJsonSchema, model_validator
from starlette.responses import Response

from localocean.api import errors
from localocean.api.bodies import Body
from localocean.api.http import NOTHING, Call, Reply, render
from localocean.api.operations import Operation, Row, gone
from localocean.api.schemas import ANYTHING, many, object_of, text
from localocean.engine.errors import PENDING_DROPLET
from localocean.engine.faults import KINDS, Fault

# DigitalOcean's words for each status.
ANSWERS = {
    422: ("unprocessable_entity", PENDING_DROPLET),
    429: ("too_many_requests", "API Rate limit exceeded."),
    500: ("server_error", "Unexpected server-side error"),
    503: ("service_unavailable", "Service Unavailable"),
    504: ("gateway_timeout", "Gateway Timeout"),
}


def answer(fault: Fault, request_id: str) -> Response:
    """What a request that meets the fault gets."""
    status = fault.status or 504
    response = render(status, errors.body(*ANSWERS[status], request_id))
    if fault.retry_after is not None:
        response.headers["retry-after"] = str(fault.retry_after)
    return response


def index(call: Call) -> Reply:
    return Reply(200, {"faults": [fault.shown() for fault in call.cloud.faults.all()]})


class FaultOrder(Body):
    """A kind and the fields that it takes, which the engine knows; a null means something here."""

    model_config = ConfigDict(extra="allow")
    NEEDED = ("kind",)
    kind: Annotated[Any, WithJsonSchema(text(*KINDS))] = None

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        return data


def create(call: Call, body: FaultOrder) -> Reply:
    return Reply(201, {"fault": call.cloud.add_fault(body.model_dump(exclude_unset=True)).shown()})


def delete(call: Call) -> Reply:
    call.cloud.clear_faults(call.number("fault"))
    return NOTHING


def clear(call: Call) -> Reply:
    call.cloud.clear_faults()
    return NOTHING


ROUTES = [
    Row(
        "GET",
        "/_localocean/faults",
        index,
        Operation("List the faults that wait", answer=object_of(faults=many(ANYTHING))),
    ),
    Row(
        "POST",
        "/_localocean/faults",
        create,
        Operation("Have something go wrong", status=201, answer=object_of(fault=ANYTHING)),
    ),
    Row("DELETE", "/_localocean/faults", clear, gone("Clear all faults")),
    Row("DELETE", "/_localocean/faults/{fault}", delete, gone("Clear a fault")),
]
