"""/_localcloud: the local cloud's own controls, apart from everything that is DigitalOcean's."""

from __future__ import annotations

import os

from localcloud.api.http import NOTHING, Call, Reply


def health(call: Call) -> Reply:
    """Needs no token and tells nothing secret: that this is the cloud of that state directory, and alive."""
    bases = {slug: state["state"] for slug, state in call.cloud.bases.states().items()}
    return Reply(200, {"status": "ok", "pid": os.getpid(), "state": str(call.cloud.config.state), "bases": bases})


def status(call: Call) -> Reply:
    return Reply(200, call.cloud.status())


def reset(call: Call) -> Reply:
    call.cloud.reset()
    return NOTHING


ROUTES = [
    ("GET", "/_localcloud/health", health),
    ("GET", "/_localcloud/status", status),
    ("POST", "/_localcloud/reset", reset),
]
