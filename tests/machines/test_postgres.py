"""Database servers in machines of their own: TLS alone, passwords kept as verifiers, copies that are real."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from localocean.host import cgroups, orphans
from localocean.host.errors import HostError
from localocean.host.machines import MachineSpec
from localocean.host.postgres import copies
from localocean.host.postgres.authority import Authority
from localocean.host.postgres.layout import ADMIN, DATA, POOL_PORT, PORT
from localocean.host.postgres.pools import TRANSACTION, Pool, set_pools
from localocean.host.postgres.seed import ServerSpec, write_server
from localocean.host.postgres.server import Postgres
from localocean.storage.bases import POSTGRES, BaseImages
from localocean.storage.databases import command
from tests.machines.conftest import Cloud

MEMORY_MB = 1024
PASSWORD = "correct-horse-battery"


@dataclass(frozen=True)
class Server:
    """A server that runs, and how to get at it from outside."""

    cloud: Cloud
    machine: MachineSpec
    authority: Path

    @property
    def inside(self) -> Postgres:
        return Postgres(f"{self.cloud.config.unit_prefix}{self.machine.droplet_id}")

    def connect(self, user: str = ADMIN, password: str = PASSWORD, **options: Any) -> psycopg.Connection[Any]:
        where: dict[str, Any] = {
            "host": str(self.machine.public_address),
            "port": PORT,
            "user": user,
            "password": password,
            "dbname": "defaultdb",
            "sslmode": "verify-full",
            "sslrootcert": str(self.authority),
            "connect_timeout": 10,
            "autocommit": True,
        }
        return psycopg.connect(**where | options)

    def row(self, sql: str, **options: Any) -> tuple[Any, ...]:
        with self.connect(**options) as connection:
            found = connection.execute(sql.encode()).fetchone()
            assert found is not None
            return tuple(found)

    def run(self, sql: str, **options: Any) -> None:
        with self.connect(**options) as connection:
            connection.execute(sql.encode())


class Servers:
    """What makes servers, and removes them in the end."""

    def __init__(self, cloud: Cloud, base: Path) -> None:
        self.cloud = cloud
        self.base = base
        self.authority = Authority(cloud.config.state / "databases", cloud.config.range)
        self.made: list[MachineSpec] = []

    def boot(self, *, standby: bool = False) -> Server:
        number = next(self.cloud.numbers)
        config = self.cloud.config
        public = config.public_network[number + 1]
        private = config.vpc_range[number + 1]
        root = self.cloud.disks.mount(number, [self.base], 10)
        identity = self.authority.issue(f"database-{number}", [public, private])
        write_server(
            root,
            ServerSpec(
                public, config.public_network, config.gateway, private, config.vpc_range, MEMORY_MB, identity, standby
            ),
        )
        spec = MachineSpec(number, f"database-{number}", root, MEMORY_MB, 1, public, private)
        self.made.append(spec)
        self.cloud.machines.start(spec)
        file = config.state / "databases/ca.pem"
        file.write_bytes(self.authority.certificate())
        server = Server(self.cloud, spec, file)
        server.inside.wait_ready()
        return server

    def remove(self) -> None:
        for spec in self.made:
            self.cloud.remove(spec)


@pytest.fixture(scope="module")
def servers(cloud: Cloud) -> Iterator[Servers]:
    made = Servers(cloud, BaseImages(cloud.config).ensure(POSTGRES))
    yield made
    made.remove()


@pytest.fixture(scope="module")
def server(servers: Servers) -> Server:
    """One server for what leaves no trace."""
    made = servers.boot()
    made.inside.set_password(ADMIN, PASSWORD)
    return made


def test_the_administrator_is_no_superuser(server: Server) -> None:
    rights = "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
    assert server.row(rights) == (False, True, True)
    assert server.row("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'defaultdb'") == (ADMIN,)
    assert server.row("SHOW fsync") == ("on",)
    assert server.row("SHOW max_connections") == ("25",)


@pytest.mark.parametrize("options", [{"sslmode": "disable"}, {"password": "wrong"}, {"user": "postgres"}])
def test_only_who_has_a_password_comes_in_and_only_by_tls(server: Server, options: dict[str, str]) -> None:
    with pytest.raises(psycopg.OperationalError):
        server.connect(**options)


def test_both_addresses_are_vouched_for(server: Server) -> None:
    names = server.authority.read_bytes()
    assert b"BEGIN CERTIFICATE" in names
    for host in (server.machine.public_address, server.machine.private_address):
        # From the host the private address has no route; its certificate is what counts.
        assert server.row("SELECT 1", host=str(host), hostaddr=str(server.machine.public_address)) == (1,)
    with pytest.raises(psycopg.OperationalError, match="certificate"):
        server.connect(host="198.51.100.1", hostaddr=str(server.machine.public_address))


def test_a_user_may_use_what_he_is_given_and_make_nothing_in_another_s_schema(server: Server) -> None:
    server.inside.create_user("reader", "one")
    server.inside.create_user("reader", "two")
    with pytest.raises(psycopg.OperationalError):
        server.connect("reader", "one")
    with server.connect("reader", "two") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("CREATE TABLE public.mine (id int)")
    server.inside.drop_user("reader")
    server.inside.drop_user("reader")
    with pytest.raises(psycopg.OperationalError):
        server.connect("reader", "two")


def test_what_a_user_owned_is_the_administrator_s_when_he_goes(server: Server) -> None:
    server.inside.create_user('o"wner', "pw")
    server.inside.create_database('da"ta')
    server.run('GRANT CREATE ON SCHEMA public TO "o""wner"', dbname='da"ta')
    with server.connect('o"wner', "pw", dbname='da"ta') as open_connection:
        open_connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        server.inside.drop_user('o"wner')
        with pytest.raises(psycopg.OperationalError):
            open_connection.execute("SELECT 1")
    assert server.row("SELECT answer FROM kept", dbname='da"ta') == (42,)
    assert 'da"ta' in server.inside.database_names()
    server.inside.drop_database('da"ta')
    assert server.inside.database_names() == ["defaultdb"]
    assert server.inside.user_names() == [ADMIN]


def test_the_server_knows_no_password(server: Server) -> None:
    """Neither its disk, nor its journal, nor the processes of the host have seen one."""
    server.inside.create_user("secretive", "planted-secret-4711")
    with pytest.raises(HostError, match="does not exist"):
        server.inside.set_password("nobody", "planted-secret-4711")
    data = server.machine.root / DATA[1:]
    found = [path for path in data.rglob("*") if path.is_file() and b"planted-secret" in path.read_bytes()]
    assert found == []
    assert "planted-secret" not in server.inside.shell("journalctl --no-pager")
    server.inside.drop_user("secretive")


def test_pools_limit_let_in_whom_they_are_for_and_nobody_else(server: Server) -> None:
    server.inside.create_user("worker", "work")
    server.inside.create_user("other", "rest")
    pools = [Pool("workers", "defaultdb", TRANSACTION, 2, "worker"), Pool("all-comers", "defaultdb", TRANSACTION, 3)]
    set_pools(server.inside, pools)
    worker: dict[str, Any] = {"port": POOL_PORT, "user": "worker", "password": "work", "dbname": "workers"}
    assert server.row("SELECT current_user, current_database()", **worker) == ("worker", "defaultdb")
    clients = [server.connect(**worker) for _ in range(6)]
    backends = {client.execute("SELECT pg_backend_pid()").fetchone() for client in clients}
    assert len(backends) <= 2
    for client in clients:
        client.close()
    other = {"user": "other", "password": "rest"}
    assert server.row("SELECT current_user", **worker | other | {"dbname": "all-comers"}) == ("other",)
    refused: list[dict[str, Any]] = [
        other,
        {"password": "wrong"},
        {"sslmode": "disable"},
        {"user": "postgres", "password": ""},
        {"user": "postgres", "password": "", "dbname": "all-comers"},
        {"dbname": "defaultdb"},
        {"dbname": "pgbouncer"},
    ]
    for wrong in refused:
        with pytest.raises(psycopg.OperationalError):
            server.connect(**worker | wrong)
    server.inside.set_password("worker", "changed")
    assert server.row("SELECT current_user", **worker | {"password": "changed"}) == ("worker",)
    set_pools(server.inside, [])
    with pytest.raises(psycopg.OperationalError):
        server.connect(**worker)
    for user in ("worker", "other"):
        server.inside.drop_user(user)


def test_no_committed_row_is_lost_when_the_machine_is_killed(server: Server) -> None:
    server.run("CREATE TABLE survivors AS SELECT 0 AS n")
    written = 0
    with server.connect() as connection:
        for written in range(1, 50):
            connection.execute("INSERT INTO survivors VALUES (%s)", [written])
        server.cloud.machines.kill(server.machine.droplet_id)
    server.cloud.machines.start(server.machine)
    server.inside.wait_ready()
    assert server.row("SELECT max(n), count(*) FROM survivors") == (written, written + 1)
    server.run("DROP TABLE survivors")


def test_a_server_that_dies_inside_its_machine_comes_back(server: Server) -> None:
    pid = int(server.inside.shell("systemctl show --property=MainPID --value localocean-postgres"))
    inside = [p for p in cgroups.processes(server.inside.unit) if _pid_inside(p) == pid]
    os.kill(inside[0], signal.SIGKILL)
    time.sleep(0.2)
    server.inside.wait_ready()
    assert server.row("SELECT 1") == (1,)


def test_a_backup_brings_back_what_was_there_then(servers: Servers, server: Server, tmp_path: Path) -> None:
    server.inside.create_user("kept", "pw")
    server.run("CREATE TABLE history AS SELECT 'before' AS word")
    file = tmp_path / "backups/one.tar.gz"
    assert copies.back_up(server.inside, file) == file.stat().st_size > 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    server.run("UPDATE history SET word = 'after'")
    other = servers.boot()
    copies.restore(other.inside, file)
    copies.restore(other.inside, file)
    assert other.row("SELECT word FROM history") == ("before",)
    assert other.row("SELECT current_user", user="kept", password="pw") == ("kept",)
    assert server.row("SELECT word FROM history") == ("after",)
    server.run("DROP TABLE history")


def test_a_damaged_backup_is_refused(servers: Servers, server: Server, tmp_path: Path) -> None:
    file = tmp_path / "one.tar.gz"
    copies.back_up(server.inside, file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(HostError):
        copies.restore(servers.boot().inside, file)


def test_a_standby_follows_reads_alone_and_can_be_promoted(servers: Servers, server: Server) -> None:
    server.run("CREATE TABLE news AS SELECT 1 AS n")
    standby = servers.boot(standby=True)
    for _ in range(2):
        copies.admit(server.inside, "standby_1", "sesame")
        copies.follow(standby.inside, server.machine.private_address, "standby_1", "sesame")
    server.run("INSERT INTO news VALUES (2)")
    copies.wait_caught_up(server.inside, standby.inside)
    assert standby.row("SELECT count(*) FROM news") == (2,)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        standby.run("INSERT INTO news VALUES (3)")
    with pytest.raises(psycopg.OperationalError):
        server.connect("standby_1", "sesame")
    copies.promote(standby.inside)
    copies.dismiss(server.inside, "standby_1")
    copies.dismiss(server.inside, "standby_1")
    standby.run("INSERT INTO news VALUES (3)")
    assert standby.row("SELECT count(*) FROM news") == (3,)
    assert server.row("SELECT count(*) FROM news") == (2,)
    assert server.inside.sql("SELECT count(*) FROM pg_replication_slots") == [["0"]]
    server.run("DROP TABLE news")


def test_what_a_killed_making_of_the_image_left_is_ended(cloud: Cloud, servers: Servers) -> None:
    number = next(cloud.numbers)
    root = cloud.disks.mount(number, [servers.base], 10)
    making = subprocess.Popen(command(root, "sleep 600"), stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not (found := _rooted_in(root)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        making.kill()
        making.wait()
        orphans.end_within(root)
        assert found and not _rooted_in(root)
    finally:
        cloud.disks.delete(number)


def _rooted_in(root: Path) -> list[Path]:
    return [path for path in Path("/proc").glob("[0-9]*/root") if path.exists() and path.samefile(root)]


def _pid_inside(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[-1]) for line in lines if line.startswith("NSpid:")), 0)
