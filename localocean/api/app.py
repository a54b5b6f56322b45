"""The whole of the HTTP interface: every resource's table of routes, and how errors are told."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from localocean.api import (
    account,
    actions,
    associated,
    backups,
    controls,
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
from localocean.api.databases import backups as database_backups
from localocean.api.databases import clusters as databases
from localocean.api.databases import pools as database_pools
from localocean.api.databases import replicas as database_replicas
from localocean.api.databases import settings as database_settings
from localocean.api.databases import users as database_users
from localocean.api.errors import on_error
from localocean.api.http import endpoint
from localocean.api.middleware import RequestMiddleware
from localocean.engine.cloud import Cloud
from localocean.engine.errors import CloudError
from localocean.host.errors import HostError

RESOURCES = (
    account,
    actions,
    associated,
    backups,
    controls,
    database_backups,
    database_pools,
    database_replicas,
    database_settings,
    database_users,
    databases,
    droplet_actions,
    droplets,
    faults,
    floating_ips,
    images,
    keys,
    projects,
    rates,
    regions,
    sizes,
    snapshots,
    tags,
    vpcs,
)
ROWS = openapi.described([row for resource in RESOURCES for row in resource.ROUTES])
"""Every route that there is."""
FORESEEN = (CloudError, HostError, HTTPException, sqlite3.OperationalError)


def build(
    cloud: Cloud, token: str, lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None
) -> Starlette:
    """The application over a cloud; it neither starts nor stops it."""
    table = [Route(row.path, endpoint(row.handler, row.body), methods=[row.method]) for row in ROWS]
    app = Starlette(
        routes=table,
        middleware=[Middleware(RequestMiddleware, token=token, faults=cloud.faults, rates=cloud.rates)],
        exception_handlers=dict.fromkeys(FORESEEN, on_error),
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.cloud = cloud
    return app
