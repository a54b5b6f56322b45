"""What a cloud offers, held against what is wanted: a refusal before anything is made instead of after half of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from slipway.project import DatabaseSettings
from slipway.tools.digitalocean import Cluster, Size


def refusals(
    options: Mapping[str, Any], wanted: DatabaseSettings, region: str, cluster: Cluster | None
) -> Iterator[str]:
    """Why a cluster cannot be had as wanted. ``options`` is what `GET /v2/databases/options` tells of PostgreSQL.

    What an existing cluster has already is not asked about: a cloud may offer it to no new one any more.
    """
    layouts = {each["num_nodes"]: each["sizes"] for each in options["layouts"]}
    if (cluster is None or cluster.version != wanted.version) and wanted.version not in options["versions"]:
        yield f"the cloud offers no PostgreSQL {wanted.version}, but {', '.join(sorted(options['versions']))}"
    if cluster is None and region not in options["regions"]:
        yield f"the cloud offers no database in {region}"
    if cluster and (cluster.nodes, cluster.size) == (wanted.nodes, wanted.size):
        return
    if wanted.nodes not in layouts:
        yield f"the cloud offers no database with {wanted.nodes} nodes, but with {', '.join(map(str, sorted(layouts)))}"
    elif wanted.size not in layouts[wanted.nodes]:
        yield f"the cloud offers no database of size {wanted.size} with {wanted.nodes} nodes"


def droplet_refusal(sizes: Mapping[str, Size], slug: str, region: str) -> str:
    """Why a droplet of a size cannot be had in a region; empty when it can."""
    if slug not in sizes:
        some = [size.slug for size in sorted(sizes.values(), key=lambda size: size.monthly)][:5]
        return f"The cloud has no droplet size {slug!r}; it has {', '.join(some)} and others."
    if not sizes[slug].available or region not in sizes[slug].regions:
        return f"The cloud has no droplets of size {slug} in {region}."
    return ""
