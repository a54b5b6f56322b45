"""Pools, replicas and backups over rooms that only remember."""

from __future__ import annotations

import base64
import hmac
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from localocean.engine.cloud import Cloud
from localocean.engine.databases.backups import next_time, schedule
from localocean.engine.errors import NotFound, Precondition, Unprocessable
from localocean.host.errors import HostError
from localocean.host.postgres.pools import Pool, access, configuration
from localocean.host.postgres.scram import verifier
from localocean.host.postgres.seed import connections
from localocean.host.postgres.server import quoted, text
from localocean.store.records import DatabaseCluster
from tests.unit.localocean.conftest import settle
from tests.unit.localocean.machines import Rooms
from tests.unit.localocean.test_databases import ORDER, make, server

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


def test_names_in_pgbouncer_s_files_cannot_say_more_than_names() -> None:
    pools = [Pool("a", "d'b", "session", 1, 'u" all')]
    assert "a = host=" in configuration(pools)
    assert "dbname='d''b'" in configuration(pools)
    assert 'hostssl a "u"" all" 0.0.0.0/0 scram-sha-256' in access(pools)
    with pytest.raises(HostError, match="a = x"):
        configuration([Pool("a = x", "db", "session", 1)])


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


def test_a_backup_is_private_and_only_the_newest_are_kept(cloud: Cloud) -> None:
    view = make(cloud)
    made = [cloud.database_backups.back_up(view.cluster) for _ in range(9)]
    kept = cloud.database_backups.all(view.cluster)
    assert [each.id for each in kept] == [each.id for each in reversed(made[2:])]
    folder = cloud.config.state / "databases/backups" / view.cluster.uuid
    assert {path.name for path in folder.iterdir()} == {f"{each.uuid}.tar.gz" for each in kept}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_restored_cluster_has_what_the_backup_has(cloud: Cloud, rooms: Rooms) -> None:
    view = make(cloud)
    cloud.database_users.create_user(view.cluster.uuid, "app")
    cloud.database_users.create_user(view.cluster.uuid, "left")
    cloud.database_users.create_name(view.cluster.uuid, "shop")
    backup = cloud.database_backups.back_up(view.cluster)
    cloud.database_users.delete_user(view.cluster.uuid, "left")
    cloud.database_users.create_name(view.cluster.uuid, "later")
    then = make(cloud, name="then", restore=("data", backup.created_at))
    now = make(cloud, name="now", restore=("data", None))
    assert {each.name for each in then.users} == {"doadmin", "app", "left"}
    assert {each.name for each in then.names} >= {"defaultdb", "shop"}
    assert {each.name for each in now.names} == {"defaultdb", "shop", "later"}
    app = cloud.database_users.user(view.cluster.uuid, "app")
    assert server(cloud, rooms, now).users["app"] == app.password
    assert server(cloud, rooms, now).users["doadmin"] == now.admin.password != view.admin.password


def test_a_deleted_cluster_can_be_brought_back_by_its_name(cloud: Cloud) -> None:
    view = make(cloud)
    cloud.database_users.create_name(view.cluster.uuid, "shop")
    cloud.databases.delete(view.cluster.uuid)
    settle(cloud)
    again = make(cloud, restore=("data", None))
    assert {each.name for each in again.names} == {"defaultdb", "shop"}


@pytest.mark.parametrize("source", [("none", None), ("data", "2020-01-01T00:00:00Z")])
def test_what_is_not_there_cannot_be_restored(cloud: Cloud, source: tuple[str, str | None]) -> None:
    make(cloud)
    with pytest.raises(Unprocessable, match="backup_restore"):
        make(cloud, name="other", restore=source)
    assert cloud.store.database_clusters.count() == 1


def test_a_database_is_backed_up_before_it_goes(cloud: Cloud, rooms: Rooms) -> None:
    view = make(cloud)
    cloud.database_users.create_name(view.cluster.uuid, "shop")
    cloud.database_users.delete_name(view.cluster.uuid, "shop")
    assert len(cloud.database_backups.all(view.cluster)) == 1
    assert "shop" in {
        each.name for each in make(cloud, name="then", restore=("data", _newest(cloud, view.cluster))).names
    }


def test_a_machine_beyond_repair_is_deleted_without_a_last_backup(cloud: Cloud, rooms: Rooms) -> None:
    view = make(cloud)
    rooms.fail = "run_to_file"
    cloud.databases.delete(view.cluster.uuid)
    settle(cloud)
    assert (rooms.on, cloud.store.database_clusters.count()) == (set(), 0)


def test_backups_come_when_they_are_due(cloud: Cloud) -> None:
    view = make(cloud)
    cloud.database_backups.begin_due()
    settle(cloud)
    assert cloud.database_backups.all(view.cluster) == []
    cloud.store.database_clusters.update(view.cluster.id, created_at=_ago(hours=25))
    for _ in range(2):
        cloud.database_backups.begin_due()
        settle(cloud)
    assert len(cloud.database_backups.all(view.cluster)) == 1


def test_a_backup_that_failed_is_not_tried_again_at_once(cloud: Cloud, rooms: Rooms) -> None:
    view = make(cloud)
    cloud.store.database_clusters.update(view.cluster.id, created_at=_ago(hours=25))
    rooms.fail = "run_to_file"
    for _ in range(3):
        cloud.database_backups.begin_due()
        settle(cloud)
    assert cloud.store.actions.count("type = 'database_backup'") == 1


def test_the_backups_of_deleted_clusters_go_after_a_week(cloud: Cloud) -> None:
    view = make(cloud)
    cloud.databases.delete(view.cluster.uuid)
    settle(cloud)
    (backup,) = cloud.store.database_backups.find()
    cloud.database_backups.begin_due()
    assert cloud.store.database_backups.count() == 1
    cloud.store.database_backups.update(backup.id, created_at=_ago(days=8))
    cloud.database_backups.begin_due()
    assert cloud.store.database_backups.count() == 0
    assert list((cloud.config.state / "databases/backups").glob("*")) == []


def test_what_a_crash_left_of_backups_is_swept(start: Callable[[], Cloud]) -> None:
    cloud = start()
    view = make(cloud)
    whole, lost = (cloud.database_backups.back_up(view.cluster) for _ in range(2))
    folder = cloud.config.state / "databases/backups" / view.cluster.uuid
    (folder / f"{lost.uuid}.tar.gz").unlink()
    (folder / ".half.tar.gz.draft").write_text("")
    again = start()
    assert [each.id for each in again.database_backups.all(view.cluster)] == [whole.id]
    assert os.listdir(folder) == [f"{whole.uuid}.tar.gz"]


def test_reset_removes_backups_too(cloud: Cloud) -> None:
    cloud.database_backups.back_up(make(cloud).cluster)
    cloud.reset()
    assert not (cloud.config.state / "databases/backups").exists()


def test_nothing_is_begun_while_the_cloud_is_reset(cloud: Cloud, rooms: Rooms) -> None:
    view = make(cloud)
    cloud.store.database_clusters.update(view.cluster.id, created_at=_ago(hours=25))
    before = cloud.store.actions.count()
    cloud.actions.paused = True
    rooms.on.clear()
    cloud.database_jobs.revive()
    cloud.database_backups.begin_due()
    assert cloud.store.actions.count() == before


def test_the_hour_of_backups_is_the_cluster_s_own() -> None:
    cluster = DatabaseCluster(created_at="2026-03-04T05:06:07Z")
    assert schedule(cluster) == {"backup_hour": 5, "backup_minute": 6, "backup_interval_hours": 24}
    made = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert next_time(cluster, made) == datetime(2026, 3, 5, 5, 6, tzinfo=UTC)
    assert next_time(cluster, datetime(2026, 3, 8, 1, tzinfo=UTC)) == datetime(2026, 3, 8, 5, 6, tzinfo=UTC)


def test_a_password_is_kept_as_postgresql_would() -> None:
    """With the example of RFC 7677, section 3: what the server proves follows from what is kept."""
    salt, nonce = "W22ZaJ0SNY7soEsUEjb6gQ==", "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    said = f"n=user,r={nonce[:20]},r={nonce},s={salt},i=4096,c=biws,r={nonce}"
    kept = verifier("pencil", base64.b64decode(salt))
    assert kept.startswith(f"SCRAM-SHA-256$4096:{salt}$")
    proof = hmac.new(base64.b64decode(kept.rpartition(":")[2]), said.encode(), "sha256").digest()
    assert base64.b64encode(proof) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


@pytest.mark.parametrize(("memory", "expected"), [(1024, 25), (2048, 50), (4096, 100), (65536, 1000)])
def test_connections_follow_memory(memory: int, expected: int) -> None:
    assert connections(memory) == expected


def test_names_and_values_cannot_break_out_of_a_statement() -> None:
    assert quoted('a"; DROP') == '"a""; DROP"'
    assert text("a'; \\ DROP") == "E'a''; \\\\ DROP'"


def _newest(cloud: Cloud, cluster: DatabaseCluster) -> str:
    return cloud.database_backups.all(cluster)[0].created_at


def _ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")
