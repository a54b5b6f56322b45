"""What every request goes through: its id and log line, the rate headers, the token, the trailing slash."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from localocean.api import errors, faults
from localocean.api.http import render
from localocean.engine.faults import LATE, LOST, SILENT, Fault, Faults
from localocean.engine.rates import Rates

OPEN_PATHS = {"/_localocean/health"}

log = logging.getLogger("localocean.requests")


CUT = "localocean.cut"
"""Where the server puts into a request's scope what ends its connection without a word."""
SILENCE_S = 30


async def _nobody(message: Message) -> None:
    """An answer that is lost on its way."""


async def _cut(scope: Scope, receive: Receive) -> None:
    """End the connection, and return when it is gone."""
    scope[CUT]()
    while (await receive())["type"] != "http.disconnect":
        pass


class RequestMiddleware:
    """Served directly with or without a trailing slash, because a redirect would turn a POST into a GET."""

    def __init__(self, app: ASGIApp, token: str, faults: Faults, rates: Rates) -> None:
        self.app = app
        self.faults = faults
        self.rates = rates
        self.token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.monotonic()
        request_id = scope["request_id"] = str(uuid.uuid4())
        headers = {"x-request-id": request_id}
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(headers)
            await send(message)

        path = scope["path"]
        shown = scope.get("raw_path", b"").decode("ascii", "replace")
        scope["path"] = path.rstrip("/") or "/"
        try:
            if path not in OPEN_PATHS and not self._authorized(scope):
                refusal = errors.body("unauthorized", "Unable to authenticate you.", request_id)
                await render(401, refusal)(scope, receive, answer)
            elif self._refused(scope, headers):
                refusal = errors.body("too_many_requests", "API Rate limit exceeded.", request_id)
                await render(429, refusal)(scope, receive, answer)
            elif fault := self._fault(scope):
                if fault.effect in (LATE, LOST):
                    await self.app(scope, receive, _nobody)
                if fault.effect == SILENT:
                    await asyncio.sleep(fault.seconds or SILENCE_S)
                if fault.effect in (LOST, SILENT) and CUT in scope:
                    await _cut(scope, receive)
                else:
                    await faults.answer(fault, request_id)(scope, receive, answer)
            else:
                await self.app(scope, receive, answer)
        except Exception as error:  # whatever it is, its answer is like all others, and the connection lives on
            if status:
                raise
            await (await errors.on_error(Request(scope), error))(scope, receive, answer)
        finally:
            milliseconds = (time.monotonic() - began) * 1000
            log.info("%s %s %s %d %.1fms", request_id, scope["method"], shown, status, milliseconds)

    def _fault(self, scope: Scope) -> Fault | None:
        return self.faults.response(scope["method"], scope["path"]) if scope["path"].startswith("/v2/") else None

    def _authorized(self, scope: Scope) -> bool:
        kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self.token)

    def _refused(self, scope: Scope, headers: dict[str, str]) -> bool:
        """Whether the request comes too early; the headers tell how many may come."""
        if not scope["path"].startswith("/v2/"):
            return False
        ticket = self.rates.take()
        headers["ratelimit-limit"] = str(ticket.limit)
        headers["ratelimit-remaining"] = str(ticket.remaining)
        headers["ratelimit-reset"] = str(ticket.reset)
        if ticket.retry_after is not None:
            headers["retry-after"] = str(ticket.retry_after)
        return ticket.refused
