"""The metadata service: each droplet is told about itself at 169.254.169.254, and nobody else is told anything."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.support import SSH, Api, Daemon, public_address
from tests.support import until

URL = "http://169.254.169.254"
FORMAT = "\\n%{http_code} %{redirect_url}"


MANY = """
import socket, time
held = [socket.create_connection(("169.254.169.254", 80)) for _ in range(200)]
time.sleep(1)
def alive(one):
    one.settimeout(0)
    try: return one.recv(1) != b""
    except BlockingIOError: return True
    except OSError: return False
print(sum(map(alive, held)))
"""


class Guest:
    """A droplet, and commands in it; its root's key is the account's."""

    def __init__(self, api: Api, folder: Path, name: str, user_data: str | None = None, **fields: Any) -> None:
        self.key = folder / name
        key = api.key(self.key)
        self.public_key = key["public_key"]
        told = user_data or f"#!/bin/sh\necho {name}\n"
        self.fields = api.droplet(name=name, ssh_keys=[key["id"]], user_data=told, tags=[name, "both"], **fields)
        self.id = self.fields["id"]
        self.address = public_address(self.fields)
        until(lambda: self.run("true").returncode == 0)

    def run(self, command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        ssh = [*SSH, "-i", str(self.key), f"root@{self.address}", command]
        return subprocess.run(ssh, input=stdin, capture_output=True, text=True, timeout=60)

    def get(self, path: str) -> tuple[str, int, str]:
        """Body, status and where it redirects to."""
        said = self.run(f"curl --silent --max-time 10 --write-out '{FORMAT}' {URL}{path}").stdout
        body, _, last = said.rpartition("\n")
        status, _, location = last.partition(" ")
        return body, int(status), location

    def document(self) -> Any:
        return json.loads(self.get("/metadata/v1.json")[0])


@pytest.fixture(scope="module")
def guests(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Guest, Guest]]:
    api.call("POST", "/_localocean/reset", status=204)
    folder = tmp_path_factory.mktemp("keys")
    yield Guest(api, folder, "one"), Guest(api, folder, "two")
    api.call("POST", "/_localocean/reset", status=204)


def test_a_droplet_is_told_about_itself(guests: tuple[Guest, Guest]) -> None:
    for guest in guests:
        found = guest.document()
        name = guest.fields["name"]
        assert found["droplet_id"] == guest.id
        assert (found["hostname"], found["region"]) == (name, "nyc3")
        assert found["user_data"] == f"#!/bin/sh\necho {name}\n"
        assert found["vendor_data"].startswith("#cloud-config\n")
        assert found["public_keys"] == [guest.public_key]
        assert found["tags"] == [name, "both"]
        assert found["features"] == {"dhcp_enabled": False}
        assert found["floating_ip"] == found["reserved_ip"] == {"ipv4": {"active": False}}
        (public,), (private,) = found["interfaces"]["public"], found["interfaces"]["private"]
        assert public["ipv4"]["ip_address"] == guest.address
        links = {link["ifname"]: link for link in json.loads(guest.run("ip -json -4 address").stdout)}
        hardware = {link["ifname"]: link["address"] for link in json.loads(guest.run("ip -json link").stdout)}
        assert (public["mac"], private["mac"]) == (hardware["eth0"], hardware["eth1"])
        addresses = {entry["local"] for entry in links["eth0"]["addr_info"]}
        assert addresses == {guest.address, public["anchor_ipv4"]["ip_address"]}
        assert private["ipv4"]["ip_address"] == links["eth1"]["addr_info"][0]["local"]


def test_every_fact_has_a_path(guests: tuple[Guest, Guest]) -> None:
    guest = guests[0]
    assert guest.get("/metadata/v1/")[0].split() == [
        *("id", "hostname", "user-data", "vendor-data", "public-keys", "region", "interfaces/", "dns/"),
        *("floating_ip/", "reserved_ip/", "tags/", "features/"),
    ]
    assert guest.get("/metadata/v1/id") == (str(guest.id), 200, "")
    assert guest.get("/metadata/v1/public-keys")[0] == guest.public_key
    assert guest.get("/metadata/v1/tags/")[0] == "one\nboth"
    assert guest.get("/metadata/v1/interfaces/")[0] == "public/\nprivate/"
    assert guest.get("/metadata/v1/interfaces/public/0/ipv4/address")[0] == guest.address
    assert guest.get("/metadata/v1/interfaces/public/0/anchor_ipv4/gateway")[1] == 200
    assert guest.get("/metadata/v1/floating_ip/ipv4/active")[0] == "false"
    assert guest.get("/metadata/v1/features/dhcp_enabled")[0] == "false"
    for folder in ("/metadata/v1", "/metadata/v1/interfaces", "/metadata/v1/tags"):
        assert guest.get(folder) == ("", 301, f"{URL}{folder}/")
    for path in (
        "/",
        "/metadata/v2/",
        "/metadata/v1/nothing",
        "/metadata/v1/id/",
        "/metadata/v1/tags/one",
        "/v2/account",
    ):
        assert guest.get(path)[1] == 404, path


def test_the_floating_ip_is_shown_where_it_is(api: Api, guests: tuple[Guest, Guest]) -> None:
    begun = api.call("POST", "/v2/floating_ips", {"droplet_id": guests[0].id}, status=202)
    api.finish(begun["links"]["actions"][0])
    address = begun["floating_ip"]["ip"]
    for here, there in (guests, guests[::-1]):
        move = {"type": "assign", "droplet_id": here.id}
        api.finish(api.call("POST", f"/v2/floating_ips/{address}/actions", move, status=201)["action"])
        assert here.document()["floating_ip"] == {"ipv4": {"active": True, "ip_address": address}}
        assert here.get("/metadata/v1/reserved_ip/ipv4/ip_address")[0] == address
        assert there.document()["reserved_ip"] == {"ipv4": {"active": False}}
        assert there.get("/metadata/v1/floating_ip/ipv4/ip_address")[1] == 404


def test_a_droplet_cannot_ask_as_another(guests: tuple[Guest, Guest]) -> None:
    one, two = guests
    borrow = f"ip address add {two.address}/32 dev eth0"
    ask = f"curl --silent --max-time 2 --interface {two.address} {URL}/metadata/v1/id"
    try:
        assert one.run(f"{borrow}; {ask}").stdout == ""
    finally:
        one.run(f"ip address del {two.address}/32 dev eth0")
    forged = f"curl --silent -H 'X-Forwarded-For: {two.address}' -H 'Forwarded: for={two.address}' {URL}/metadata/v1/id"
    assert one.run(forged).stdout == str(one.id)


def test_nobody_else_reaches_it(daemon: Daemon, api: Api, guests: tuple[Guest, Guest]) -> None:
    gateway = guests[0].document()["interfaces"]["public"][0]["ipv4"]["gateway"]
    port = int(daemon.env["LOCALOCEAN_PORT"])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((gateway, port), timeout=5)
    assert guests[0].run(f"curl --silent --max-time 5 http://{gateway}:{port}/metadata/v1/id").stdout == ""
    assert api.send("GET", "/metadata/v1.json").status_code == 404


def test_a_droplet_cannot_forge_the_log(daemon: Daemon, guests: tuple[Guest, Guest]) -> None:
    guests[0].get("/x%0a2000-01-01T00:00:00Z%20INFO%20localocean.actions%20forged%1b%5b31m")
    guests[0].get(f"/{'long' * 2000}")
    lines = daemon.state.joinpath("server.log").read_text().splitlines()
    (found,) = [line for line in lines if "forged" in line]
    assert f"{guests[0].address} GET /x\\n2000" in found and "\x1b" not in found
    assert max(len(line) for line in lines if "longlong" in line) < 3000


def test_a_device_without_hardware_address_is_no_matter(guests: tuple[Guest, Guest]) -> None:
    made = guests[0].run("ip tuntap add dev tun0 mode tun")
    if made.returncode:
        pytest.skip(f"the kernel has no such devices: {made.stderr}")
    assert guests[0].document()["droplet_id"] == guests[0].id
    guests[0].run("ip link delete tun0")


def test_a_droplet_cannot_keep_the_others_out(api: Api, guests: tuple[Guest, Guest]) -> None:
    """However many connections it opens."""
    said = guests[0].run(f"python3 -c '{MANY}'").stdout.split()
    assert 0 < int(said[0]) <= 16, said
    assert guests[0].document()["droplet_id"] == guests[0].id, "nor itself, once they are closed"


def test_it_is_there_again_after_a_crash(daemon: Daemon, api: Api, guests: tuple[Guest, Guest]) -> None:
    pid = int(daemon.up()["pid"])
    os.kill(pid, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{pid}").exists())
    daemon.up()
    assert guests[1].document()["droplet_id"] == guests[1].id
