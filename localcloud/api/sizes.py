"""GET /v2/sizes."""

from __future__ import annotations

from typing import Any

from localcloud.api.http import Call, Reply, listing, whole
from localcloud.engine.catalogue import REGIONS, SIZES, Size


def render(size: Size) -> dict[str, Any]:
    return {
        "slug": size.slug,
        "memory": size.memory,
        "vcpus": size.vcpus,
        "disk": size.disk,
        "transfer": size.transfer,
        "price_monthly": size.price_monthly,
        "price_hourly": size.price_hourly,
        "regions": list(REGIONS),
        "available": True,
        "description": "Basic",
    }


def index(call: Call) -> Reply:
    return listing(call, "sizes", whole(SIZES.values(), call.page), render)


ROUTES = [("GET", "/v2/sizes", index)]
