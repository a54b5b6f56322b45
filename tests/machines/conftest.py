"""Real machines on this host, in a cloud of the test run's own: its bridge, its ranges, its state; cleaned up after."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from itertools import count
from pathlib import Path

import paramiko
import pytest

from localocean.cleanup import teardown
from localocean.config import Config
from localocean.daemon import install
from localocean.host import requirements
from localocean.host.machines import Machines, MachineSpec
from localocean.host.seed import Seed, write_seed
from localocean.network import Network
from localocean.storage.bases import BaseImages
from localocean.storage.disks import Disks
from tests.support import own_settings

BOOT = 180.0


@dataclass(frozen=True)
class Cloud:
    """The machine rooms of one cloud, and a way in to its droplets."""

    config: Config
    base: Path
    key: paramiko.Ed25519Key
    public_key: str
    disks: Disks
    machines: Machines
    network: Network
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def spec(self, layers: list[Path], *, user_data: str = "", memory_mb: int = 512) -> MachineSpec:
        """A droplet of its own on ``layers``, mounted and seeded, not started."""
        number = next(self.numbers)
        public = next(a for i, a in enumerate(self.config.public_addresses(), 1) if i == number)
        private = next(a for i, a in enumerate(self.config.private_addresses(), 1) if i == number)
        root = self.disks.mount(number, layers, 10)
        seed = Seed(
            instance_id=f"test-{number}",
            hostname=f"droplet-{number}",
            public_keys=[self.public_key],
            user_data=user_data,
            public_address=public,
            public_network=self.config.public_network,
            gateway=self.config.gateway,
            private_address=private,
            private_network=self.config.vpc_range,
            nameservers=self.network.nameservers(),
            anchor=self.config.anchor(public),
        )
        write_seed(root, seed)
        return MachineSpec(number, seed.hostname, root, memory_mb, 1, public, private)

    def boot(self, layers: list[Path] | None = None, *, user_data: str = "", memory_mb: int = 512) -> MachineSpec:
        """A running droplet."""
        spec = self.spec(layers or [self.base], user_data=user_data, memory_mb=memory_mb)
        self.machines.start(spec)
        return spec

    def login(self, address: IPv4Address, timeout: float = BOOT) -> paramiko.SSHClient:
        """A root shell at ``address``, as soon as it lets us in."""
        deadline = time.monotonic() + timeout
        while True:
            client = paramiko.SSHClient()
            client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
            try:
                wait_for_port(address, 22, deadline)
                client.connect(
                    str(address), username="root", pkey=self.key, timeout=5, look_for_keys=False, allow_agent=False
                )
                return client
            except (paramiko.SSHException, OSError):
                client.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def sh(self, address: IPv4Address, command: str) -> tuple[int, str]:
        """Run ``command`` in the droplet at ``address``: exit status and what it printed."""
        with self.login(address) as client:
            _, out, err = client.exec_command(command, timeout=180)
            text = (out.read() + err.read()).decode()
            return out.channel.recv_exit_status(), text.strip()

    def remove(self, spec: MachineSpec) -> None:
        self.machines.kill(spec.droplet_id)
        self.disks.delete(spec.droplet_id)


def wait_for_port(address: IPv4Address, port: int, deadline: float) -> None:
    """Return when something speaks at ``address``; raise ``OSError`` when nothing does by ``deadline``."""
    while True:
        try:
            with socket.create_connection((str(address), port), timeout=1) as connection:
                connection.recv(1)
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@pytest.fixture(scope="session")
def config() -> Iterator[Config]:
    """Settings that no other cloud of this machine has; what is left of the cloud goes at the end."""
    install(requirements.missing(), print)
    with own_settings("machines") as settings:
        config = Config.from_environment(settings)
        requirements.check(config)
        config.state.mkdir()
        yield config
        teardown(config)


@pytest.fixture(scope="session")
def cloud(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    """A cloud with its network up and a base image."""
    from cryptography.hazmat.primitives import serialization as to
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    secret = Ed25519PrivateKey.generate()
    file = tmp_path_factory.mktemp("key") / "id"
    file.write_bytes(secret.private_bytes(to.Encoding.PEM, to.PrivateFormat.OpenSSH, to.NoEncryption()))
    public = secret.public_key().public_bytes(to.Encoding.OpenSSH, to.PublicFormat.OpenSSH).decode()
    network = Network(config)
    network.up()
    base = BaseImages(config).ensure("debian-12-x64")
    key = paramiko.Ed25519Key.from_private_key_file(str(file))
    return Cloud(config, base, key, public, Disks(config), Machines(config), network)


@pytest.fixture(scope="module")
def droplet(cloud: Cloud) -> Iterator[MachineSpec]:
    """One running droplet for the tests of a module."""
    spec = cloud.boot()
    yield spec
    cloud.remove(spec)
