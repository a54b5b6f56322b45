"""/_localocean/rate_limit: whether requests are refused when there are too many of them."""

from __future__ import annotations

from typing import Any

from localocean.api.bodies import Body
from localocean.api.http import Call, Reply
from localocean.api.operations import Operation, Row
from localocean.api.schemas import ANYTHING
from localocean.engine.errors import Unprocessable
from localocean.engine.rates import Limits, Rates


def _shown(rates: Rates) -> dict[str, Any]:
    limits = rates.enforced
    return {"rate_limit": {"minute": limits.minute, "hour": limits.hour} if limits else None}


def show(call: Call) -> Reply:
    return Reply(200, _shown(call.cloud.rates))


class RateLimit(Body):
    """`on`, `off`, or `MINUTE/HOUR`."""

    limit: str = ""


def update(call: Call, body: RateLimit) -> Reply:
    """The limit as the setting has it: `on`, `off`, or `MINUTE/HOUR`."""
    try:
        limits = Limits.parse(body.limit)
    except ValueError:
        raise Unprocessable("limit must be on, off or MINUTE/HOUR.") from None
    call.cloud.rates.enforce(limits)
    return show(call)


ROUTES = [
    Row("GET", "/_localocean/rate_limit", show, Operation("Show the limit of requests", answer=ANYTHING)),
    Row(
        "PUT",
        "/_localocean/rate_limit",
        update,
        Operation("Limit requests, or no more", answer=ANYTHING),
    ),
]
