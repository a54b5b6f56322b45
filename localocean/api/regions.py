"""GET /v2/regions."""

from __future__ import annotations

from typing import Any

from localocean.api.http import Call, Reply, listing, whole
from localocean.api.operations import Row, listed
from localocean.engine.catalogue import REGION_FEATURES, REGIONS, SIZES, Region


def render(region: Region) -> dict[str, Any]:
    return {
        "slug": region.slug,
        "name": region.name,
        "sizes": list(SIZES),
        "available": True,
        "features": list(REGION_FEATURES),
    }


def index(call: Call) -> Reply:
    return listing(call, "regions", whole(REGIONS.values(), call.page), render)


ROUTES = [
    Row("GET", "/v2/regions", index, listed("List regions", "regions", "region")),
]
