"""Replicas over rooms that only remember."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from localocean.engine.cloud import Cloud
from localocean.engine.errors import NotFound, Precondition, Unprocessable
from tests.unit.localocean.clusters import ORDER, make, server
from tests.unit.localocean.conftest import settle
from tests.unit.localocean.machines import Rooms


def test_a_replica_comes_is_seen_and_goes(cloud: Cloud, rooms: Rooms) -> None:
    view = make(cloud)
    assert cloud.database_replicas.create(view.cluster.uuid, "copy").status == "forking"
    with pytest.raises(Unprocessable):
        cloud.database_replicas.create(view.cluster.uuid, "copy")
    settle(cloud)
    node = cloud.database_replicas.get(view.cluster.uuid, "copy")
    assert node.status == "online"
    assert len(rooms.on) == 2
    follower = rooms.server(cloud.database_nodes.unit(node))
    script, password = follower.scripts[-1]
    assert "pg_basebackup" in script and len(password) > 20
    assert not any(password.strip() in said for said in server(cloud, rooms, view).said)
    cloud.database_replicas.delete(view.cluster.uuid, "copy")
    with pytest.raises(NotFound):
        cloud.database_replicas.get(view.cluster.uuid, "copy")
    settle(cloud)
    assert len(rooms.on) == 1
    assert f"replicator_{node.id}" in server(cloud, rooms, view).said[-1]
    assert len(cloud.database_nodes.of(view.cluster.id)) == 1


def test_a_replica_waits_for_its_cluster_and_may_not_be_smaller(cloud: Cloud, rooms: Rooms) -> None:
    rooms.gate.clear()
    begun = cloud.databases.create(replace(ORDER, size="db-s-1vcpu-2gb"))
    with pytest.raises(Precondition):
        cloud.database_replicas.create(begun.cluster.uuid, "copy")
    rooms.gate.set()
    settle(cloud)
    wrongs: list[dict[str, Any]] = [
        {"size": "db-s-1vcpu-1gb"},
        {"size": "none"},
        {"region": "mars1"},
        {"vpc": "none"},
        {"storage": 1},
    ]
    for wrong in wrongs:
        with pytest.raises(Unprocessable):
            cloud.database_replicas.create(begun.cluster.uuid, "copy", **wrong)
    with pytest.raises(Unprocessable):
        cloud.database_replicas.create(begun.cluster.uuid, "No!")


def test_a_replica_that_cannot_be_made_says_why_and_can_be_tried_again(cloud: Cloud, rooms: Rooms) -> None:
    view = make(cloud)
    rooms.fail = "shell"
    cloud.database_replicas.create(view.cluster.uuid, "copy")
    settle(cloud)
    with pytest.raises(Unprocessable, match="could not be created: shell failed"):
        cloud.database_replicas.get(view.cluster.uuid, "copy")
    assert cloud.database_replicas.all(view.cluster.uuid) == []
    assert len(rooms.on) == 1
    rooms.fail = ""
    cloud.database_replicas.create(view.cluster.uuid, "copy")
    settle(cloud)
    assert cloud.database_replicas.get(view.cluster.uuid, "copy").status == "online"


def test_a_promoted_replica_is_a_cluster_with_the_same_users_and_the_same_wall(cloud: Cloud) -> None:
    view = make(cloud, rules=[("ip_addr", "10.0.0.0/8")])
    cloud.database_users.create_user(view.cluster.uuid, "app")
    node = cloud.database_replicas.create(view.cluster.uuid, "copy")
    settle(cloud)
    cloud.database_replicas.promote(view.cluster.uuid, "copy")
    with pytest.raises(NotFound):
        cloud.database_replicas.get(view.cluster.uuid, "copy")
    promoted = cloud.databases.get(node.uuid)
    assert (promoted.cluster.name, promoted.cluster.status) == ("copy", "online")
    before = cloud.databases.get(view.cluster.uuid).users
    assert {(each.name, each.password) for each in promoted.users} == {(each.name, each.password) for each in before}
    assert [rule.value for rule in cloud.trusted.rules(promoted.cluster.id)] == ["10.0.0.0/8"]
    cloud.databases.delete(view.cluster.uuid)
    settle(cloud)
    assert cloud.databases.get(node.uuid).cluster.status == "online"
