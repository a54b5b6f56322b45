"""/v2/vpcs: every region has its default VPC; here they are one network."""

from __future__ import annotations

import uuid
from typing import Any

from localcloud.api.http import Call, Reply, listing, whole
from localcloud.engine.catalogue import REGIONS
from localcloud.engine.errors import NotFound

CREATED_AT = "2023-07-20T19:23:26Z"
IDS = {region: str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{region}.vpc.localcloud")) for region in REGIONS}


def render(call: Call, region: str) -> dict[str, Any]:
    return {
        "id": IDS[region],
        "urn": f"do:vpc:{IDS[region]}",
        "name": f"default-{region}",
        "description": "",
        "region": region,
        "ip_range": str(call.cloud.config.vpc_range),
        "created_at": CREATED_AT,
        "default": True,
    }


def index(call: Call) -> Reply:
    return listing(call, "vpcs", whole(REGIONS, call.page), lambda region: render(call, region))


def show(call: Call) -> Reply:
    for region, identifier in IDS.items():
        if identifier == call.params["vpc"]:
            return Reply(200, {"vpc": render(call, region)})
    raise NotFound


ROUTES = [
    ("GET", "/v2/vpcs", index),
    ("GET", "/v2/vpcs/{vpc}", show),
]
