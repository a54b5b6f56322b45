"""Machine rooms that only remember: what the engine asks of the machine, and when, can be looked at and held up."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import cast

from localocean.engine.machinery import Machinery
from localocean.host.errors import HostError
from localocean.host.machines import MachineSpec
from localocean.network.databases import Entrance


class Rooms:
    """Disks, machines, network and base images in one; `fail` names the method that is to fail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fail = ""
        self.gate = threading.Event()
        self.gate.set()
        self.going_down = False
        self.on: set[int] = set()
        self.disks: set[int] = set()
        self.open: set[int] = set()
        self.layers: set[str] = set()
        self.floating: dict[IPv4Address, IPv4Address] = {}
        self.entrances: list[Entrance] = []
        self.muted: set[tuple[str, str]] = set()
        self.servers: dict[str, Server] = {}

    def machinery(self) -> Machinery:
        return cast(Machinery, _Bundle(self))

    def _step(self, name: str) -> None:
        assert self.gate.wait(10)
        if self.fail == name:
            raise HostError(f"{name} failed.", "Try again.")

    def ready(self, slug: str) -> bool:
        return True

    def ensure(self, slug: str, progress: Callable[[str], None] = lambda line: None) -> Path:
        self._step("ensure")
        return self.folder

    def fetch(self, url: str, layer_id: str, check: Callable[[], None]) -> int:
        self._step("fetch")
        check()
        return 1_500_000_000

    def mount(self, droplet_id: int, layers: Sequence[Path], gigabytes: float) -> Path:
        self._step("mount")
        self.disks.add(droplet_id)
        self.open.add(droplet_id)
        root = self.root(droplet_id)
        root.mkdir(exist_ok=True)
        return root

    def size(self, droplet_id: int) -> int:
        return 1_000_000

    def layer_size(self, layer_id: str) -> int:
        return 10_000_000

    def layer_names(self) -> set[str]:
        return set(self.layers)

    def known(self) -> set[int]:
        return set(self.disks)

    def mounted(self) -> set[int]:
        return set(self.open)

    def traces(self) -> set[int]:
        return set(self.on)

    def unmount(self, droplet_id: int) -> None:
        self.open.discard(droplet_id)

    def release(self, droplet_id: int) -> None:
        pass

    def guard(self) -> None:
        pass

    def limits(self) -> dict[str, object]:
        return {"disk": True, "reason": "", "waiting": []}

    def tell_memory(self, droplet_id: int) -> None:
        pass

    def delete(self, droplet_id: int) -> None:
        self._step("delete")
        self.disks.discard(droplet_id)

    def snapshot(self, droplet_id: int, layer_id: str) -> int:
        self._step("snapshot")
        self.layers.add(layer_id)
        return 10_000_000

    def layer(self, layer_id: str) -> Path:
        return self.folder / layer_id

    def delete_layer(self, layer_id: str) -> None:
        self.layers.discard(layer_id)

    def start(self, spec: MachineSpec) -> None:
        self._step("start")
        self.on.add(spec.droplet_id)

    def shutdown(self, droplet_id: int, timeout: float = 30) -> bool:
        self._step("shutdown")
        self.on.discard(droplet_id)
        return True

    def attach(self, spec: MachineSpec) -> None:
        self._step("attach")

    def root(self, droplet_id: int) -> Path:
        return self.folder / str(droplet_id)

    def kill(self, droplet_id: int) -> None:
        self.on.discard(droplet_id)

    def forget(self, droplet_id: int) -> None:
        pass

    def is_running(self, droplet_id: int) -> bool:
        return droplet_id in self.on

    def host_goes_down(self) -> bool:
        return self.going_down

    def running(self) -> set[int]:
        return set(self.on)

    def console(self, droplet_id: int) -> Path:
        return self.folder / f"{droplet_id}.console"

    def trim_console(self, droplet_id: int) -> None:
        pass

    def up(self) -> None:
        pass

    def refresh(self) -> None:
        pass

    def enable_ipv6(self) -> None:
        pass

    def down(self) -> None:
        pass

    def set_floating(self, table: Mapping[IPv4Address, IPv4Address]) -> None:
        self.floating = dict(table)

    def set_private(self, ranges: Iterable[IPv4Network]) -> None:
        pass

    def make_vpc(self, bridge: str) -> None:
        pass

    def remove_vpc(self, bridge: str) -> None:
        pass

    def move_floating(self, address: IPv4Address, target: IPv4Address | None) -> None:
        self._step("move_floating")
        self.floating.pop(address, None)
        if target:
            self.floating[address] = target

    def set_databases(self, entrances: Iterable[Entrance]) -> None:
        self.entrances = list(entrances)

    def mute(self, interfaces: tuple[str, str], muted: bool = True) -> None:
        (self.muted.add if muted else self.muted.discard)(interfaces)

    def certificate(self) -> bytes:
        return b"the authority"

    def issue(self, name: str, addresses: Sequence[IPv4Address]) -> None:
        return None

    def server(self, unit: str) -> Server:
        return self.servers.setdefault(unit, Server(self))

    def detach(self, target: IPv4Address) -> None:
        self.floating = {address: found for address, found in self.floating.items() if found != target}

    def nameservers(self) -> list[str]:
        return []


class Server:
    """A PostgreSQL that only remembers: its users with their passwords, its databases, what was run beside it."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self.scripts: list[tuple[str, str]] = []
        self.users: dict[str, str] = {}
        self.databases: set[str] = set()
        self.said: list[str] = []

    def wait_ready(self, timeout: float = 60) -> None:
        self.rooms._step("wait_ready")

    def restart_if_pending(self) -> None:
        self.rooms._step("restart_if_pending")

    def create_user(self, name: str, password: str) -> None:
        self.rooms._step("create_user")
        self.users[name] = password

    def set_password(self, name: str, password: str) -> None:
        self.rooms._step("set_password")
        self.users[name] = password

    def drop_user(self, name: str) -> None:
        self.rooms._step("drop_user")
        self.users.pop(name, None)

    def user_names(self) -> list[str]:
        return sorted(self.users)

    def database_names(self) -> list[str]:
        return sorted(self.databases)

    def sql(self, statement: str, database: str = "postgres", timeout: float = 60) -> list[list[str]]:
        self.rooms._step("sql")
        self.said.append(statement)
        return [["f"]] if statement == "SELECT pg_is_in_recovery()" else []

    def shell(self, script: str, *arguments: str, input: str | None = None, timeout: float = 60) -> str:
        self.rooms._step("shell")
        self.scripts.append((script, input or ""))
        return ""

    def run_to_file(
        self, words: Sequence[str], *, source: Path | None = None, target: Path | None = None, timeout: float
    ) -> None:
        """A backup has the names of users and databases, and brings them back."""
        self.rooms._step("run_to_file")
        if target:
            target.write_text(json.dumps([sorted(self.users), sorted(self.databases)]))
        if source:
            users, databases = json.loads(source.read_text())
            self.users, self.databases = dict.fromkeys(users, ""), set(databases)

    def create_database(self, name: str) -> None:
        self.rooms._step("create_database")
        self.databases.add(name)

    def drop_database(self, name: str) -> None:
        self.rooms._step("drop_database")
        self.databases.discard(name)


class _Bundle:
    def __init__(self, rooms: Rooms) -> None:
        self.authority, self.postgres = rooms, rooms.server
        self.disks = self.machines = self.network = self.bases = self.imports = rooms
