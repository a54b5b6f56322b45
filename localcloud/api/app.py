"""The whole of the HTTP interface: every resource's table of routes, and how errors are told."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

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
from localcloud.engine.errors import CloudError
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
FORESEEN = (CloudError, HostError, HTTPException, sqlite3.OperationalError)


def build(
    cloud: Cloud, token: str, lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None
) -> Starlette:
    """The application over a cloud; it neither starts nor stops it."""
    table = [route for resource in RESOURCES for route in routes(resource.ROUTES)]
    app = Starlette(
        routes=table,
        middleware=[Middleware(Gate, token=token, faults=cloud.faults, rates=cloud.rates)],
        exception_handlers=dict.fromkeys(FORESEEN, on_error),
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.cloud = cloud
    return app
