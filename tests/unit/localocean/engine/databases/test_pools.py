"""Pools over rooms that only remember."""

from __future__ import annotations

import pytest

from localocean.engine.cloud import Cloud
from localocean.engine.errors import NotFound, Unprocessable
from localocean.host.errors import HostError
from tests.unit.localocean.clusters import make, server
from tests.unit.localocean.machines import Rooms

POOL = {"name": "busy", "database": "defaultdb", "user": "", "mode": "transaction", "size": 10}


def test_a_pool_is_offered_and_withdrawn(cloud: Cloud, rooms: Rooms) -> None:
    view = make(cloud)
    assert cloud.database_pools.create(view.cluster.uuid, POOL).name == "busy"
    script, _ = server(cloud, rooms, view).scripts[-1]
    assert "reload-or-restart" in script
    cloud.database_pools.update(view.cluster.uuid, "busy", {**POOL, "size": 22, "user": "doadmin"})
    assert cloud.database_pools.get(view.cluster.uuid, "busy").size == 22
    assert " restart " in server(cloud, rooms, view).scripts[-1][0]
    assert "user='doadmin'" in server(cloud, rooms, view).scripts[-2][1]
    cloud.database_pools.delete(view.cluster.uuid, "busy")
    assert "disable --now" in server(cloud, rooms, view).scripts[-1][0]
    with pytest.raises(NotFound):
        cloud.database_pools.get(view.cluster.uuid, "busy")


@pytest.mark.parametrize(
    "wrong",
    [{"name": "a"}, {"name": "pgbouncer"}, {"database": "none"}, {"user": "none"}, {"mode": "fast"}, {"size": 23}],
)
def test_a_pool_that_cannot_be_is_refused(cloud: Cloud, wrong: dict[str, object]) -> None:
    view = make(cloud)
    with pytest.raises(Unprocessable):
        cloud.database_pools.create(view.cluster.uuid, {**POOL, **wrong})
    assert cloud.store.database_pools.count() == 0


def test_what_pgbouncer_does_not_take_has_not_happened(cloud: Cloud, rooms: Rooms) -> None:
    view = make(cloud)
    cloud.database_pools.create(view.cluster.uuid, POOL)
    rooms.fail = "shell"
    for change in (
        lambda: cloud.database_pools.create(view.cluster.uuid, {**POOL, "name": "other", "size": 1}),
        lambda: cloud.database_pools.update(view.cluster.uuid, "busy", {"size": 5}),
        lambda: cloud.database_pools.delete(view.cluster.uuid, "busy"),
    ):
        with pytest.raises(HostError, match="shell failed"):
            change()
    assert [(each.name, each.size) for each in cloud.store.database_pools.find()] == [("busy", 10)]


def test_what_a_pool_uses_stays(cloud: Cloud) -> None:
    view = make(cloud)
    cloud.database_users.create_user(view.cluster.uuid, "app")
    cloud.database_users.create_name(view.cluster.uuid, "app")
    cloud.database_pools.create(view.cluster.uuid, {**POOL, "user": "app", "database": "app"})
    with pytest.raises(Unprocessable, match="connection pool busy"):
        cloud.database_users.delete_user(view.cluster.uuid, "app")
    with pytest.raises(Unprocessable, match="connection pool busy"):
        cloud.database_users.delete_name(view.cluster.uuid, "app")
