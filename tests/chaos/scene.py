"""Where it happens: a checkout with releases of its own, on a local cloud of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from localocean.config import Config
from localocean.engine.databases.numbers import FIRST
from localocean.host import cgroups, enter
from localocean.host.errors import HostError
from localocean.host.machines import Machines
from localocean.host.postgres.server import AS_POSTGRES, PSQL, Postgres
from localocean.lock import server_pid
from tests.chaos.processes import Nothing, Processes
from tests.e2e.checkout import NAMES, Checkout

__all__ = ["Nothing", "Scene"]
_BECOME = [] if os.geteuid() == 0 else ["sudo"]
_DISK = "512m"
_MIGRATIONS = "app/internal/schema/migrations"
_MIGRATION = """\
-- +goose Up
CREATE TABLE chaos_{0} (id bigint PRIMARY KEY);
SELECT pg_sleep(1) WHERE current_database() = 'app';
ALTER TABLE notes ADD COLUMN chaos_{0} bigint;
"""
_SCHEMA = """
SELECT (SELECT max(version_id) FROM public.goose_db_version WHERE is_applied),
  (SELECT string_agg(relname, ' ') FROM pg_class WHERE relname LIKE 'chaos%' AND relkind = 'r'),
  (SELECT string_agg(attname, ' ') FROM pg_attribute WHERE attrelid = 'public.notes'::regclass
    AND attname LIKE 'chaos%')
"""


@dataclass(frozen=True)
class Schema:
    """The migration that the database says it has, and what there is of those that chaos brought."""

    version: int
    tables: frozenset[str]
    columns: frozenset[str]

    @property
    def is_whole(self) -> bool:
        """Whether each migration is there as a whole, or not at all."""
        brought = {f"chaos_{number}" for number in range(2, self.version + 1)}
        return self.tables == self.columns == brought


class Scene:
    """One checkout, one cloud, and what can be done to them."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        self.config = Config.from_environment(checkout.cloud)
        self.processes = Processes("")
        self.before: set[int] = set()
        """The droplets that there were when the round began."""
        self.endpoint = ""
        self._headers: dict[str, str] = {}
        self.work = checkout.folder / ".slipway"

    # ---- the checkout -----------------------------------------------------------------------------------------------

    def mount(self) -> None:
        """Give what is not in git a small file system of its own, which can be filled."""
        self.work.mkdir(exist_ok=True)
        if not os.path.ismount(self.work):
            options = f"size={_DISK},mode=0755"
            subprocess.run([*_BECOME, "mount", "-t", "tmpfs", "-o", options, "chaos", str(self.work)], check=True)

    def unmount(self) -> None:
        """Let go of it."""
        subprocess.run([*_BECOME, "umount", "--lazy", str(self.work)], check=False)

    def fill_disk(self) -> None:
        """Leave no byte of it."""
        with (self.work / "filling").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 65536)
            except OSError:
                pass

    def free_disk(self) -> None:
        """Take the filling out."""
        (self.work / "filling").unlink(missing_ok=True)

    @property
    def reference(self) -> dict[str, Any]:
        """The reference file."""
        found: dict[str, Any] = json.loads(self.checkout.reference)
        return found

    @property
    def live(self) -> str:
        """The key of the release that git says is live."""
        return str(self.reference["live"])

    def other(self) -> str:
        """The version that is not live."""
        return "v2" if self.live.startswith("v1-") else "v1"

    def newer(self) -> str:
        """A version that brings one migration more than the database has; it is baked where there is none yet."""
        number = self.schema().version + 1
        version, file = f"m{number}", self.checkout.folder / _MIGRATIONS / f"{number:04}_chaos.sql"
        if not file.exists():
            file.write_text(_MIGRATION.format(number))
            self.checkout.git("add", str(file))
            self.checkout.git("commit", "--quiet", "--message", f"Bring migration {number}", "--", str(file))
        images = self.account()["images"]
        if not any(NAMES.version(name, ()) == version for name in images):
            known = {each["image"] for each in self.reference["releases"].values()}
            for name in sorted(images - known):
                if (NAMES.version(name, ()) or "").startswith("m"):
                    self.remove_image(name)
            self.checkout.invoke("build", "--version", version)
        return version

    # ---- the cloud --------------------------------------------------------------------------------------------------

    def start_server(self) -> None:
        """The cloud's server, unless it runs; its address and token are the same as ever."""
        environ = {name: value for name, value in os.environ.items() if name != "SLIPWAY_CHAOS"}
        command = [str(self.checkout.folder / ".venv" / "bin" / "python"), "-m", "localocean", "up", "--json"]
        done = subprocess.run(
            command, cwd=self.checkout.folder, env={**environ, **self.checkout.cloud}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        self.endpoint, self._headers = answer["endpoint"], {"Authorization": f"Bearer {answer['token']}"}

    def kill_server(self) -> None:
        """As the kernel does when there is no memory left."""
        if pid := server_pid(self.config):
            os.kill(pid, signal.SIGKILL)

    def ask(self, path: str, method: str = "GET", body: object = None) -> Any:
        """What the API answers; a fault that was meant for the pipeline and hits this question is met by patience."""
        for _ in range(10):
            try:
                answer = requests.request(
                    method, f"{self.endpoint}{path}", json=body, headers=self._headers, timeout=30
                )
            except requests.ConnectionError:
                self.start_server()
                continue
            if answer.ok:
                return answer.json() if answer.content else None
            if answer.status_code == 404:
                raise Nothing(f"{method} {path}: {answer.text}")
            time.sleep(0.3)
        raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text}")

    def droplets(self) -> dict[int, dict[str, Any]]:
        """The environment's droplets by id."""
        found = self.ask(f"/v2/droplets?per_page=200&tag_name={NAMES.tag}")["droplets"]
        return {each["id"]: each for each in found}

    def address(self) -> tuple[str, int | None]:
        """The floating IP, and the id of the droplet behind it."""
        found = self.ask("/v2/floating_ips?per_page=200")["floating_ips"]
        assert found, "there is no floating IP"
        return found[0]["ip"], (found[0]["droplet"] or {}).get("id")

    def cluster(self) -> dict[str, Any]:
        """The environment's database cluster."""
        found: dict[str, Any] = next(
            each for each in self.ask("/v2/databases")["databases"] if each["name"] == NAMES.cluster
        )
        return found

    def droplet(self, which: str) -> int:
        """The id of the live droplet, the standby or the candidate; raises Nothing when there is none (any more)."""
        if which == "live":
            target = self.address()[1]
            found = [target] if target in self.before else []
        elif which == "standby":
            name = NAMES.droplet(self.reference["standby"])
            found = [id for id, each in self.droplets().items() if each["name"] == name]
        else:
            deadline = time.monotonic() + 3
            while not (found := sorted(self.droplets().keys() - self.before)) and time.monotonic() < deadline:
                time.sleep(0.2)
        if not found:
            raise Nothing(f"there is no {which} droplet")
        return int(found[0] or 0)

    def fault(self, **fault: Any) -> Callable[[], None]:
        """Ask for a fault; gives what clears it."""
        number = self.ask("/_localocean/faults", "POST", fault)["fault"]["id"]

        def clear() -> None:
            try:
                self.ask(f"/_localocean/faults/{number}", "DELETE")
            except Nothing:
                return

        return clear

    def act(self, droplet: int, type: str) -> None:
        """A droplet action, to its end; one that meets another is the cloud's to refuse."""
        url = f"{self.endpoint}/v2/droplets/{droplet}/actions"
        begun = requests.post(url, json={"type": type}, headers=self._headers, timeout=30)
        if begun.status_code == 201:
            path = f"/v2/actions/{begun.json()['action']['id']}"
            _until(lambda: self.ask(path)["action"]["status"] != "in-progress")

    def delete(self, droplet: int) -> None:
        """Somebody deletes a droplet in the control panel, and sees it go."""
        self.ask(f"/v2/droplets/{droplet}", "DELETE")
        _until(lambda: droplet not in self.droplets())

    def kill_machine(self, droplet: int) -> None:
        """The end of a machine without a word to anybody."""
        cgroups.kill(f"{self.config.unit_prefix}{droplet}")

    def stop_app(self) -> None:
        """The app of the droplet behind the address, which is new, stops and is not started again."""
        droplet = self.address()[1]
        if droplet is None or droplet in self.before:
            raise Nothing("no new release is live")
        enter.run(f"{self.config.unit_prefix}{droplet}", ["systemctl", "stop", "app.service"])

    def kill_database(self) -> None:
        """The same for the database's machine."""
        for number in Machines(self.config).known():
            if number >= FIRST:
                cgroups.kill(f"{self.config.unit_prefix}{number}")

    # ---- the database ----------------------------------------------------------------------------------------------

    def schema(self) -> Schema:
        """Where the schema is, by one statement: at one moment."""
        ((version, tables, columns),) = self._sql(_SCHEMA, "app")
        return Schema(int(version), frozenset(tables.split()), frozenset(columns.split()))

    def _sql(self, statement: str, database: str = "postgres") -> list[list[str]]:
        """What the server itself says, as soon as it does."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return Postgres(self._database_unit()).sql(statement, database)
            except HostError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def _database_unit(self) -> str:
        numbers = [number for number in Machines(self.config).known() if number >= FIRST]
        if not numbers:
            raise HostError("The database's machine does not run.")
        return f"{self.config.unit_prefix}{numbers[0]}"

    def kill_migration(self) -> None:
        """What `app migrate` does on the candidate ends without a word."""
        unit, deadline = f"{self.config.unit_prefix}{self.droplet('candidate')}", time.monotonic() + 3
        while not (found := [pid for pid in cgroups.processes(unit) if _migrates(pid)]):
            if time.monotonic() > deadline:
                raise Nothing("nothing migrates")
            time.sleep(0.02)
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def use_table(self) -> Callable[[], None]:
        """Somebody reads the notes in a transaction that does not end; gives what ends it."""
        using = ExitStack()
        words = [*AS_POSTGRES, *PSQL, "--dbname=app"]
        session, (into, out, complaints) = using.enter_context(enter.piped(self._database_unit(), words, alone=False))
        for pipe in (out, complaints):
            using.callback(os.close, pipe)
        os.write(into, b"BEGIN; LOCK TABLE public.notes IN ACCESS SHARE MODE; SELECT 1;\n")
        assert os.read(out, 100) == b"1\n"

        def end() -> None:
            os.close(into)
            session.wait(60)
            using.close()

        return end

    # ---- what is left -----------------------------------------------------------------------------------------------

    def account(self) -> Mapping[str, set[str]]:
        """The names of everything that the account holds."""
        cluster = f"/v2/databases/{self.cluster()['id']}"
        every = "?per_page=200"
        return {
            "droplets": {each["name"] for each in self.ask(f"/v2/droplets{every}")["droplets"]},
            "images": {each["name"] for each in self.ask(f"/v2/images{every}&private=true")["images"]},
            "keys": {each["name"] for each in self.ask(f"/v2/account/keys{every}")["ssh_keys"]},
            "addresses": {each["ip"] for each in self.ask(f"/v2/floating_ips{every}")["floating_ips"]},
            "clusters": {each["name"] for each in self.ask("/v2/databases")["databases"]},
            "database users": {each["name"] for each in self.ask(f"{cluster}/users")["users"]},
            "databases": {name for (name,) in self._sql("SELECT datname FROM pg_database")},
        }

    def residue(self) -> list[str]:
        """Where the kernel has something else than the cloud says."""
        droplets = {each["id"]: each for each in self.ask("/v2/droplets?per_page=200")["droplets"]}
        active = {id for id, each in droplets.items() if each["status"] == "active"}
        machines = Machines(self.config).running()
        running, databases = ({id for id in machines if (id >= FIRST) is which} for which in (False, True))
        nodes = len(self.ask("/v2/databases")["databases"])
        mounted = [
            line.split()[1]
            for line in Path("/proc/self/mounts").read_text().splitlines()
            if line.split()[1].startswith(f"{self.config.state}/") and line.split()[1].endswith("/root")
        ]
        found = []
        if running != active or len(databases) != nodes:
            found.append(f"the machines {sorted(machines)} run, for droplets {sorted(active)} and {nodes} databases")
        if len(mounted) != len(machines):
            found.append(f"{len(mounted)} file systems are mounted for {len(machines)} machines")
        return found

    def remove_image(self, name: str) -> None:
        """Remove an image that a round made."""
        for each in self.ask("/v2/images?per_page=200&private=true")["images"]:
            if each["name"] == name:
                self.ask(f"/v2/images/{each['id']}", "DELETE")


def _until(done: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for what was begun; what has not ended by then goes on by itself."""
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.1)


def _migrates(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return words[:2] == [b"/opt/app/app", b"migrate"]
