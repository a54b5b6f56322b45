"""The machines of clusters, which outlive what happens to them."""

from __future__ import annotations

from collections.abc import Callable

from localocean.engine.cloud import Cloud
from localocean.engine.databases.numbers import number
from tests.unit.localocean.clusters import make
from tests.unit.localocean.conftest import settle
from tests.unit.localocean.machines import Rooms


def test_a_machine_that_died_is_started_again(cloud: Cloud, rooms: Rooms) -> None:
    view = make(cloud)
    rooms.going_down = True
    rooms.on.clear()
    cloud.database_jobs.revive()
    assert cloud.store.actions.count("type = 'database_boot'") == 0, "nothing starts on a host that goes down"
    rooms.going_down = False
    cloud.database_jobs.revive()
    settle(cloud)
    assert rooms.on == {number(view.node.id)}


def test_after_a_crash_of_the_host_clusters_come_back(start: Callable[[], Cloud], rooms: Rooms) -> None:
    view = make(start())
    rooms.on.clear()
    cloud = start()
    settle(cloud)
    assert rooms.on == {number(view.node.id)}
    assert cloud.databases.get(view.cluster.uuid).cluster.status == "online"
