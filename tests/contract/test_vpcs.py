"""VPCs: private networks apart from one another, and what may be done to them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Network

import pytest

from tests.contract.support import Api, Daemon
from tests.support import until


@pytest.fixture(autouse=True)
def emptied(clean: None) -> Iterator[None]:
    yield


def make(api: Api, **fields: str) -> dict[str, str]:
    vpc = api.call("POST", "/v2/vpcs", {"name": "backend", "region": "nyc3", **fields}, status=201)["vpc"]
    assert isinstance(vpc, dict)
    return vpc


def test_ranges_never_overlap(api: Api) -> None:
    for name in ("a", "b", "c"):
        make(api, name=name)
    make(api, name="d", ip_range="192.168.7.0/24")
    ranges = [IPv4Network(vpc["ip_range"]) for vpc in api.get("/v2/vpcs?per_page=200")["vpcs"]]
    assert not any(one.overlaps(other) for n, one in enumerate(ranges) for other in ranges[:n])
    assert IPv4Network("192.168.7.0/24") in ranges


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"ip_range": "10.1.2.3/24"}, "CIDR"),
        ({"ip_range": "10.0.0.0/8"}, "/28 and /16"),
        ({"ip_range": "8.8.0.0/16"}, "RFC 1918"),
        ({"ip_range": "192.168.7.128/25"}, "overlaps"),
        ({"name": "first"}, "same name"),
        ({"name": ""}, "Name"),
        ({"name": "with space"}, "Name"),
        ({"region": "mars1"}, "Region"),
    ],
)
def test_what_cannot_be_is_refused(api: Api, fields: dict[str, str], said: str) -> None:
    make(api, name="first", ip_range="192.168.7.0/24")
    error = api.call("POST", "/v2/vpcs", {"name": "second", "region": "nyc3", **fields}, status=422)
    assert said in error["message"]


def test_a_vpc_is_changed_and_becomes_the_default(api: Api) -> None:
    vpc = make(api)
    changed = api.call("PUT", f"/v2/vpcs/{vpc['id']}", {"name": "other", "description": "text"}, status=200)["vpc"]
    assert (changed["name"], changed["description"], changed["default"]) == ("other", "text", False)
    api.call("PATCH", f"/v2/vpcs/{vpc['id']}", {"default": True}, status=200)
    vpcs = api.get("/v2/vpcs?per_page=200")["vpcs"]
    assert [each["id"] for each in vpcs if each["default"] and each["region"] == "nyc3"] == [vpc["id"]]
    assert "default" in api.call("DELETE", f"/v2/vpcs/{vpc['id']}", status=403)["message"]
    former = next(each for each in vpcs if each["name"] == "default-nyc3")
    api.call("DELETE", f"/v2/vpcs/{former['id']}", status=204)
    api.call("GET", f"/v2/vpcs/{former['id']}", status=404)


def test_members_meet_each_other_and_nobody_else(api: Api, daemon: Daemon) -> None:
    vpc = make(api, ip_range="192.168.7.0/28")
    mine = [api.droplet(name=name, vpc_uuid=vpc["id"]) for name in ("one", "two")]
    other = api.droplet(name="other")
    private = {d["name"]: next(n for n in d["networks"]["v4"] if n["type"] == "private") for d in (*mine, other)}
    assert IPv4Network(f"{private['one']['ip_address']}/28", strict=False) == IPv4Network("192.168.7.0/28")
    assert (private["one"]["netmask"], private["one"]["gateway"]) == ("255.255.255.240", "192.168.7.1")
    members = api.get(f"/v2/vpcs/{vpc['id']}/members")["members"]
    assert [member["name"] for member in members] == ["one", "two"]
    assert api.get(f"/v2/vpcs/{vpc['id']}/members?resource_type=load_balancer")["members"] == []

    until(lambda: ping(daemon, mine[0]["id"], private["two"]["ip_address"]), 30)
    until(lambda: ping(daemon, other["id"], str(IPv4Network(daemon.env["LOCALOCEAN_RANGE"])[1])), 30)
    assert not ping(daemon, mine[0]["id"], private["other"]["ip_address"])
    assert not ping(daemon, other["id"], private["one"]["ip_address"])

    assert "members" in api.call("DELETE", f"/v2/vpcs/{vpc['id']}", status=403)["message"]
    for droplet in mine:
        api.delete_droplet(droplet["id"])
    api.call("DELETE", f"/v2/vpcs/{vpc['id']}", status=204)
    links = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout
    bridge = daemon.env["LOCALOCEAN_BRIDGE"]
    assert [line.split()[0] for line in links.splitlines() if line.startswith(f"{bridge}p")] == [f"{bridge}p"]


def ping(daemon: Daemon, droplet_id: int, address: str) -> bool:
    """Whether the address answers, asked from inside the droplet."""
    return daemon.run("shell", str(droplet_id), "--", "ping", "-q", "-c1", "-W1", address, check=False).returncode == 0


def test_a_droplet_needs_a_vpc_of_its_own_region(api: Api) -> None:
    vpc = make(api)
    order = {"name": "x", "region": "fra1", "size": "s-1vcpu-512mb-10gb", "image": "debian-12-x64"}
    for wrong in (vpc["id"], "none"):
        error = api.call("POST", "/v2/droplets", order | {"vpc_uuid": wrong}, status=422)
        assert "invalid VPC" in error["message"]
    assert until(lambda: api.get("/v2/droplets")["meta"]["total"] == 0)
