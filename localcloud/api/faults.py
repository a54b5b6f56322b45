"""/_localcloud/faults: what is to go wrong, asked for; never under /v2, where DigitalOcean has no such thing."""

from __future__ import annotations

from starlette.responses import Response

from localcloud.api import errors
from localcloud.api.http import NOTHING, Call, Reply, render
from localcloud.engine.errors import PENDING_DROPLET
from localcloud.engine.faults import Fault

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


def create(call: Call) -> Reply:
    return Reply(201, {"fault": call.cloud.add_fault(call.body).shown()})


def delete(call: Call) -> Reply:
    call.cloud.clear_faults(call.number("fault"))
    return NOTHING


def clear(call: Call) -> Reply:
    call.cloud.clear_faults()
    return NOTHING


ROUTES = [
    ("GET", "/_localcloud/faults", index),
    ("POST", "/_localcloud/faults", create),
    ("DELETE", "/_localcloud/faults", clear),
    ("DELETE", "/_localcloud/faults/{fault}", delete),
]
