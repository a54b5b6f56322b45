"""The yardstick of a boot: systemd-nspawn on an overlay of the same base, with a seed of the same kind, and no API.

What a droplet has beyond it (a second interface, limits of its size, a console, a record in the cloud) is left out.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import paramiko

from bench.figures import Run, Stopwatch
from bench.login import wait_for_login
from localocean.config import Config
from localocean.host import cgroups, inherit, inside
from localocean.host.machines import NSPAWN
from localocean.host.run import run, spawn
from localocean.host.seed import FOLDER, Seed, network_config, write_seed
from localocean.storage.disks import Disks

# The shell moves into the machine's control groups and becomes systemd-nspawn.
ENTER = 'for group in $GROUPS_; do echo $$ >"$group/cgroup.procs" || exit 1; done; exec "$@"'
SECONDS = 180
DELEGATED = ("cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "tasks")


@dataclass(frozen=True)
class BareMachines:
    """Bare machines, one or many at a time, beside the droplets of a cloud: on a bridge and a network of their own."""

    config: Config
    base: Path
    key: paramiko.Ed25519Key
    public_key: str
    network: IPv4Network

    @property
    def bridge(self) -> str:
        """The bridge, which lives as long as the benchmark."""
        return f"{self.config.bridge}b"

    def boot(self, count: int = 1) -> Run:
        """Boot machines, log in to all, end them; what is timed is from the first systemd-nspawn to the last login."""
        disks, watch = Disks(replace(self.config, state=self.config.state / "bare")), Stopwatch()
        numbers = range(1, count + 1)
        with ExitStack() as stack, ThreadPoolExecutor(count) as pool:
            for number in numbers:
                stack.callback(disks.delete, number)
                self._seed(disks.mount(number, [self.base], 10), number)
                stack.enter_context(_group(self._name(number)))
            with watch.time("systemd-nspawn to login"):
                list(pool.map(lambda number: self._start(number, disks.root(number)), numbers))
        self._remove_interfaces()
        return watch.run

    def _remove_interfaces(self) -> None:
        """The kernel takes the interfaces of killed machines away in its own time; the next ones need the names now."""
        for interface in Path(f"/sys/class/net/{self.bridge}/brif").iterdir():
            run(["ip", "link", "del", interface.name], check=False)

    def _start(self, number: int, root: Path) -> None:
        _start(self._name(number), self._command(self._name(number), root), root.with_name("console"))
        wait_for_login(str(self._address(number)), self.key, SECONDS)

    def _name(self, number: int) -> str:
        return f"{self.bridge}-bare{number}"

    def _address(self, number: int) -> IPv4Address:
        return self.network[number + 1]

    @contextmanager
    def bridged(self) -> Iterator[None]:
        """With the bridge."""
        run(["ip", "link", "add", self.bridge, "type", "bridge", "forward_delay", "0"])
        try:
            run(["ip", "address", "add", f"{self.network[1]}/{self.network.prefixlen}", "dev", self.bridge])
            run(["ip", "link", "set", self.bridge, "up"])
            # Who asks for the machine's address before it is up would be answered a second later only.
            Path(f"/proc/sys/net/ipv4/neigh/{self.bridge}/retrans_time_ms").write_text("20")
            yield
        finally:
            run(["ip", "link", "del", self.bridge])

    def _command(self, name: str, root: Path) -> list[str]:
        return [
            *("systemd-nspawn", "--quiet", "--boot", f"--directory={root}", f"--machine={name}"),
            *("--register=no", "--keep-unit", "--console=pipe", f"--network-bridge={self.bridge}"),
            *(f"--private-users={inside.SHIFT}:65536", "--private-users-ownership=off", "--resolv-conf=off"),
        ]

    def _seed(self, root: Path, number: int) -> None:
        """A droplet's seed, save that the one interface of the machine has nspawn's name."""
        seed = Seed(
            instance_id=str(time.monotonic_ns()),
            hostname="bare",
            public_keys=[self.public_key],
            user_data="",
            public_address=self._address(number),
            public_network=self.network,
            gateway=self.network[1],
            private_address=IPv4Address(0),
            private_network=self.network,
            nameservers=inherit.nameservers(),
        )
        write_seed(root, seed)
        inside.write(root, f"{FOLDER}/network-config", json.dumps(_one_interface(network_config(seed))), 0o600)


def _one_interface(config: dict[str, object]) -> dict[str, object]:
    interfaces = config["config"]
    assert isinstance(interfaces, list)
    return {**config, "config": [{**interfaces[0], "name": "host0"}]}


@contextmanager
def _group(name: str) -> Iterator[None]:
    """With a control group for the machine (systemd makes one itself); everything in it is ended afterwards."""
    try:
        if not cgroups.systemd_is_init():
            for group in cgroups.groups(name):
                group.mkdir(exist_ok=True)
                for path in [group, *(group / file for file in DELEGATED if (group / file).exists())]:
                    os.chown(path, inside.SHIFT, inside.SHIFT)
        yield
    finally:
        _end(name)


def _start(name: str, command: Sequence[str], console: Path) -> None:
    if cgroups.systemd_is_init():
        unit = ["systemd-run", "--quiet", "--collect", f"--unit={name}", "--property=Delegate=yes"]
        run([*unit, *command])
    else:
        groups = " ".join(map(str, cgroups.groups(name)))
        spawn(["sh", "-c", ENTER, "sh", *command], console, {**NSPAWN, "GROUPS_": groups})


def _end(name: str) -> None:
    deadline = time.monotonic() + 15
    while cgroups.processes(name) and time.monotonic() < deadline:
        cgroups.kill(name)
        time.sleep(0.02)
    cgroups.remove(name)
