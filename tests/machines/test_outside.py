"""What a droplet reaches beyond the host: the internet, what it needs, and no network of the host's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Network

import pytest

from localocean.config import Networks
from localocean.host import inherit
from localocean.host.machines import MachineSpec
from localocean.network import Network

from .conftest import Cloud
from .test_isolation import CONNECT

PRIVATE, PUBLIC = "10.99.77", "198.51.100"
HOST, MACHINE = ".129", ".130"
PORTS = (53, 3142, 8000)
SERVE = f"""
import selectors, socket
listening = selectors.DefaultSelector()
for port in {PORTS}:
    listening.register(socket.create_server(("0.0.0.0", port)), selectors.EVENT_READ)
print("up", flush=True)
while True:
    for key, _ in listening.select():
        key.fileobj.accept()[0].close()
"""


@dataclass(frozen=True)
class Elsewhere:
    """A machine in a network of the host's own, at a private address and at one that is not."""

    link: str
    private: str = PRIVATE + MACHINE
    public: str = PUBLIC + MACHINE


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@pytest.fixture(scope="module")
def elsewhere(cloud: Cloud) -> Iterator[Elsewhere]:
    space, link, far = (f"{cloud.config.bridge}{end}" for end in ("ns", "o", "f"))
    ip("netns", "add", space)
    try:
        ip("link", "add", link, "type", "veth", "peer", "name", far, "netns", space)
        for network in (PRIVATE, PUBLIC):
            ip("address", "add", f"{network}{HOST}/28", "dev", link)
            ip("-n", space, "address", "add", f"{network}{MACHINE}/28", "dev", far)
        ip("link", "set", link, "up")
        ip("-n", space, "link", "set", far, "up")
        ip("-n", space, "route", "add", "default", "via", PRIVATE + HOST)
        command = ["ip", "netns", "exec", space, sys.executable, "-c", SERVE]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout and server.stdout.readline() == "up\n"
            yield Elsewhere(link)
            server.kill()
    finally:
        subprocess.run(["ip", "link", "del", link], check=False)
        ip("netns", "del", space)


@pytest.fixture
def as_it_was(cloud: Cloud) -> Iterator[None]:
    yield
    cloud.network.refresh(anew=True)


def reaches(cloud: Cloud, droplet: MachineSpec, address: str, port: int = 8000) -> bool:
    status, said = cloud.sh(droplet.public_address, CONNECT.format(address, port))
    assert status == 0 or "No route to host" in said, "it is told at once, and does not wait"
    return status == 0


def test_the_hosts_networks_are_out_of_reach(cloud: Cloud, droplet: MachineSpec, elsewhere: Elsewhere) -> None:
    for address in (elsewhere.private, elsewhere.public):
        assert subprocess.run(["bash", "-c", CONNECT.format(address, 8000)]).returncode == 0, (
            "the host itself gets there"
        )
        assert not reaches(cloud, droplet, address)
        assert cloud.sh(droplet.public_address, f"ping -c1 -W1 {address}")[0] != 0


def test_a_default_route_leads_to_the_internet_and_to_no_private_address(
    cloud: Cloud, droplet: MachineSpec, elsewhere: Elsewhere, as_it_was: None
) -> None:
    ip("route", "add", "default", "via", elsewhere.private, "table", "4711")
    try:
        cloud.network.refresh()
        assert reaches(cloud, droplet, elsewhere.public)
        assert not reaches(cloud, droplet, elsewhere.private)
    finally:
        ip("route", "flush", "table", "4711")
    cloud.network.refresh()
    assert not reaches(cloud, droplet, elsewhere.public), "the host has left that network"


def test_name_servers_and_the_proxies_of_apt_are_open_at_their_ports(
    cloud: Cloud, droplet: MachineSpec, elsewhere: Elsewhere, as_it_was: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inherit, "nameservers", lambda: [elsewhere.private, "fe80::1%eth0"])
    monkeypatch.setattr(inherit, "proxies", lambda: [f'Acquire::http::Proxy "http://{elsewhere.private}:3142/";'])
    cloud.network.refresh(anew=True)
    assert [reaches(cloud, droplet, elsewhere.private, port) for port in PORTS] == [True, True, False]


def test_networks_can_be_opened(cloud: Cloud, droplet: MachineSpec, elsewhere: Elsewhere, as_it_was: None) -> None:
    opened = Networks([IPv4Network(f"{PRIVATE}.128/28")])
    Network(replace(cloud.config, reachable=opened)).refresh(anew=True)
    assert reaches(cloud, droplet, elsewhere.private)
    assert not reaches(cloud, droplet, elsewhere.public)


def test_the_cloud_metadata_of_the_host_is_not_the_droplets(cloud: Cloud, droplet: MachineSpec) -> None:
    assert not reaches(cloud, droplet, "169.254.170.2", 80)
