"""/_localocean: the local cloud's own controls, apart from everything that is DigitalOcean's."""

from __future__ import annotations

import os

from localocean.api import actions
from localocean.api.http import NOTHING, Call, Reply
from localocean.api.operations import Operation, Row, gone, made
from localocean.api.schemas import ANYTHING, ID, TEXT, many, object_of
from localocean.engine import overview


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
    Row(
        "GET",
        "/_localocean/health",
        health,
        Operation(
            "Say that this cloud is alive; needs no token",
            answer=object_of(status=TEXT, pid=ID, state=TEXT, bases=ANYTHING),
        ),
    ),
    Row("GET", "/_localocean/status", status, Operation("Show all that is in the cloud", answer=ANYTHING)),
    Row(
        "GET",
        "/_localocean/usage",
        usage,
        Operation("Count bytes on disk of droplets and images", answer=object_of(droplets=ANYTHING, images=ANYTHING)),
    ),
    Row(
        "GET",
        "/_localocean/droplets/{droplet}/login",
        login,
        Operation("Tell a droplet's address and host keys", answer=object_of(address=TEXT, host_keys=many(TEXT))),
    ),
    Row(
        "POST",
        "/_localocean/droplets/{droplet}/backup",
        back_up,
        made("Back a droplet up now", "action", "action"),
    ),
    Row(
        "GET",
        "/_localocean/droplets/{droplet}/password",
        password,
        Operation("Tell root's password after a reset", answer=object_of(password=TEXT)),
    ),
    Row("POST", "/_localocean/reset", reset, gone("Remove everything in the cloud")),
]
