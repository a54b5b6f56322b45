"""GET /v2/account."""

from __future__ import annotations

import uuid

from localcloud.api.http import Call, Reply
from localcloud.engine import limits

UUID = str(uuid.uuid5(uuid.NAMESPACE_DNS, "account.localcloud"))


def show(call: Call) -> Reply:
    account = {
        "droplet_limit": limits.DROPLETS,
        "floating_ip_limit": limits.FLOATING_IPS,
        "reserved_ip_limit": limits.FLOATING_IPS,
        "volume_limit": 0,
        "email": "local@localcloud.invalid",
        "name": "Local Cloud",
        "uuid": UUID,
        "email_verified": True,
        "status": "active",
        "status_message": "",
        "team": {"uuid": UUID, "name": "Local Cloud"},
    }
    return Reply(200, {"account": account})


ROUTES = [("GET", "/v2/account", show)]
