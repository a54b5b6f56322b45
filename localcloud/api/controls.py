"""/_localcloud: the local cloud's own controls, apart from everything that is DigitalOcean's."""

from __future__ import annotations

import os

from localcloud.api import actions
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


def back_up(call: Call) -> Reply:
    """Have a backup made now, as DigitalOcean does by itself in the window of the droplet's policy."""
    return Reply(201, {"action": actions.render(call.cloud.droplet_actions.back_up(call.number("droplet")))})


def password(call: Call) -> Reply:
    """What DigitalOcean sends by mail after a password reset; empty when there was none."""
    return Reply(200, {"password": call.cloud.droplets.record(call.number("droplet")).root_password})


def reset(call: Call) -> Reply:
    call.cloud.reset()
    return NOTHING


ROUTES = [
    ("GET", "/_localcloud/health", health),
    ("GET", "/_localcloud/status", status),
    ("GET", "/_localcloud/usage", usage),
    ("GET", "/_localcloud/droplets/{droplet}/login", login),
    ("POST", "/_localcloud/droplets/{droplet}/backup", back_up),
    ("GET", "/_localcloud/droplets/{droplet}/password", password),
    ("POST", "/_localcloud/reset", reset),
]
