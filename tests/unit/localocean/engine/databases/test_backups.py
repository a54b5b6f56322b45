"""Backups over rooms that only remember."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from localocean.engine.cloud import Cloud
from localocean.engine.databases.backups import next_time, schedule
from localocean.engine.errors import Unprocessable
from localocean.store.records import DatabaseCluster
from tests.unit.localocean.clusters import make, server
from tests.unit.localocean.conftest import settle
from tests.unit.localocean.machines import Rooms


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


def _newest(cloud: Cloud, cluster: DatabaseCluster) -> str:
    return cloud.database_backups.all(cluster)[0].created_at


def _ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")
