"""Floating IPs move at once and for everybody; droplets meet each other where they should and nowhere else."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from itertools import islice

import pytest

from localocean import network
from localocean.host.errors import HostError
from localocean.host.machines import MachineSpec
from localocean.network import bridges, connections

from .conftest import BOOT, Cloud

SERVER = """
import socket, socketserver, threading, time

class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(f"{socket.gethostname()} {self.client_address[0]}".encode())

class Forever(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(socket.gethostname().encode())
        try:
            self.request.recv(1)
        except ConnectionResetError:
            open("/root/resets", "a").write("reset\\n")

class Server(socketserver.ThreadingTCPServer):
    request_queue_size = 128
    daemon_threads = True

class Slow(socketserver.BaseRequestHandler):
    def handle(self):
        time.sleep(0.1)
        self.request.sendall(socket.gethostname().encode())

threading.Thread(target=Server(("0.0.0.0", 8081), Forever).serve_forever).start()
threading.Thread(target=Server(("0.0.0.0", 8082), Slow).serve_forever).start()
Server(("0.0.0.0", 8080), Handler).serve_forever()
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


@pytest.mark.parametrize("away", ["to another droplet", "to nowhere"])
def test_an_open_connection_ends_with_the_move(cloud: Cloud, pair: tuple[MachineSpec, MachineSpec], away: str) -> None:
    floating = next(cloud.config.floating_addresses())
    cloud.network.set_floating({floating: pair[0].public_address})
    resets = "cat /root/resets 2>/dev/null | wc -l"
    before = int(cloud.sh(pair[0].public_address, resets)[1])
    with socket.create_connection((str(floating), 8081), timeout=5) as connection:
        assert connection.recv(100).decode() == pair[0].hostname
        begin = time.monotonic()
        cloud.network.move_floating(floating, pair[1].public_address if away == "to another droplet" else None)
        with pytest.raises(ConnectionResetError):
            connection.recv(100)
        assert time.monotonic() - begin < 4, "a client that only listens is told at once"
    assert int(cloud.sh(pair[0].public_address, resets)[1]) == before + 1, "and so is the server"
    cloud.network.set_floating({})


def test_a_request_on_its_way_is_answered_by_the_droplet_that_has_it(
    cloud: Cloud, pair: tuple[MachineSpec, MachineSpec]
) -> None:
    floating = next(cloud.config.floating_addresses())
    cloud.network.set_floating({floating: pair[0].public_address})
    with socket.create_connection((str(floating), 8082), timeout=5) as connection:
        cloud.network.move_floating(floating, pair[1].public_address)
        assert ask(floating, 0) == pair[1].hostname
        assert connection.recv(100).decode() == pair[0].hostname
    cloud.network.set_floating({})


def test_a_connection_between_droplets_ends_with_the_move(cloud: Cloud, pair: tuple[MachineSpec, MachineSpec]) -> None:
    one, two = pair
    floating = next(cloud.config.floating_addresses())
    cloud.network.set_floating({floating: two.public_address})
    connect = f"import socket; c = socket.create_connection(('{floating}', 8081), 5)"
    listen = f"{connect}; print(c.recv(99).decode(), flush=True); c.recv(1)"
    with cloud.login(one.public_address) as client:
        _, out, err = client.exec_command(f'python3 -c "{listen}"', timeout=30)
        assert out.readline().strip() == two.hostname
        cloud.network.move_floating(floating, one.public_address)
        assert "ConnectionResetError" in err.read().decode()
    cloud.network.set_floating({})


def test_no_new_connection_is_lost_in_100_moves(cloud: Cloud, pair: tuple[MachineSpec, MachineSpec]) -> None:
    """What was connected when the address moved may end; to connect never fails, and who connects is answered."""
    floating = next(cloud.config.floating_addresses())
    names = [spec.hostname for spec in pair]
    cloud.network.set_floating({floating: pair[0].public_address})
    moving, moves, refused, cut = threading.Event(), 0, list[Exception](), 0
    answers = dict.fromkeys(names, 0)

    def visit() -> None:
        nonlocal cut
        while not moving.is_set():
            seen = moves
            try:
                connection = socket.create_connection((str(floating), 8080), timeout=5)
            except OSError as error:
                refused.append(error)
                continue
            with connection:
                try:
                    answers[connection.recv(100).decode().split()[0]] += 1
                except (OSError, IndexError) as error:
                    cut += 1
                    if moves == seen and not under_way:
                        refused.append(error)

    under_way = False
    visitor = threading.Thread(target=visit)
    visitor.start()
    for number in range(100):
        target = pair[(number + 1) % 2]
        under_way = True
        cloud.network.move_floating(floating, target.public_address)
        moves, under_way = moves + 1, False
        assert ask(floating, 0) == target.hostname, "a new connection reaches the new droplet at once"
    moving.set()
    visitor.join()
    assert refused == []
    assert all(count > 100 for count in answers.values()), answers
    assert cut <= 100, "at most the one connection that was open at a move"
    cloud.network.set_floating({})


def test_no_new_connection_is_lost_while_the_network_is_put_right(
    cloud: Cloud, pair: tuple[MachineSpec, MachineSpec]
) -> None:
    """As a server does that starts again: the address goes on answering meanwhile."""
    floating = next(cloud.config.floating_addresses())
    table = {floating: pair[0].public_address}
    cloud.network.set_floating(table)
    over, refused, connected = threading.Event(), list[OSError](), 0

    def visit() -> None:
        nonlocal connected
        while not over.is_set():
            try:
                socket.create_connection((str(floating), 8080), timeout=5).close()
                connected += 1
            except OSError as error:
                refused.append(error)

    visitor = threading.Thread(target=visit)
    visitor.start()
    for _ in range(30):
        cloud.network.up()
        cloud.network.set_floating(table)
    over.set()
    visitor.join()
    assert refused == [] and connected > 100
    cloud.network.set_floating({})


@pytest.mark.parametrize("assigned", [True, False])
def test_an_address_that_cannot_be_moved_stays_where_it_was(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, assigned: bool
) -> None:
    floating, one, two = (*islice(cloud.config.floating_addresses(), 1), *islice(cloud.config.public_addresses(), 2))
    before = {floating: one} if assigned else {}
    cloud.network.set_floating(before)

    def fail(address: IPv4Address, target: IPv4Address | None) -> None:
        raise HostError("The command conntrack is missing.")

    if assigned:  # connections are ended later then
        monkeypatch.setattr(network, "floating_rules", lambda *_: "no rule\n")
    else:
        monkeypatch.setattr(connections, "end", fail)
    with pytest.raises(HostError):
        cloud.network.move_floating(floating, two)
    monkeypatch.undo()
    assert cloud.network.floating() == before
    cloud.network.set_floating({})


def test_nobody_stays_muted_when_the_network_is_put_right(cloud: Cloud, pair: tuple[MachineSpec, MachineSpec]) -> None:
    one, two = pair
    client = f"python3 -c \"import socket; socket.create_connection(('{two.private_address}', 8080), 5)\""
    cloud.network.mute(cloud.config.interfaces(two.droplet_id))
    assert cloud.sh(one.public_address, client)[0] != 0
    cloud.network.up()
    assert ask(two.public_address) == two.hostname
    assert cloud.sh(one.public_address, client)[0] == 0


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


def test_many_may_want_the_bridge_of_a_vpc_at_once(cloud: Cloud) -> None:
    bridge = bridges.name(cloud.config, 7)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(cloud.network.make_vpc, [bridge] * 8))
        assert bridge in bridges.private(cloud.config)
    finally:
        cloud.network.remove_vpc(bridge)
