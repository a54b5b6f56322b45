"""GET /v2/account."""

from __future__ import annotations

import uuid

from localocean.api.http import Call, Reply
from localocean.api.operations import Row, shown
from localocean.engine.kinds import DROPLETS, FLOATING_IPS

UUID = str(uuid.uuid5(uuid.NAMESPACE_DNS, "account.localocean"))


def show(call: Call) -> Reply:
    account = {
        "droplet_limit": DROPLETS.limit,
        "floating_ip_limit": FLOATING_IPS.limit,
        "reserved_ip_limit": FLOATING_IPS.limit,
        "volume_limit": 0,
        "email": "local@localocean.invalid",
        "name": "Local Cloud",
        "uuid": UUID,
        "email_verified": True,
        "status": "active",
        "status_message": "",
        "team": {"uuid": UUID, "name": "Local Cloud"},
    }
    return Reply(200, {"account": account})


ROUTES = [
    Row("GET", "/v2/account", show, shown("Show the account and its limits", "account")),
]
