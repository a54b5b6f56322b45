"""Managed PostgreSQL as its clients meet it: over TLS, through the firewall, after crashes."""

from __future__ import annotations

import base64
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pydo
import pytest
import requests

from localocean.config import Config
from localocean.engine.databases.numbers import number
from localocean.host import cgroups
from localocean.host.machines import Machines
from localocean.storage.disks import Disks
from tests.contract.support import Api, Daemon
from tests.support import until

Connection = psycopg.Connection[Any]
# A peer that is silent for two seconds is gone.
IMPATIENT: dict[str, Any] = {
    "tcp_user_timeout": 2000,
    "keepalives_idle": 1,
    "keepalives_interval": 1,
    "keepalives_count": 2,
}


@pytest.fixture(autouse=True)
def emptied(clean: None) -> Iterator[None]:
    yield


def connect(database: dict[str, Any], *, private: bool = False, **options: Any) -> Connection:
    """A session of the administrator's, or of whom the options name."""
    found = database["private_connection" if private else "connection"]
    uri = options.pop("uri", found["uri"])
    return psycopg.connect(uri, autocommit=True, connect_timeout=5, **IMPATIENT, **options)


def rows(connection: Connection, statement: str) -> list[Any]:
    return [row[0] for row in connection.execute(statement.encode())]


def reachable(host: str, port: int = 25060, seconds: float = 2.5) -> bool:
    try:
        with socket.create_connection((host, port), timeout=seconds):
            return True
    except OSError:
        return False


def reaches(daemon: Daemon, droplet: str, host: str, port: int = 25060) -> bool:
    """Whether a droplet reaches a port."""
    words = ["timeout", "4", "bash", "-c", f"exec 3<>/dev/tcp/{host}/{port}"]
    return daemon.run("shell", droplet, "--", *words, check=False).returncode == 0


def machine(daemon: Daemon, api: Api, cluster: str) -> int:
    """The number of a cluster's machine."""
    found = api.get("/_localocean/status")["databases"]
    return next(int(each["machine"]) for each in found if each["uuid"] == cluster)


def kill_machine(daemon: Daemon, api: Api, cluster: str) -> None:
    config = Config.from_environment(daemon.env)
    cgroups.kill(f"{config.unit_prefix}{machine(daemon, api, cluster)}")


def test_a_cluster_is_made_looked_at_and_used(api: Api, tmp_path: Path) -> None:
    made = api.call(
        "POST",
        "/v2/databases",
        {
            "name": "backend",
            "engine": "pg",
            "version": "15",
            "size": "db-s-1vcpu-1gb",
            "region": "nyc3",
            "num_nodes": 1,
            "tags": ["production"],
        },
        status=201,
    )["database"]
    assert made["status"] == "creating" and made["created_at"].endswith("Z")
    database = api.online(made["id"])
    with connect(database) as session:
        assert rows(session, "SELECT current_user || ' ' || current_database()") == ["doadmin defaultdb"]
    assert database["connection"]["port"] == 25060 and database["connection"]["ssl"] is True
    assert database["private_connection"]["host"] != database["connection"]["host"]
    assert (database["engine"], database["num_nodes"], database["tags"]) == ("pg", 1, ["production"])
    assert database["db_names"] == ["defaultdb"] and [each["name"] for each in database["users"]] == ["doadmin"]
    assert database["private_network_uuid"] in {vpc["id"] for vpc in api.get("/v2/vpcs?per_page=200")["vpcs"]}
    assert api.get("/v2/databases?tag_name=production")["databases"] == [database]
    assert api.get("/v2/databases?tag_name=other")["databases"] == []
    assert api.get("/v2/tags/production")["tag"]["resources"]["databases"]["count"] == 1
    assert api.get(f"/v2/projects/{database['project_id']}")["project"]["is_default"]
    assert api.get("/v2/droplets")["droplets"] == []
    certificate = tmp_path / "ca.pem"
    certificate.write_bytes(base64.b64decode(api.get(f"/v2/databases/{made['id']}/ca")["ca"]["certificate"]))
    with connect(database, sslmode="verify-full", sslrootcert=str(certificate)) as session:
        assert rows(session, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [True]
        assert rows(session, "SHOW fsync") == rows(session, "SHOW synchronous_commit") == ["on"]
    with pytest.raises(psycopg.OperationalError):
        connect(database, sslmode="disable")
    with pytest.raises(psycopg.OperationalError):
        connect(database, password="wrong")


def test_with_digitaloceans_own_client(daemon: Daemon, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    https = daemon.up()["https"]
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", https["ca_bundle"])
    order = {
        "name": "pydo",
        "engine": "pg",
        "version": "15",
        "size": "db-s-1vcpu-1gb",
        "region": "nyc3",
        "num_nodes": 1,
    }
    with pydo.Client(api.token, endpoint=https["endpoint"]) as client:
        cluster = client.databases.create_cluster(body=order)["database"]["id"]
        until(lambda: client.databases.get_cluster(cluster)["database"]["status"] == "online")
        assert [each["id"] for each in client.databases.list_clusters()["databases"]] == [cluster]
        user = client.databases.add_user(cluster, body={"name": "app"})["user"]
        assert (user["name"], user["role"]) == ("app", "normal")
        assert client.databases.reset_auth(cluster, "app", body={})["user"]["password"] != user["password"]
        assert [each["name"] for each in client.databases.list_users(cluster)["users"]] == ["doadmin", "app"]
        client.databases.add(cluster, body={"name": "app"})
        assert [each["name"] for each in client.databases.list(cluster)["dbs"]] == ["defaultdb", "app"]
        client.databases.delete(cluster, "app")
        client.databases.delete_user(cluster, "app")
        client.databases.update_firewall_rules(cluster, body={"rules": [{"type": "ip_addr", "value": "203.0.113.9"}]})
        [rule] = client.databases.list_firewall_rules(cluster)["rules"]
        assert (rule["type"], rule["value"], rule["cluster_uuid"]) == ("ip_addr", "203.0.113.9", cluster)
        client.databases.update_maintenance_window(cluster, body={"day": "friday", "hour": "14:00"})
        assert client.databases.get_cluster(cluster)["database"]["maintenance_window"]["hour"] == "14:00:00"
        client.databases.patch_config(cluster, body={"config": {"work_mem": 16}})
        assert client.databases.get_config(cluster)["config"]["work_mem"] == 16
        assert "15" in client.databases.list_options()["options"]["pg"]["versions"]
        assert client.databases.get_ca(cluster)["ca"]["certificate"]
        client.databases.destroy_cluster(cluster)
        assert client.databases.list_clusters()["databases"] == []


def test_users_log_in_with_their_passwords(api: Api) -> None:
    database = api.database()
    path = f"/v2/databases/{database['id']}"
    user = api.call("POST", f"{path}/users", {"name": "app"}, status=201)["user"]
    api.call("POST", f"{path}/dbs", {"name": "shop"}, status=201)
    with connect(database, dbname="shop") as session:
        session.execute("CREATE TABLE goods (id int)")
    with connect(database, user="app", password=user["password"], dbname="shop") as session:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("SELECT * FROM goods")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("CREATE ROLE other")
    fresh = api.call("POST", f"{path}/users/app/reset_auth", {}, status=200)["user"]
    with pytest.raises(psycopg.OperationalError):
        connect(database, user="app", password=user["password"])
    connect(database, user="app", password=fresh["password"]).close()
    with connect(database) as session:
        assert rows(session, "SELECT rolsuper FROM pg_roles WHERE rolname = 'doadmin'") == [False]
    api.call("DELETE", f"{path}/users/app", status=204)
    api.call("DELETE", f"{path}/dbs/shop", status=204)
    with pytest.raises(psycopg.OperationalError):
        connect(database, user="app", password=fresh["password"])
    for gone in ("users/app", "dbs/shop"):
        api.call("GET", f"{path}/{gone}", status=404)


def test_options_are_the_servers(api: Api) -> None:
    database = api.database()
    api.call("PATCH", f"/v2/databases/{database['id']}/config", {"config": {"work_mem": 16, "jit": False}}, status=200)
    with connect(database) as session:
        assert (rows(session, "SHOW work_mem"), rows(session, "SHOW jit")) == (["16MB"], ["off"])
    path = f"/v2/databases/{database['id']}/config"
    assert "fsync" in api.call("PATCH", path, {"config": {"fsync": "off"}}, status=422)["message"]
    assert "Mars/Olympus" in api.call("PATCH", path, {"config": {"timezone": "Mars/Olympus"}}, status=422)["message"]
    assert api.get(path)["config"]["timezone"] == "UTC"


def test_options_that_need_a_restart_are_the_servers_too(api: Api) -> None:
    database = api.database()
    path = f"/v2/databases/{database['id']}"
    api.call("POST", f"{path}/replicas", {"name": "reader"}, status=201)
    replica = api.online(database["id"], "reader")
    wanted = {"timezone": "Europe/Berlin", "shared_buffers_percentage": 40.5, "max_connections": 40, "backup_hour": 4}
    api.call("PATCH", f"{path}/config", {"config": wanted}, status=200)
    assert wanted.items() <= api.get(f"{path}/config")["config"].items()
    assert api.get(f"{path}/backups")["scheduled_backup_time"]["backup_hour"] == 4
    for server in (database, replica):
        with connect(server) as session:
            told = [rows(session, f"SHOW {name}") for name in ("timezone", "shared_buffers", "max_connections")]
        assert told == [["Europe/Berlin"], ["414MB"], ["40"]]
    api.call("PUT", f"{path}/resize", {"size": "db-s-1vcpu-2gb", "num_nodes": 1}, status=202)
    with connect(api.online(database["id"])) as session:
        assert rows(session, "SHOW shared_buffers") == ["829MB"], "a share of the larger memory"
    api.call("PATCH", f"{path}/config", {"config": {"max_connections": 30}}, status=200)
    with connect(database) as session:
        session.execute("CREATE TABLE news AS SELECT 1 AS id")
        assert rows(session, "SHOW max_connections") == ["30"]

    def follows() -> bool:
        with connect(replica) as session:
            return rows(session, "SELECT to_regclass('news') IS NOT NULL") == [True]

    until(follows, 30)


def test_a_cluster_tells_its_metrics_to_whom_the_account_names(api: Api, tmp_path: Path) -> None:
    database = api.database()
    certificate = tmp_path / "ca.pem"
    path = f"/v2/databases/{database['id']}"
    certificate.write_bytes(base64.b64decode(api.get(f"{path}/ca")["ca"]["certificate"]))
    (endpoint,) = database["metrics_endpoints"]
    url = f"https://{endpoint['host']}:{endpoint['port']}/metrics"

    def read(credentials: dict[str, str]) -> requests.Response:
        user = (credentials["basic_auth_username"], credentials["basic_auth_password"])
        return requests.get(url, auth=user, verify=str(certificate), timeout=10)

    first = api.get("/v2/databases/metrics/credentials")["credentials"]
    until(lambda: reachable(endpoint["host"], endpoint["port"], 1))
    answer = until(lambda: read(first) if "pg_up 1" in read(first).text else None, 20)
    assert "pg_database_size_bytes" in answer.text
    second = {"basic_auth_username": "prometheus", "basic_auth_password": "a-new-one"}
    api.call("PUT", "/v2/databases/metrics/credentials", {"credentials": second}, status=204)
    assert api.get("/v2/databases/metrics/credentials")["credentials"] == second
    assert (read(first).status_code, read(second).status_code) == (401, 200)
    for wrong in ({}, {"basic_auth_username": "a:b", "basic_auth_password": "x"}, {"basic_auth_username": "a"}):
        api.call("PUT", "/v2/databases/metrics/credentials", {"credentials": wrong}, status=422)
    api.call("PUT", f"{path}/firewall", {"rules": [{"type": "ip_addr", "value": "203.0.113.9"}]}, status=204)
    assert not reachable(endpoint["host"], endpoint["port"])


def test_how_storage_would_grow_is_kept_and_shown(api: Api) -> None:
    wanted = {"storage": {"enabled": True, "threshold_percent": 80, "increment_gib": 10}}
    database = api.database(autoscale=wanted)
    path = f"/v2/databases/{database['id']}"
    assert (database["autoscale"], api.get(f"{path}/autoscale")["autoscale"]) == (wanted, wanted)
    changed = {"storage": {"enabled": False}}
    api.call("PUT", f"{path}/autoscale", changed, status=204)
    assert api.get(path)["database"]["autoscale"] == api.get(f"{path}/autoscale")["autoscale"] == changed


def test_trusted_sources_are_let_in_and_nobody_else(daemon: Daemon, api: Api) -> None:
    gateway = str(Config.from_environment(daemon.env).gateway)
    web, other = (api.droplet(name=name) for name in ("web", "other"))
    database = api.database()
    path = f"/v2/databases/{database['id']}/firewall"
    public, private = (database[f"{kind}connection"]["host"] for kind in ("", "private_"))

    def trust(*rules: tuple[str, str]) -> None:
        api.call("PUT", path, {"rules": [{"type": type, "value": value} for type, value in rules]}, status=204)

    def seen() -> list[bool]:
        """From this machine, and for each droplet by the public and the private network."""
        pairs = [(name, host) for name in ("web", "other") for host in (public, private)]
        with ThreadPoolExecutor(len(pairs)) as pool:
            inside = pool.map(lambda pair: reaches(daemon, *pair), pairs)
            return [reachable(public), *inside]

    until(lambda: seen() == [True] * 5)
    assert not reachable(public, 22) and not reaches(daemon, "web", private, 5432)
    trust(("ip_addr", gateway))
    assert seen() == [True, False, False, False, False]
    open_session = connect(database)
    trust(("droplet", str(web["id"])))
    assert seen() == [False, True, True, False, False]
    with pytest.raises(psycopg.OperationalError):
        open_session.execute("SELECT 1")
    trust(("tag", "backend"))
    assert seen() == [False] * 5
    api.call("POST", "/v2/tags", {"name": "backend"}, status=201)
    resources = {"resources": [{"resource_id": str(other["id"]), "resource_type": "droplet"}]}
    api.call("POST", "/v2/tags/backend/resources", resources, status=204)
    assert seen() == [False, False, False, True, True]
    api.droplet(name="third", tags=["backend"])
    until(lambda: reaches(daemon, "third", public) and reaches(daemon, "third", private))
    api.call("DELETE", "/v2/tags/backend/resources", resources, status=204)
    assert seen() == [False] * 5
    trust()
    assert seen() == [True] * 5


def test_no_droplet_of_another_private_network_reaches_the_private_address(daemon: Daemon, api: Api) -> None:
    vpc = api.call("POST", "/v2/vpcs", {"name": "apart", "region": "nyc3"}, status=201)["vpc"]
    api.droplet(name="inside", vpc_uuid=vpc["id"])
    api.droplet(name="outside")
    database = api.database(private_network_uuid=vpc["id"])
    until(lambda: reaches(daemon, "inside", database["private_connection"]["host"]))
    assert not reaches(daemon, "outside", database["private_connection"]["host"])
    assert api.call("DELETE", f"/v2/vpcs/{vpc['id']}", status=403)
    urns = [member["urn"] for member in api.get(f"/v2/vpcs/{vpc['id']}/members")["members"]]
    assert f"do:dbaas:{database['id']}" in urns and len(urns) == 2
    for kind, count in (("droplet", 1), ("database", 1), ("load_balancer", 0)):
        assert len(api.get(f"/v2/vpcs/{vpc['id']}/members?resource_type={kind}")["members"]) == count


class Writer:
    """Inserts rows, each committed by itself, through whatever happens; remembers which were acknowledged."""

    def __init__(self, database: dict[str, Any]) -> None:
        self.database = database
        self.acknowledged: list[int] = []
        self.failures = 0
        self.ended = threading.Event()
        with connect(database) as session:
            session.execute("CREATE TABLE IF NOT EXISTS kept (id bigint PRIMARY KEY)")
        self.thread = threading.Thread(target=self.write)
        self.thread.start()

    def write(self) -> None:
        number = 0
        while not self.ended.is_set():
            try:
                with connect(self.database, options="-c statement_timeout=2000") as session:
                    while not self.ended.is_set():
                        number += 1
                        session.execute("INSERT INTO kept VALUES (%s)", [number])
                        self.acknowledged.append(number)
            except psycopg.OperationalError:
                self.failures += 1
                time.sleep(0.05)

    def stop(self) -> None:
        self.ended.set()
        self.thread.join()

    def check(self) -> None:
        """No acknowledged row is lost, and none is there that nobody wrote."""
        with connect(self.database) as session:
            there = set(rows(session, "SELECT id FROM kept"))
        assert not set(self.acknowledged) - there
        assert len(there - set(self.acknowledged)) <= self.failures


def test_no_committed_row_is_lost_when_the_machine_is_killed(daemon: Daemon, api: Api) -> None:
    database = api.database()
    writer = Writer(database)
    try:
        for _ in range(3):
            before = len(writer.acknowledged)
            until(lambda: len(writer.acknowledged) > before + 50)  # noqa: B023
            kill_machine(daemon, api, database["id"])
        before = len(writer.acknowledged)
        until(lambda: len(writer.acknowledged) > before + 50)
    finally:
        writer.stop()
    writer.check()
    assert writer.failures >= 3
    assert api.get(f"/v2/databases/{database['id']}")["database"]["status"] == "online"


def test_a_killed_server_of_the_cloud_disturbs_no_database(other_daemon: Daemon) -> None:
    started = other_daemon.up()
    api = Api(started["endpoint"], started["token"])
    database = api.database()
    half_made = api.call(
        "POST",
        "/v2/databases",
        {"name": "other", "engine": "pg", "size": "db-s-1vcpu-1gb", "region": "nyc3", "num_nodes": 1},
        status=201,
    )["database"]
    writer = Writer(database)
    try:
        until(lambda: len(writer.acknowledged) > 50)
        os.kill(started["pid"], signal.SIGKILL)
        before = len(writer.acknowledged)
        until(lambda: len(writer.acknowledged) > before + 50)
        other_daemon.up()
        api.online(half_made["id"])
        api.call("POST", f"/v2/databases/{database['id']}/users", {"name": "app"}, status=201)
    finally:
        writer.stop()
    writer.check()
    assert writer.failures == 0
    with connect(api.online(half_made["id"])) as session:
        assert rows(session, "SELECT 1") == [1]
    other_daemon.run("down")
    assert not serves(database)
    other_daemon.up()
    until(lambda: serves(database))
    writer.check()


def serves(database: dict[str, Any]) -> bool:
    try:
        with connect(database) as session:
            return rows(session, "SELECT 1") == [1]
    except psycopg.OperationalError:
        return False


def test_a_resized_cluster_has_more_memory_and_all_its_data(api: Api) -> None:
    database = api.database()
    writer = Writer(database)
    until(lambda: len(writer.acknowledged) > 20)
    api.call("PUT", f"/v2/databases/{database['id']}/resize", {"size": "db-s-1vcpu-2gb", "num_nodes": 1}, status=202)
    assert api.get(f"/v2/databases/{database['id']}")["database"]["status"] == "resizing"
    resized = api.online(database["id"])
    writer.stop()
    writer.check()
    assert (resized["size"], resized["connection"]) == ("db-s-1vcpu-2gb", database["connection"])
    with connect(resized) as session:
        assert rows(session, "SHOW max_connections") == ["50"]


def test_a_migrated_cluster_is_in_the_private_network_of_the_region(daemon: Daemon, api: Api) -> None:
    database = api.database()
    api.call("PUT", f"/v2/databases/{database['id']}/migrate", {"region": "ams3"}, status=202)
    moved = api.online(database["id"])
    assert (moved["region"], moved["connection"]) == ("ams3", database["connection"])
    api.droplet(name="there", region="ams3")
    until(lambda: reaches(daemon, "there", moved["private_connection"]["host"]))


def test_a_deleted_cluster_frees_everything(daemon: Daemon, api: Api) -> None:
    database = api.database()
    config, held = Config.from_environment(daemon.env), machine(daemon, api, database["id"])
    assert held in Machines(config).running() and held in Disks(config).known()
    api.call("DELETE", f"/v2/databases/{database['id']}", status=204)
    api.call("GET", f"/v2/databases/{database['id']}", status=404)
    until(lambda: held not in Machines(config).traces() | Disks(config).known())
    assert not serves(database)
    api.call("DELETE", f"/v2/databases/{database['id']}", status=404)


def test_what_has_no_record_is_swept(other_daemon: Daemon) -> None:
    started = other_daemon.up()
    api = Api(started["endpoint"], started["token"])
    config = Config.from_environment(other_daemon.env)
    held = machine(other_daemon, api, api.database()["id"])
    os.kill(started["pid"], signal.SIGKILL)
    until(lambda: not Path(f"/proc/{started['pid']}").exists())
    (config.state / "cloud.db").unlink()
    other_daemon.up()
    assert held == number(held - number(0))
    until(lambda: held not in Machines(config).traces() | Disks(config).known())


def test_a_database_can_be_taken_away(api: Api) -> None:
    database = api.database()
    fault = api.fault(kind="network", effect="lost", database_id=database["id"])
    assert not reachable(database["connection"]["host"])
    api.clear(fault)
    assert reachable(database["connection"]["host"])


@pytest.mark.parametrize("nodes", [{}, {"num_nodes": None}, {"num_nodes": 0}, {"num_nodes": 4}])
def test_an_order_says_how_many_nodes(api: Api, nodes: dict[str, Any]) -> None:
    order = {"name": "data", "engine": "pg", "size": "db-s-1vcpu-1gb", "region": "nyc3"}
    assert "num_nodes" in api.call("POST", "/v2/databases", order | nodes, status=422)["message"]


def test_a_creation_that_fails_says_why(api: Api) -> None:
    api.fault(kind="action", type="database_create", effect="error", reason="No machine is left.")
    order = {"name": "data", "engine": "pg", "size": "db-s-1vcpu-1gb", "region": "nyc3", "num_nodes": 1}
    cluster = api.call("POST", "/v2/databases", order, status=201)["database"]["id"]
    until(lambda: api.send("GET", f"/v2/databases/{cluster}").status_code == 422)
    assert "No machine is left." in api.call("GET", f"/v2/databases/{cluster}", status=422)["message"]
    assert api.get("/v2/databases")["databases"] == []
    api.call("DELETE", f"/v2/databases/{cluster}", status=204)
    api.call("GET", f"/v2/databases/{cluster}", status=404)


def test_two_clouds_side_by_side(api: Api, other_daemon: Daemon) -> None:
    started = other_daemon.up()
    other = Api(started["endpoint"], started["token"])
    mine, theirs = api.database(), other.database()
    with connect(mine) as one, connect(theirs) as two:
        one.execute("CREATE TABLE mine (id int)")
        assert rows(two, "SELECT count(*) FROM pg_tables WHERE tablename = 'mine'") == [0]
    other.call("DELETE", f"/v2/databases/{mine['id']}", status=404)
    other_daemon.run("reset", "--yes")
    assert serves(mine) and not serves(theirs)


def test_people_see_and_enter_it(daemon: Daemon, api: Api) -> None:
    database = api.database(name="ledger")
    assert "ledger" in daemon.run("status").stdout
    words = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "whoami"]
    assert daemon.run("shell", "ledger", "--", *words).stdout == "postgres\n"
    assert daemon.run("shell", database["id"], "--", "true").returncode == 0
    assert daemon.run("console", "ledger").returncode == 0
