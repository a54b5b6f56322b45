"""GET /v2/sizes."""

from __future__ import annotations

from typing import Any

from localocean.api.http import Call, Reply, listing, whole
from localocean.api.operations import Row, listed
from localocean.engine.catalogue import HOURS_A_MONTH, REGIONS, SIZES, Size


def render(call: Call, size: Size) -> dict[str, Any]:
    price = float(call.cloud.config.prices.get(size.slug, size.price_monthly))
    return {
        "slug": size.slug,
        "memory": size.memory,
        "vcpus": size.vcpus,
        "disk": size.disk,
        "transfer": size.transfer,
        "price_monthly": price,
        "price_hourly": round(price / HOURS_A_MONTH, 5),
        "regions": list(REGIONS),
        "available": True,
        "description": "Basic",
    }


def index(call: Call) -> Reply:
    return listing(call, "sizes", whole(SIZES.values(), call.page), lambda size: render(call, size))


ROUTES = [
    Row("GET", "/v2/sizes", index, listed("List sizes of droplets", "sizes", "size")),
]
