"""Floating IPs move at once and for everybody; droplets meet each other where they should and nowhere else."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest

from localcloud.host.machines import MachineSpec

from .conftest import BOOT, Cloud

SERVER = """
import socket, socketserver

class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(f"{socket.gethostname()} {self.client_address[0]}".encode())

socketserver.TCPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""
SERVE = f"cat >/root/server.py <<'END'\n{SERVER}\nEND\nsystemd-run --quiet python3 /root/server.py"


@pytest.fixture(scope="module")
def pair(cloud: Cloud) -> Iterator[tuple[MachineSpec, MachineSpec]]:
    """Two droplets, each telling on port 8080 who it is and who asked."""
    both = (cloud.boot(), cloud.boot())
    for spec in both:
        cloud.sh(spec.public_address, f"cloud-init status --wait >/dev/null\n{SERVE}")
        ask(spec.public_address)
    yield both
    for spec in both:
        cloud.remove(spec)


def ask(address: IPv4Address, timeout: float = BOOT) -> str:
    """Who answers at ``address``; asks again until somebody does."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            with socket.create_connection((str(address), 8080), timeout=2) as connection:
                if said := connection.recv(100).decode():
                    return said.split()[0]
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def test_a_floating_ip_moves_at_once(cloud: Cloud, pair: tuple[MachineSpec, MachineSpec]) -> None:
    floating = next(cloud.config.floating_addresses())
    for spec in (*pair, *pair):
        cloud.network.move_floating(floating, spec.public_address)
        assert ask(floating, 0) == spec.hostname
    cloud.network.set_floating({floating: pair[0].public_address})
    cloud.network.up()
    assert ask(floating, 0) == pair[0].hostname, "repairing the network keeps the map"
    cloud.network.move_floating(floating, None)
    cloud.network.move_floating(floating, None)
    with pytest.raises(OSError, match="No route to host"):
        ask(floating, 0)


def test_an_open_connection_ends_with_the_move(cloud: Cloud, pair: tuple[MachineSpec, MachineSpec]) -> None:
    floating = next(cloud.config.floating_addresses())
    cloud.network.set_floating({floating: pair[0].public_address})
    with socket.create_connection((str(floating), 22), timeout=5) as connection:
        assert connection.recv(4) == b"SSH-"
        cloud.network.move_floating(floating, pair[1].public_address)
        connection.recv(1000)
        with pytest.raises(ConnectionResetError):
            for _ in range(20):
                connection.sendall(b"SSH-2.0-x\r\n")
                connection.recv(1000)
    cloud.network.set_floating({})


def test_droplets_use_floating_ips_with_their_own_address(cloud: Cloud, pair: tuple[MachineSpec, MachineSpec]) -> None:
    one, two = pair
    floating = list(cloud.config.floating_addresses())[1]
    cloud.network.set_floating({floating: two.public_address})
    client = "python3 -c \"import socket; print(socket.create_connection(('{}', 8080), 5).recv(100).decode())\""
    for address in (floating, two.public_address, two.private_address):
        source = one.private_address if address == two.private_address else one.public_address
        assert cloud.sh(one.public_address, client.format(address)) == (0, f"{two.hostname} {source}")
    cloud.network.set_floating({})


def test_the_private_network_stays_on_its_bridge(cloud: Cloud, pair: tuple[MachineSpec, MachineSpec]) -> None:
    with pytest.raises(OSError, match="unreachable|No route"):
        socket.create_connection((str(pair[0].private_address), 8080), timeout=5)


def test_droplets_reach_the_package_archives(cloud: Cloud, pair: tuple[MachineSpec, MachineSpec]) -> None:
    status, said = cloud.sh(pair[0].public_address, "apt-get update 2>&1")
    assert status == 0
    assert "Err:" not in said
