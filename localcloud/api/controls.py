"""/_localcloud: the local cloud's own controls, apart from everything that is DigitalOcean's."""

from __future__ import annotations

import os

from localcloud.api.http import NOTHING, Call, Reply
from localcloud.engine import overview


def health(call: Call) -> Reply:
    """Needs no token and tells nothing secret: that this is the cloud of that state directory, and alive."""
    bases = {slug: state["state"] for slug, state in call.cloud.bases.states().items()}
    return Reply(200, {"status": "ok", "pid": os.getpid(), "state": str(call.cloud.config.state), "bases": bases})


def status(call: Call) -> Reply:
    return Reply(200, overview.status(call.cloud))


def usage(call: Call) -> Reply:
    return Reply(200, overview.usage(call.cloud))


def login(call: Call) -> Reply:
    """Where to log in to a droplet, and by which host keys it is known."""
    found = overview.login(call.cloud, call.number("droplet"))
    return Reply(200, {"address": found.address, "host_keys": found.host_keys})


def reset(call: Call) -> Reply:
    call.cloud.reset()
    return NOTHING


ROUTES = [
    ("GET", "/_localcloud/health", health),
    ("GET", "/_localcloud/status", status),
    ("GET", "/_localcloud/usage", usage),
    ("GET", "/_localcloud/droplets/{droplet}/login", login),
    ("POST", "/_localcloud/reset", reset),
]
