"""Pools, replicas and backups of managed PostgreSQL, as clients meet them: the rows are really there."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pydo
import pytest

from localocean.config import Config
from localocean.host import cgroups
from tests.contract.support import Api, Daemon
from tests.contract.test_databases import Connection, connect, kill_machine, machine, reachable, rows, serves
from tests.support import until


@pytest.fixture(autouse=True)
def emptied(clean: None) -> Iterator[None]:
    yield


def write(database: dict[str, Any], *statements: str) -> None:
    with connect(database) as session:
        for statement in statements:
            session.execute(statement.encode())


def read(database: dict[str, Any], statement: str) -> list[Any]:
    with connect(database) as session:
        return rows(session, statement)


def restored(api: Api, name: str, source: str, created_at: str | None = None) -> dict[str, Any]:
    wanted = {"database_name": source} | ({"backup_created_at": created_at} if created_at else {})
    return api.database(name=name, backup_restore=wanted)


def test_a_pool_shares_few_connections_between_many_clients(api: Api) -> None:
    database = api.database()
    path = f"/v2/databases/{database['id']}"
    api.call("POST", f"{path}/users", {"name": "app"}, status=201)
    api.call("POST", f"{path}/dbs", {"name": "shop"}, status=201)
    order = {"name": "app-pool", "mode": "transaction", "size": 2, "db": "shop", "user": "app"}
    pool = api.call("POST", f"{path}/pools", order, status=201)["pool"]
    assert {key: pool[key] for key in order} == order
    assert (pool["connection"]["port"], pool["connection"]["database"]) == (25061, "app-pool")
    sessions: list[Connection] = [connect(pool) for _ in range(8)]
    backends = {
        rows(session, "SELECT pg_backend_pid() || current_user || current_database()")[0] for session in sessions
    }
    assert 1 <= len(backends) <= 2 and all(each.endswith("appshop") for each in backends)
    for session in sessions:
        session.close()
    with pytest.raises(psycopg.OperationalError):
        connect(pool, sslmode="disable")
    with pytest.raises(psycopg.OperationalError):
        connect(pool, user="doadmin", password=database["connection"]["password"])
    assert api.get(f"{path}/pools")["pools"] == [pool]
    api.call("PUT", f"{path}/pools/app-pool", {"mode": "session", "size": 5, "db": "defaultdb"}, status=204)
    changed = api.get(f"{path}/pools/app-pool")["pool"]
    assert (changed["mode"], changed["size"], changed["db"], "user" in changed) == ("session", 5, "defaultdb", False)
    until(lambda: serves(changed), 10)  # it was seen to refuse a connection right after the change
    assert read(changed, "SELECT current_user || current_database()") == ["doadmindefaultdb"]
    assert "22" in api.call("POST", f"{path}/pools", order | {"name": "big", "size": 18}, status=422)["message"]
    api.call("DELETE", f"{path}/pools/app-pool", status=204)
    assert not reachable(database["connection"]["host"], 25061)
    api.call("GET", f"{path}/pools/app-pool", status=404)


def test_a_pool_outlives_its_machine(daemon: Daemon, api: Api) -> None:
    database = api.database()
    order = {"name": "steady", "mode": "session", "size": 2, "db": "defaultdb"}
    pool = api.call("POST", f"/v2/databases/{database['id']}/pools", order, status=201)["pool"]
    kill_machine(daemon, api, database["id"])

    def answers() -> bool:
        try:
            return read(pool, "SELECT 1") == [1]
        except psycopg.OperationalError:
            return False

    time.sleep(0.5)
    until(answers)


def test_a_replica_follows_and_only_reads(daemon: Daemon, api: Api) -> None:
    database = api.database()
    path = f"/v2/databases/{database['id']}"
    write(database, "CREATE TABLE news AS SELECT 1 AS id")
    begun = api.call("POST", f"{path}/replicas", {"name": "reader", "tags": ["reading"]}, status=201)["replica"]
    assert begun["status"] == "forking"
    replica = api.online(database["id"], "reader")
    assert replica["connection"]["host"] != database["connection"]["host"]
    write(database, "INSERT INTO news VALUES (2)")
    until(lambda: read(replica, "SELECT id FROM news ORDER BY id") == [1, 2], 10)
    with connect(replica) as session, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        session.execute("INSERT INTO news VALUES (3)")
    user = api.call("POST", f"{path}/users", {"name": "late"}, status=201)["user"]
    until(lambda: _lets_in(replica, user), 10)
    api.call("PUT", f"{path}/firewall", {"rules": [{"type": "ip_addr", "value": "203.0.113.9"}]}, status=204)
    assert not reachable(replica["connection"]["host"])
    api.call("PUT", f"{path}/firewall", {"rules": []}, status=204)
    assert [each["name"] for each in api.get(f"{path}/replicas")["replicas"]] == ["reader"]
    api.call("POST", f"{path}/replicas", {"name": "reader"}, status=422)
    # It follows again after its primary was away.
    kill_machine(daemon, api, database["id"])
    time.sleep(0.5)
    until(lambda: serves(database))
    write(database, "INSERT INTO news VALUES (4)")
    until(lambda: read(replica, "SELECT max(id) FROM news") == [4], 30)
    # And after it was away itself, or both were for a resize.
    config = Config.from_environment(daemon.env)
    primary = f"{config.unit_prefix}{machine(daemon, api, database['id'])}"
    [own] = cgroups.names(config.unit_prefix) - {primary}
    cgroups.kill(own)
    write(database, "INSERT INTO news VALUES (5)")
    until(lambda: serves(replica) and read(replica, "SELECT max(id) FROM news") == [5], 60)
    api.call("PUT", f"{path}/resize", {"size": "db-s-1vcpu-2gb", "num_nodes": 1}, status=202)
    write(api.online(database["id"]), "INSERT INTO news VALUES (6)")
    until(lambda: read(replica, "SELECT max(id) FROM news") == [6], 60)
    api.call("DELETE", f"{path}/replicas/reader", status=204)
    api.call("GET", f"{path}/replicas/reader", status=404)
    until(lambda: not reachable(replica["connection"]["host"], seconds=0.2))
    until(lambda: read(database, "SELECT count(*) FROM pg_replication_slots") == [0])


def test_a_replica_is_resized_by_its_own_id(api: Api) -> None:
    database = api.database()
    path = f"/v2/databases/{database['id']}"
    order = {"name": "reader", "size": "db-s-1vcpu-1gb", "storage_size_mib": 20480}
    api.call("POST", f"{path}/replicas", order, status=201)
    replica = api.online(database["id"], "reader")
    assert replica["storage_size_mib"] == 20480
    write(database, "CREATE TABLE news AS SELECT 1 AS id")
    own = f"/v2/databases/{replica['id']}/resize"
    assert "size" in api.call("PUT", own, {"size": "none", "num_nodes": 1}, status=422)["message"]
    assert "storage" in api.call("PUT", own, {"storage_size_mib": 10240}, status=422)["message"]
    api.call("PUT", own, {"size": "db-s-1vcpu-2gb", "num_nodes": 1}, status=202)
    assert api.get(f"{path}/replicas/reader")["replica"]["status"] == "resizing"
    resized = api.online(database["id"], "reader")
    assert (resized["size"], resized["storage_size_mib"]) == ("db-s-1vcpu-2gb", 30720)
    until(lambda: read(replica, "SHOW effective_cache_size") == ["1228MB"], 30)
    until(lambda: read(replica, "SELECT id FROM news") == [1], 30)


def test_a_promoted_replica_is_a_cluster_of_its_own(api: Api) -> None:
    database = api.database()
    path = f"/v2/databases/{database['id']}"
    write(database, "CREATE TABLE news AS SELECT 1 AS id")
    api.call("POST", f"{path}/replicas", {"name": "heir"}, status=201)
    replica = api.online(database["id"], "heir")
    api.call("PUT", f"{path}/replicas/heir/promote", status=204)
    heir = api.get(f"/v2/databases/{replica['id']}")["database"]
    assert (heir["name"], heir["status"], heir["connection"]) == ("heir", "online", replica["connection"])
    write(heir, "INSERT INTO news VALUES (2)")
    assert (read(heir, "SELECT count(*) FROM news"), read(database, "SELECT count(*) FROM news")) == ([2], [1])
    api.call("GET", f"{path}/replicas/heir", status=404)
    api.call("DELETE", path, status=204)
    assert read(heir, "SELECT count(*) FROM news") == [2]


def test_a_replica_of_a_cluster_that_is_not_ready_is_refused_for_now(api: Api) -> None:
    order = {"name": "early", "engine": "pg", "size": "db-s-1vcpu-1gb", "region": "nyc3", "num_nodes": 1}
    begun = api.call("POST", "/v2/databases", order, status=201)["database"]
    answer = api.call("POST", f"/v2/databases/{begun['id']}/replicas", {"name": "reader"}, status=412)
    assert "not ready" in answer["message"]
    api.online(begun["id"])


def test_backups_come_by_themselves_are_private_and_bring_rows_back(other_daemon: Daemon) -> None:
    scheduled = Daemon(other_daemon.env | {"LOCALOCEAN_DATABASE_BACKUPS": "2"})
    started = scheduled.up()
    api = Api(started["endpoint"], started["token"])
    database = api.database()
    path = f"/v2/databases/{database['id']}"
    write(database, "CREATE TABLE orders AS SELECT generate_series(1, 1000) AS id")
    user = api.call("POST", f"{path}/users", {"name": "app"}, status=201)["user"]
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))

    def newest() -> Any:
        found = [each for each in api.get(f"{path}/backups")["backups"] if each["created_at"] >= since]
        return found[0] if found else None

    backup = until(newest)
    assert 0 < backup["size_gigabytes"] < 0.1
    assert api.get(f"{path}/backups")["scheduled_backup_time"]["backup_interval_hours"] == 24
    write(database, "DELETE FROM orders WHERE id > 10")
    folder = scheduled.state / "databases/backups"
    kept = [folder, *folder.rglob("*")]
    assert {each.stat().st_mode & 0o077 for each in kept} == {0} and {each.stat().st_uid for each in kept} == {0}
    then = restored(api, "then", "data", backup["created_at"])
    assert read(then, "SELECT count(*) FROM orders") == [1000]
    assert read(database, "SELECT count(*) FROM orders") == [10]
    with connect(then, user="app", password=user["password"]) as session:
        assert rows(session, "SELECT current_user") == ["app"]
    assert then["connection"]["password"] != database["connection"]["password"]
    until(lambda: len(api.get(f"{path}/backups")["backups"]) == 7)
    time.sleep(5)
    assert len(api.get(f"{path}/backups")["backups"]) == 7
    scheduled.run("reset", "--yes")
    assert not folder.exists()


def test_without_a_time_the_present_state_is_restored_also_of_what_was_deleted(api: Api) -> None:
    database = api.database()
    write(database, "CREATE TABLE orders AS SELECT 42 AS id")
    present = restored(api, "present", "data")
    assert read(present, "SELECT id FROM orders") == [42]
    write(database, "INSERT INTO orders VALUES (43)")
    api.call("DELETE", f"/v2/databases/{database['id']}", status=204)
    until(lambda: not reachable(database["connection"]["host"], seconds=0.2))
    back = restored(api, "data", "data")
    assert read(back, "SELECT id FROM orders ORDER BY id") == [42, 43]
    order = {"name": "x1", "engine": "pg", "size": "db-s-1vcpu-1gb", "region": "nyc3", "num_nodes": 1}
    wrong = order | {"backup_restore": {"database_name": "nobody"}}
    assert "backup_restore" in api.call("POST", "/v2/databases", wrong, status=422)["message"]


def test_a_dropped_database_is_in_the_backup_from_before(api: Api) -> None:
    database = api.database()
    path = f"/v2/databases/{database['id']}"
    api.call("POST", f"{path}/dbs", {"name": "shop"}, status=201)
    with connect(database, dbname="shop") as session:
        session.execute("CREATE TABLE goods AS SELECT 7 AS id")
    api.call("DELETE", f"{path}/dbs/shop", status=204)
    [backup] = api.get(f"{path}/backups")["backups"]
    again = restored(api, "again", "data", backup["created_at"])
    assert "shop" in again["db_names"]
    with connect(again, dbname="shop") as session:
        assert rows(session, "SELECT id FROM goods") == [7]


def test_copies_that_a_killed_server_was_making_are_finished(other_daemon: Daemon) -> None:
    started = other_daemon.up()
    api = Api(started["endpoint"], started["token"])
    database = api.database()
    path = f"/v2/databases/{database['id']}"
    write(database, "CREATE TABLE orders AS SELECT generate_series(1, 1000) AS id")
    order = {"engine": "pg", "size": "db-s-1vcpu-1gb", "region": "nyc3", "num_nodes": 1}
    source = {"backup_restore": {"database_name": "data"}}
    for pause in (0.4, 1.2):
        name = f"copy-{int(pause * 10)}"
        api.call("POST", f"{path}/replicas", {"name": name}, status=201)
        copy = api.call("POST", "/v2/databases", order | source | {"name": name}, status=201)["database"]
        time.sleep(pause)
        os.kill(started["pid"], signal.SIGKILL)
        started = other_daemon.up()
        assert read(api.online(database["id"], name), "SELECT count(*) FROM orders") == [1000]
        assert read(api.online(copy["id"]), "SELECT count(*) FROM orders") == [1000]
    files = {file.name for file in (other_daemon.state / "databases/backups").glob("*/*")}
    assert all(name.endswith(".tar.gz") and not name.startswith(".") for name in files)
    other_daemon.run("down")


def test_with_digitaloceans_own_client(daemon: Daemon, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    https = daemon.up()["https"]
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", https["ca_bundle"])
    cluster = api.database()["id"]
    with pydo.Client(api.token, endpoint=https["endpoint"]) as client:
        order = {"name": "busy", "mode": "transaction", "size": 3, "db": "defaultdb"}
        assert client.databases.add_connection_pool(cluster, body=order)["pool"]["name"] == "busy"
        client.databases.update_connection_pool(cluster, "busy", body={"mode": "session", "size": 4, "db": "defaultdb"})
        assert client.databases.get_connection_pool(cluster, "busy")["pool"]["size"] == 4
        assert [each["name"] for each in client.databases.list_connection_pools(cluster)["pools"]] == ["busy"]
        client.databases.delete_connection_pool(cluster, "busy")
        assert client.databases.create_replica(cluster, body={"name": "reader"})["replica"]["name"] == "reader"
        until(lambda: client.databases.get_replica(cluster, "reader")["replica"]["status"] == "online")
        assert len(client.databases.list_replicas(cluster)["replicas"]) == 1
        client.databases.promote_replica(cluster, "reader")
        assert client.databases.list_replicas(cluster)["replicas"] == []
        assert client.databases.list_backups(cluster)["backups"] == []
        assert {each["name"] for each in client.databases.list_clusters()["databases"]} == {"data", "reader"}


def _lets_in(database: dict[str, Any], user: dict[str, Any]) -> bool:
    try:
        connect(database, user=user["name"], password=user["password"]).close()
    except psycopg.OperationalError:
        return False
    return True
