"""Database clusters made over rooms that only remember."""

from __future__ import annotations

from dataclasses import replace

from localocean.engine.cloud import Cloud
from localocean.engine.databases.clusters import ClusterOrder, ClusterView
from tests.unit.localocean.conftest import settle
from tests.unit.localocean.machines import Rooms, Server

ORDER = ClusterOrder("data", "pg", "15", "db-s-1vcpu-1gb", "nyc3", 1)


def make(cloud: Cloud, **fields: object) -> ClusterView:
    found = cloud.databases.create(replace(ORDER, **fields))  # type: ignore[arg-type]
    settle(cloud)
    return cloud.databases.get(found.cluster.uuid)


def server(cloud: Cloud, rooms: Rooms, view: ClusterView) -> Server:
    return rooms.server(cloud.database_nodes.unit(view.node))


def let_in(rooms: Rooms, view: ClusterView) -> tuple[set[str], set[str]]:
    """The machines by public address, and the networks, that may enter a cluster."""
    entrance = next(e for e in rooms.entrances if str(e.database.public_address) == view.node.public_address)
    return {str(each.public_address) for each in entrance.machines}, set(map(str, entrance.networks))
