"""The one renderer of errors: DigitalOcean's body, with `id`, `message` and `request_id`."""

from __future__ import annotations

import logging
import sqlite3

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from localocean.api.http import render
from localocean.engine import errors
from localocean.host.errors import HostError

STATUSES: dict[type[errors.CloudError], tuple[int, str]] = {
    errors.BadRequest: (400, "bad_request"),
    errors.TooLarge: (413, "request_entity_too_large"),
    errors.Forbidden: (403, "forbidden"),
    errors.NotFound: (404, "not_found"),
    errors.Conflict: (409, "conflict"),
    errors.Precondition: (412, "precondition_failed"),
    errors.Unprocessable: (422, "unprocessable_entity"),
    errors.Unsupported: (501, "not_implemented"),
}

log = logging.getLogger("localocean.api")


def body(id: str, message: str, request_id: str) -> dict[str, str]:
    return {"id": id, "message": message, "request_id": request_id}


async def on_error(request: Request, error: Exception) -> Response:
    """Any error as an answer; what nobody foresaw is logged with its traceback and told without it."""
    request_id = str(request.scope.get("request_id", ""))
    if isinstance(error, HTTPException):
        error = _elsewhere(request)
    if isinstance(error, errors.CloudError):
        status, id = STATUSES[type(error)]
        told = body(id, error.message, request_id)
        # DigitalOcean answers what is malformed in two ways, by the resource; clients find theirs in either.
        more = {"error": error.message, "root_causes": []} if status == 400 else {}
        return render(status, {**told, **more})
    if isinstance(error, HostError):
        log.error("%s: %s", request_id, error)
        return render(500, body("server_error", f"{error.message} {error.hint}".strip(), request_id))
    if isinstance(error, sqlite3.OperationalError):
        log.error("%s: %s", request_id, error)
        return render(500, body("server_error", f"The records cannot be written: {error}.", request_id))
    log.error("%s: unexpected error", request_id, exc_info=error)
    return render(500, body("server_error", "Unexpected server-side error; see server.log.", request_id))


IMPOSSIBLE = {
    "/v2/volumes": "a droplet is a container of this machine, to which no disk can be attached while it runs",
}
"""Why kinds of resources are not there that cannot be, by the beginnings of their paths."""


def _elsewhere(request: Request) -> errors.CloudError:
    """What no route takes: another path, or another method on one."""
    path = request.url.path
    if path.startswith("/v2/"):
        reason = next((f": {why}" for start, why in IMPOSSIBLE.items() if f"{path}/".startswith(f"{start}/")), "")
        return errors.Unsupported(f"The local cloud does not implement {request.method} {path}{reason}.")
    return errors.NotFound()
