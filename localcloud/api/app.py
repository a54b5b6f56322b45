"""The whole of the HTTP interface: every resource's table of routes, and a last one for everything else."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from localcloud.api import (
    account,
    actions,
    associated,
    backups,
    controls,
    database_backups,
    database_pools,
    database_replicas,
    databases,
    droplet_actions,
    droplets,
    faults,
    floating_ips,
    images,
    keys,
    openapi,
    projects,
    rates,
    regions,
    sizes,
    snapshots,
    tags,
    vpcs,
)
from localcloud.api.errors import on_error
from localcloud.api.http import routes
from localcloud.api.middleware import Gate
from localcloud.engine.cloud import Cloud
from localcloud.engine.errors import CloudError, NotFound, Unsupported
from localcloud.host.errors import HostError

RESOURCES = (
    account,
    actions,
    associated,
    backups,
    controls,
    database_backups,
    database_pools,
    database_replicas,
    databases,
    droplet_actions,
    droplets,
    faults,
    floating_ips,
    images,
    keys,
    openapi,
    projects,
    rates,
    regions,
    sizes,
    snapshots,
    tags,
    vpcs,
)
FORESEEN = (CloudError, HostError, HTTPException, sqlite3.OperationalError, Exception)
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def build(
    cloud: Cloud, token: str, lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None
) -> Starlette:
    """The application over a cloud; it neither starts nor stops it."""
    table = [route for resource in RESOURCES for route in routes(resource.ROUTES)]
    app = Starlette(
        routes=[*table, Route("/{rest:path}", _elsewhere, methods=METHODS)],
        middleware=[Middleware(Gate, token=token, faults=cloud.faults, rates=cloud.rates)],
        exception_handlers=dict.fromkeys(FORESEEN, on_error),
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.cloud = cloud
    return app


async def _elsewhere(request: Request) -> Response:
    path = request.url.path
    if path.startswith("/v2/"):
        raise Unsupported(f"The local cloud does not implement {request.method} {path}.")
    raise NotFound
